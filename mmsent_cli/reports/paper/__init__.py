"""The page that sets our experiments next to published results."""
