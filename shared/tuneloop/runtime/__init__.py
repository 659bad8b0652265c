"""The entry point of every function, best-effort loops, and the settling of datasets."""
