"""The models and how they learn."""
