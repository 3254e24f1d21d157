"""Check pairs (`check`) and machine (`env`) before a training.

A check is a function from facts to outcomes. An outcome has a level, a threshold, and the pairs that it is about. A
failed check does not stop the other checks.
"""
