"""Character n-grams with TF-IDF weights. They also match in hashtags, emoticons and misspelt words.

scikit-learn chooses the n-grams. n-grams and weights are plain data, so that a checkpoint can contain them.

Chosen: counting by mmsent, which gives the values of scikit-learn's `TfidfVectorizer` to the last bit (a test compares
the values). Rejected: scikit-learn for predictions too. The import of scikit-learn takes longer than everything else in
predicting one pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from mmsent_cli.data.text import clean

NGRAM_CHARACTERS = (2, 5)
MIN_TEXTS = 2
"""An n-gram is used if it is in at least this number of training texts."""
MAX_NGRAMS = 60_000
CLEANING = ("urls", "mentions")
NO_NGRAM = "\0"
"""The only n-gram if the training texts have no n-gram in common. The column of this n-gram is all zeros."""


@dataclass(frozen=True)
class Characters:
    """The V n-grams, and the inverse document frequency of each n-gram, float64 [V]."""

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
        except ValueError:  # scikit-learn raises it if no n-gram is in two texts
            empty = cls((NO_NGRAM,), np.ones(1))
            return empty, empty.features(texts).to_scipy()
        return cls(tuple(counter.get_feature_names_out().tolist()), np.asarray(counter.idf_)), features

    def features(self, texts: Sequence[str]) -> "SparseRows":
        """Compute the features of N texts for V n-grams [N, V].

        Each row has Euclidean length 1, or length 0 if the text has no known n-gram.
        """
        columns, counts, starts = [], [], [0]
        for text in texts:
            own = sorted(self._count(prepare(text).lower()).items())
            columns += [column for column, _ in own]
            counts += [count for _, count in own]
            starts.append(len(columns))
        indices = np.array(columns, dtype=np.int64)
        values = (np.log(np.array(counts, dtype=np.float64)) + 1.0) * self.idf[indices]
        for start, end in pairwise(starts):
            length = np.sqrt(_sum_in_order(values[start:end] ** 2))
            values[start:end] /= length or 1.0
        return SparseRows(values, indices, tuple(starts), len(self.ngrams))

    def _count(self, text: str) -> dict[int, int]:
        """Return a dictionary from the number of each known n-gram in a text to its count.

        Each word gets a space at both ends.
        """
        shortest, longest = NGRAM_CHARACTERS
        numbers, counts = self._numbers, {}
        for word in text.split():
            padded = f" {word} "
            for size in range(shortest, longest + 1):
                for start in range(len(padded) - size + 1):
                    number = numbers.get(padded[start : start + size])
                    if number is not None:
                        counts[number] = counts.get(number, 0) + 1
        return counts

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """Return the number of each n-gram."""
        return {ngram: number for number, ngram in enumerate(self.ngrams)}


class SparseRows(NamedTuple):
    """A sparse matrix float64 [N, V] with N rows and V columns.

    Attributes:
        values: the values that are not zero.
        columns: the column of each value, ascending within a row.
        starts: where each row starts in `values`, and where the last row ends [N + 1].
        width: the number of columns V.
    """

    values: np.ndarray
    columns: np.ndarray
    starts: tuple[int, ...]
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        return len(self.starts) - 1, self.width

    def __matmul__(self, weights: np.ndarray) -> np.ndarray:
        """Multiply this matrix [N, V] by weights [V, C]. The result is [N, C].

        Products are added in the order of the columns.
        """
        products = self.values[:, None] * weights[self.columns]
        rows = [_sum_in_order(products[start:end]) for start, end in pairwise(self.starts)]
        return np.array(rows).reshape(len(rows), weights.shape[1])

    def to_scipy(self) -> Any:
        """Convert to a sparse matrix of SciPy, for fitting weights."""
        from scipy.sparse import csr_matrix

        return csr_matrix((self.values, self.columns, self.starts), shape=self.shape)


def _sum_in_order(rows: np.ndarray) -> np.ndarray:
    """Return the sum of N rows [N, …]; 0 if there are no rows.

    The rows are added one after the other, since NumPy's own sum may add them in another order.
    """
    return np.add.accumulate(rows, axis=0)[-1] if len(rows) else np.zeros(rows.shape[1:])


def prepare(text: str) -> str:
    """Remove URLs, mentions and the # of hashtags."""
    return clean(text, CLEANING).replace("#", " ")


def _counter(**settings: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer="char_wb", ngram_range=NGRAM_CHARACTERS, sublinear_tf=True, lowercase=True, **settings
    )
