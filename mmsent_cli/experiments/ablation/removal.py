"""What a trained model predicts without one modality or both, by each method of removal.

Shape letters: N evaluated pairs, M pairs of a sample, C classes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from mmsent_cli.experiments.ablation.perturb import MEAN, MISSING, ZERO, Subject, additive_part, another_pair

PERMUTED = "permuted"
PERMUTATION_SEEDS = {"text": 0, "image": 1}


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predicted class numbers [N] from the text alone, the image alone, and neither, by one method of removal."""

    text: np.ndarray
    image: np.ndarray
    nothing: np.ndarray


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A trained model with N pairs, in parts that do not exchange modalities with each other.

    Attributes:
        rows: row numbers of the pairs, in the order of the data set.
        subjects: the model of each part, and the row numbers of its pairs.
    """

    rows: np.ndarray
    subjects: Sequence[tuple[Subject, np.ndarray]]

    def logits(self) -> np.ndarray:
        """Compute the logits [N, C] of the pairs as they are."""
        return self._joined([subject.logits() for subject, _ in self.subjects])

    def without(self) -> dict[str, Predictions]:
        """Predict the pairs without one or both modalities, by each method."""
        parts = [remove(subject) for subject, _ in self.subjects]
        names = [each.name for each in fields(Predictions)]
        return {
            method: Predictions(*(self._joined([getattr(part[method], name) for part in parts]) for name in names))
            for method in parts[0]
        }

    def additive(self, sample: np.ndarray) -> np.ndarray:
        """Compute the logits [M, C] of a sample without the interaction of text and image; see `additive_part`.

        Args:
            sample: numbers of M of the N pairs, ascending.
        """
        chosen = [np.flatnonzero(np.isin(places, sample)) for places in self._places()]
        parts = [
            (additive_part(subject, own), places[own])
            for (subject, _), places, own in zip(self.subjects, self._places(), chosen, strict=True)
            if len(own)
        ]
        order = np.argsort(np.concatenate([places for _, places in parts]))
        return np.concatenate([logits for logits, _ in parts])[order]

    def _places(self) -> Iterator[np.ndarray]:
        """Places of each part's pairs among all N."""
        return (np.searchsorted(self.rows, rows) for _, rows in self.subjects)

    def _joined(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        joined = np.empty((len(self.rows), *parts[0].shape[1:]), dtype=parts[0].dtype)
        for part, places in zip(parts, self._places(), strict=True):
            joined[places] = part
        return joined


def remove(subject: Subject) -> dict[str, Predictions]:
    """Predict the pairs of one model without one or both modalities, by each method."""
    others = {side: another_pair(len(subject), seed) for side, seed in PERMUTATION_SEEDS.items()}

    def replace(method: str) -> Callable[[Sequence[str]], np.ndarray]:
        return lambda sides: subject.logits(removed=dict.fromkeys(sides, method))

    def permute(sides: Sequence[str]) -> np.ndarray:
        text_rows, image_rows = (others[side] if side in sides else None for side in ("text", "image"))
        return subject.logits(text_rows, image_rows)

    methods = {ZERO: replace(ZERO), MEAN: replace(MEAN), PERMUTED: permute, MISSING: replace(MISSING)}
    without = (["image"], ["text"], ["text", "image"])
    return {
        method: Predictions(*(logits(sides).argmax(axis=1) for sides in without)) for method, logits in methods.items()
    }
