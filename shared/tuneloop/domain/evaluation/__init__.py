"""Comparing versions: evaluations, their statistics, and the verdict of the gate."""
