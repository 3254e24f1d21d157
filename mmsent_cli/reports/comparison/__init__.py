"""Terminal, figures and page of a comparison."""
