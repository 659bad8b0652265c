"""What a stage costs in a month: prices, what the template deploys, what the handlers do, and the sum of it all."""
