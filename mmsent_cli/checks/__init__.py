"""Check pairs (`check`) and machine (`env`) before a training.

A check is a function that takes facts and returns outcomes. An outcome has a level (ok, warning or error), a rule for
the level, and the pairs that the check found. A failed check does not stop the other checks.
"""
