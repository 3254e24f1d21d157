"""Judging trained models on labelled pairs: one alone, or several against each other."""
