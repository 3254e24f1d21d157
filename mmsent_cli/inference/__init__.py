"""Predict new pairs with a trained model."""
