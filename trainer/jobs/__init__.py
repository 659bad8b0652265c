"""Jobs: their files are checked, then a worker process trains one after the other."""
