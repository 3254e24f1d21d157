"""Several models trained on one split, and tests of their differences."""
