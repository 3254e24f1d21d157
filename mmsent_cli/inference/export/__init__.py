"""Export a trained model to a folder that needs neither mmsent nor PyTorch."""
