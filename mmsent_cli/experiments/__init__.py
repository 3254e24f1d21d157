"""Experiments: build configurations, train models by `training`, and compare them by `stats`."""
