"""Tuneloop's AWS resources: the table of functions (`functions.py`) and the CDK app that deploys it."""
