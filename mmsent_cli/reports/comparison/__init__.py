"""Report a comparison: terminal, figures and page."""
