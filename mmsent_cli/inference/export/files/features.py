"""Compute the counted features of a text: character n-grams (TF-IDF), and scores of a sentiment lexicon."""

import json
import math
from collections import Counter
from functools import cache

import numpy as np
from clean import clean


def compute(name, text, folder):
    """Compute F features of one text, as an array float32 [1, F]."""
    if name == "lexicon":
        from lexicon import lexicon_features

        return lexicon_features([text]).astype(np.float32)
    return characters(text, *read_ngrams(folder / f"{name}.json"))


@cache
def read_ngrams(path):
    """Read from a file the column number of each n-gram, and the weight of each column."""
    given = json.loads(path.read_text(encoding="utf-8"))
    return {ngram: column for column, ngram in enumerate(given["ngrams"])}, np.array(given["idf"])


def characters(text, columns, idf):
    """Compute the TF-IDF weights of V known character n-grams in a text, as an array [1, V].

    As with scikit-learn's `char_wb`, each word gets a space at both ends, and n-grams do not cross words.
    """
    text = clean(text, ("urls", "mentions")).replace("#", " ").lower()
    counts = Counter(columns[ngram] for word in text.split() for ngram in ngrams_of(f" {word} ") if ngram in columns)
    row = np.zeros(len(columns))
    for column, count in counts.items():
        row[column] = (1 + math.log(count)) * idf[column]
    return (row / (np.linalg.norm(row) or 1.0))[None].astype(np.float32)


def ngrams_of(word):
    """Yield all n-grams of 2 to 5 characters in a word. No n-gram is longer than the word."""
    for size in range(2, 6):
        yield word[:size]
        if len(word) <= size:
            return
        yield from (word[start : start + size] for start in range(1, len(word) - size + 1))
