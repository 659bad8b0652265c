"""What training data costs to check, to export and to look at: each beside what it is measured against."""
