"""The stores of the trainer: rows in SQLite, and files on disk."""
