"""The page that sets our experiments beside published results."""
