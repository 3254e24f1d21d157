"""Run folders of `evaluate` and `compare`: find models and labelled pairs, compute, write the report."""
