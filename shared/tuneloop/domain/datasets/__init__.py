"""Datasets: what is collected, how files are read, what people decided about it, and how it is erased."""
