"""A web page and a JSON endpoint for a loaded model (needs the extra `serve`).

request -> limits -> pairs -> queue -> batches across clients -> one thread that predicts -> responses

Chosen: one process with one predicting thread, which uses every core. Texts and images come in the body of a request. A
path or address in the body is never opened.
"""
