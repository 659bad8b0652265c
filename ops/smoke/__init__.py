"""Checks of `make check` that no tool makes by itself."""
