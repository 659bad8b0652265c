"""The benchmarks of training data: the cost of validating, exporting and listing it, beside a baseline or a bound."""
