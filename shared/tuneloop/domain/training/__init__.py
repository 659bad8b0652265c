"""Training runs: what providers offer, what a run costs and may cost, and the states that it goes through."""
