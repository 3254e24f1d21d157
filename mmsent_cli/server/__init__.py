"""A web page and a JSON endpoint over a loaded model (extra `serve`).

    request -> limits -> pairs -> queue -> batches across clients -> one thread that predicts -> answers

Chosen: one process with one predicting thread, which already uses every core. Nothing that a request names is opened:
texts and images come in its body.
"""
