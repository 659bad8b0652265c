"""Exports: which examples a revision trains on, which it is tested on, and which it leaves out and why."""
