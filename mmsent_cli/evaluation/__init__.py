"""Compute the scores of trained models from their predictions, and compare several models."""
