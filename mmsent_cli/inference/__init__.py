"""A trained model over new pairs."""
