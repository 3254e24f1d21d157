"""Read and check pairs, and split them into training and validation."""
