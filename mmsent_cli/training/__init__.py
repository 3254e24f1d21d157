"""Train models: plan, training loop, optimizer, checkpoints, metrics, folds."""
