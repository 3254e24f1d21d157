"""What mmsent costs, beside a plain loop that does the same; asserts nothing. `make bench`, `python -m benchmarks`."""
