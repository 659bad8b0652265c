"""Validation of lines and files, which `tuneloop validate` does offline and collecting does in the cloud."""
