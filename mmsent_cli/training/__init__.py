"""From checked pairs to a trained model: features, loop, optimizer, precision, checkpoints, metrics, seeds."""
