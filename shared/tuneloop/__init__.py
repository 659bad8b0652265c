"""Tuneloop's common layer: what every function runs on, and what `pip install tuneloop` gives an app."""
