"""The demo: the whole loop on real data through the real front doors, step by step on the terminal."""
