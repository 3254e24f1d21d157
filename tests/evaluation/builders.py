"""Predictions of labelled pairs, made by hand or at random."""

import numpy as np

from mmsent_cli.data.pairs import Pair
from mmsent_cli.evaluation.answers import Answers

LABELS = ("negative", "neutral", "positive")


def make_answers(true, predicted, probabilities=None, pairs=()):
    """Answers of N pairs named 0, 1, …"""
    true, predicted = np.array(true), np.array(predicted)
    guids = tuple(str(number) for number in range(len(true)))
    return Answers(
        guids=guids, labels=LABELS, true=true, predicted=predicted, probabilities=probabilities, pairs=tuple(pairs)
    )


def random_answers(count=400, seed=0, sharpness=2.0):
    """Answers that are better than chance, with their probabilities."""
    generator = np.random.default_rng(seed)
    true = generator.choice(3, count, p=(0.2, 0.2, 0.6))
    logits = generator.normal(size=(count, 3)) + sharpness * np.eye(3)[true]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return make_answers(true, shares.argmax(axis=1), shares)


def numbered_pairs(true, lacking=None):
    """A pair for each class number; `lacking` names the modality that a pair does not have, by its number."""
    lacking = lacking or {}
    return [
        Pair(
            guid=str(number),
            tag=LABELS[label],
            text=None if lacking.get(number) == "text" else f"word{number} " * (number + 1),
            image=None if lacking.get(number) == "image" else b"image",
            image_digest="" if lacking.get(number) == "image" else f"{number:032x}",
        )
        for number, label in enumerate(true)
    ]
