"""A fine-tuning server that really trains, on this machine: two wires over one engine."""
