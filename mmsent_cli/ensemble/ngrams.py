"""Character n-grams of a text, weighted by TF-IDF: hashtags, emoticons and misspelt words without a tokenizer.

The n-grams and their weights are plain data, so that they can lie in a checkpoint; scikit-learn counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mmsent_cli.data.text import clean

NGRAMS = (2, 5)
MIN_TEXTS = 2
MAX_NGRAMS = 60_000
STEPS = ("urls", "mentions")
NO_NGRAM = "\0"
"""Stands for n-grams where texts share none: a column of zeros, from which nothing is learnt."""


@dataclass(frozen=True)
class Characters:
    """Which n-grams are counted, and their inverse document frequencies [V], float64."""

    ngrams: tuple[str, ...]
    idf: np.ndarray

    @classmethod
    def fit(cls, texts: Sequence[str]) -> tuple["Characters", Any]:
        """The n-grams of some training texts that occur in two or more of them, the most frequent ones.

        Returns:
            The n-grams, and what `features` would give for the same texts: counting twice takes twice as long.
        """
        counter = _counter(min_df=MIN_TEXTS, max_features=MAX_NGRAMS)
        try:
            features = counter.fit_transform([prepare(text) for text in texts])
        except ValueError:  # scikit-learn's for texts that share nothing; there is no other way to ask
            nothing = cls((NO_NGRAM,), np.ones(1))
            return nothing, nothing.features(texts)
        return cls(tuple(counter.get_feature_names_out().tolist()), np.asarray(counter.idf_)), features

    def features(self, texts: Sequence[str]) -> Any:
        """Sparse float64 [N, V], each row of length 1 (or 0 for a text without known n-grams)."""
        from scipy.sparse import csr_matrix

        if not texts:
            return csr_matrix((0, len(self.ngrams)))
        return self._own_counter.transform([prepare(text) for text in texts])

    @cached_property
    def _own_counter(self) -> Any:
        """Kept, since making it takes longer than a batch of texts."""
        counter = _counter(vocabulary=self.ngrams)
        counter.idf_ = self.idf
        return counter


def prepare(text: str) -> str:
    """The text without addresses and mentions; a hashtag's sign goes, its word stays whole."""
    return clean(text, STEPS).replace("#", " ")


def _counter(**settings: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer="char_wb", ngram_range=NGRAMS, sublinear_tf=True, lowercase=True, **settings)
