"""What a sentiment lexicon and the surface of a text say of it: a few numbers a text.

Source: VADER, Hutto and Gilbert 2014, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media
Text", as its authors publish it.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from mmsent_cli.data.ocr import OcrText
from mmsent_cli.data.text import clean

EDGES = "#.,!?:;\"'()"
SCORES = ("pos", "neg", "neu", "compound")
N_LEXICON = 32
REMEMBERED = 2**15
"""Texts whose numbers are kept; 30 MB at the most."""
LEAST = (10, 30, 80)
"""Characters of a word, a line and a saying."""
N_OCR = 3 + len(LEAST)


def lexicon_features(texts: Sequence[str]) -> np.ndarray:
    """Numbers of each text: once as it stands, once with hashtags as words and without addresses and mentions.

    Args:
        texts: N texts.

    Returns:
        float64 [N, 32], not scaled.
    """
    steps = ("urls", "mentions", "hashtags")
    rows = [[*_numbers(text), *_numbers(clean(text, steps))] for text in texts]
    return np.array(rows, dtype=np.float64).reshape(len(texts), N_LEXICON)


def ocr_features(ocr_texts: Sequence[OcrText]) -> np.ndarray:
    """How much stands in each image: characters, lines, share of the area, and whether it is a word, a line, a saying.

    Returns:
        float64 [N, 6], not scaled.
    """
    rows = [[len(w.text), w.lines, w.area, *(len(w.text) >= least for least in LEAST)] for w in ocr_texts]
    return np.array(rows, dtype=np.float64).reshape(len(ocr_texts), N_OCR)


@lru_cache(REMEMBERED)
def _numbers(text: str) -> tuple[float, ...]:
    """VADER's four scores; extremes, sums and counts of its positive and negative words; marks, shouting, length.

    Remembered, since every fold asks for the same texts again.
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
        len(text) / 140,
        text.startswith("RT"),
        sum(word.isupper() and len(word) > 2 for word in words),
    )


@cache
def _analyser() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
