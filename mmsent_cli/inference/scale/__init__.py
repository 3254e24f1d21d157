"""Predict data of any size in parts, on one machine or a cluster, by Ray Data."""
