"""Encode pairs, store the features of frozen layers, and make batches."""
