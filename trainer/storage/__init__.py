"""What the trainer remembers: rows in SQLite, and files beside them."""
