"""Tuneloop on this machine: the deployed stack on MiniStack, the trainer beside it, and the demo that drives them."""
