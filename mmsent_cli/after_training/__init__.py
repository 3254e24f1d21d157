"""The commands that use trained models, except `predict`: evaluate, compare, explain, export, serve."""
