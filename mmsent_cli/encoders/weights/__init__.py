"""Find and read pretrained weights."""
