"""Serving: models and their versions, which version answers whom, usage and feedback."""
