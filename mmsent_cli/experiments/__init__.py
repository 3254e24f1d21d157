"""Experiments: train several models with `training`, and compare them with `stats`."""
