"""Predict data of any size in parts with Ray Data, on one machine or a cluster."""
