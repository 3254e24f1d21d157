"""Terminal, figures and page of a search."""
