"""The report of `explain`."""
