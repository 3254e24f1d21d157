"""Terminal, figures and page of an ablation."""
