"""Measure what text and image contribute to a trained model."""
