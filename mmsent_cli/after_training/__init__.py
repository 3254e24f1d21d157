"""What is done with trained models besides `predict`: evaluate, compare, explain, export, serve."""
