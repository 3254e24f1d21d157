"""Experiments: build configurations, train by `training`, compare by `stats`; no batch loop here."""
