"""Features of a text from a sentiment lexicon, and surface features such as its length: 32 numbers per text.

Source of the lexicon: Hutto and Gilbert 2014, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social
Media Text", in the package of the authors.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from mmsent_cli.data.text import clean

EDGES = "#.,!?:;\"'()"
"""Characters that are stripped from a word before it is looked up."""
SCORES = ("pos", "neg", "neu", "compound")
TWEET_CHARACTERS = 140
N_LEXICON = 32
CACHED_TEXTS = 2**15
"""Number of texts whose features are cached (at most 30 MB)."""


def lexicon_features(texts: Sequence[str]) -> np.ndarray:
    """Compute the lexicon features of N texts.

    Returns:
        float64 [N, 32], not standardized. The first half are features of the raw text. The second half are the same
        features of the text without links and mentions, and with split hashtags.
    """
    steps = ("urls", "mentions", "hashtags")
    rows = [[*_features(text), *_features(clean(text, steps))] for text in texts]
    return np.array(rows, dtype=np.float64).reshape(len(texts), N_LEXICON)


@lru_cache(CACHED_TEXTS)
def _features(text: str) -> tuple[float, ...]:
    """Compute the features of a text: VADER's scores, statistics of positive and negative words, punctuation, length.

    The result is cached, since every fold needs the same texts.
    """
    analyser = _analyser()
    scores = analyser.polarity_scores(text)
    words = text.split()
    valences = [analyser.lexicon.get(word.lower().strip(EDGES), 0.0) for word in words]
    positive, negative = [v for v in valences if v > 0], [v for v in valences if v < 0]
    return (
        *(scores[name] for name in SCORES),
        max(positive, default=0.0),
        min(negative, default=0.0),
        sum(positive),
        sum(negative),
        len(positive),
        len(negative),
        text.count("!"),
        text.count("?"),
        text.count("#"),
        len(text) / TWEET_CHARACTERS,
        text.startswith("RT"),
        sum(word.isupper() and len(word) > 2 for word in words),
    )


@cache
def _analyser() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
