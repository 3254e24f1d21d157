"""Character n-grams with TF-IDF weights. They also match in hashtags, emoticons and misspelt words.

scikit-learn counts the n-grams. The n-grams and their weights are plain data, so that a checkpoint can contain them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mmsent_cli.data.text import clean

NGRAM_CHARACTERS = (2, 5)
MIN_TEXTS = 2
"""An n-gram counts if it is in this many training texts."""
MAX_NGRAMS = 60_000
CLEANING = ("urls", "mentions")
NO_NGRAM = "\0"
"""The only n-gram where texts share none: its column is all zeros."""


@dataclass(frozen=True)
class Characters:
    """The n-grams and their inverse document frequencies, float64 [V]."""

    ngrams: tuple[str, ...]
    idf: np.ndarray

    @classmethod
    def fit(cls, texts: Sequence[str]) -> tuple["Characters", Any]:
        """Choose the most frequent n-grams that are in at least two training texts.

        Returns:
            The n-grams, and the features of the training texts.
        """
        counter = _counter(min_df=MIN_TEXTS, max_features=MAX_NGRAMS)
        try:
            features = counter.fit_transform([prepare(text) for text in texts])
        except ValueError:  # scikit-learn's where no n-gram is in two texts; it has no other way to report that
            empty = cls((NO_NGRAM,), np.ones(1))
            return empty, empty.features(texts)
        return cls(tuple(counter.get_feature_names_out().tolist()), np.asarray(counter.idf_)), features

    def features(self, texts: Sequence[str]) -> Any:
        """Compute features, sparse float64 [N, V]. A row has Euclidean length 1, or 0 if it has no known n-gram."""
        from scipy.sparse import csr_matrix

        if not texts:
            return csr_matrix((0, len(self.ngrams)))
        return self._own_counter.transform([prepare(text) for text in texts])

    @cached_property
    def _own_counter(self) -> Any:
        """Return the counter of scikit-learn. It is cached, since creating it takes longer than counting a batch."""
        counter = _counter(vocabulary=self.ngrams)
        counter.idf_ = self.idf
        return counter


def prepare(text: str) -> str:
    """Remove URLs, mentions and the # of hashtags."""
    return clean(text, CLEANING).replace("#", " ")


def _counter(**settings: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer="char_wb", ngram_range=NGRAM_CHARACTERS, sublinear_tf=True, lowercase=True, **settings
    )
