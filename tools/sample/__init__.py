"""Draws data/sample anew; not part of the package."""
