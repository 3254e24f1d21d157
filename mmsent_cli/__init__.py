"""Sentiment of a text with its image: train, predict, and know how far to trust the figures."""

__version__ = "0.1.0"
