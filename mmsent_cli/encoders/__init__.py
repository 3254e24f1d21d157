"""Text and image encoders: contract, registry, weights."""
