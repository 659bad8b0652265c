"""What wakes a function, and work that goes on when one item of it fails."""
