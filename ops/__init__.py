"""What an operator does with a stage on AWS: build its layer, deploy it, try it, give it a key, and take it down."""
