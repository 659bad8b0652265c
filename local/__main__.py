"""`make local`: leaves the stack up until Ctrl-C, with a key to call it."""
