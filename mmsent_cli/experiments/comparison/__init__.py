"""Several models trained on one split, and what their differences are worth."""
