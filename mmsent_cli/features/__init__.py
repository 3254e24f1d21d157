"""From pairs to stored activations to batches."""
