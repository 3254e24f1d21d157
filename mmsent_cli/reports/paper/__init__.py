"""Report `paper`: the results of its experiments next to the published results."""
