"""Checking files and lines: what `tuneloop validate` says offline and collecting says in the cloud."""
