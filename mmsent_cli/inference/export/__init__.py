"""A trained model as a folder that runs without mmsent and torch: graph, tokenizers, labels, script, model card."""
