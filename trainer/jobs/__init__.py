"""What works on a job: its files are checked, then one process trains it."""
