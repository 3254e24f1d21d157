"""From checked pairs to a trained model: features, loop, optimiser, precision, checkpoints, metrics, seeds."""
