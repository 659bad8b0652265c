"""What the product keeps, a module per noun."""
