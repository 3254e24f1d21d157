"""Report the scores of a trained model, or compared models."""
