"""A web page and a JSON endpoint over a loaded model (extra `serve`).

request -> limits -> pairs -> queue -> batches across clients -> one thread that predicts -> responses

Chosen: one process with one predicting thread, which uses every core. Texts and images come in the body of a request. A
path or address in it is never opened.
"""
