"""The guides, and what builds the generated parts of them."""
