"""What every room uses: ids, errors, limits, money, numbers, API keys, and what may be repeated in a log."""
