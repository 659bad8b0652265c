"""The smoke test: the whole loop, played once on a deployed stage; the demo goes the same way on this machine."""
