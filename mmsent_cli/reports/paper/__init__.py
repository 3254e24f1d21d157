"""Report `paper`: our experiments next to published results."""
