"""What can go wrong is found before the training: in the pairs (`check`) and on the machine (`env`).

A check is a function from facts to outcomes, each with its level, its threshold and the pairs that it is about. All
checks are made, whatever the others find.
"""
