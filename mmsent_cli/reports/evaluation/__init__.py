"""Scores of a trained model on labelled pairs, and models compared."""
