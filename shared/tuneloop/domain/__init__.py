"""The rules, pure: no I/O, no clock, no randomness. Each room imports only rooms below it."""
