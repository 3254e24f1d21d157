"""Which pairs of an evaluation were used in training, and which pairs the scores are computed on.

Shape letters: N pairs.
"""

from collections.abc import Mapping

import numpy as np

from mmsent_cli.data.seen import NEAR, NEW, SEEN, VALIDATED, SeenPairs
from mmsent_cli.evaluation.answers import Answers
from mmsent_cli.results import ON_KNOWN, ON_NEW, ON_UNKNOWN, ON_VALIDATION

RELATIONS = {
    NEW: "not in training",
    NEAR: "text or image in training",
    SEEN: "in training",
    VALIDATED: "in validation *",
}
NO_TRAINING = "the training pairs are unknown, so the scores may include pairs that were in training"
NO_VALIDATION = (
    "this checkpoint does not record its validation pairs: if they are among these pairs, the scores are optimistic"
)


def chosen_pairs(relation: np.ndarray | None, count: int) -> tuple[str, np.ndarray]:
    """Choose the pairs on which the scores are computed.

    Args:
        relation: how each pair is related to the training [N]; None if unknown.
        count: N.

    Returns:
        The name of the chosen group, and a mask [N] of its pairs. The new pairs are chosen if there are two or more,
        else the validation pairs if there are two or more, else all pairs.
    """
    for measured, kind in ((ON_NEW, NEW), (ON_VALIDATION, VALIDATED)):
        if relation is not None and (relation == kind).sum() >= 2:
            return measured, relation == kind
    return ON_UNKNOWN if relation is None else ON_KNOWN, np.ones(count, dtype=bool)


def relation_counts(relation: np.ndarray | None) -> dict[str, int]:
    """Return the number of pairs of each relation to the training, by the names in the result."""
    names = {"new": NEW, "near_training": NEAR, "in_training": SEEN, "in_validation": VALIDATED}
    return {} if relation is None else {name: int((relation == kind).sum()) for name, kind in names.items()}


def used_notes(measured: str, counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return notes on pairs that are left out of the scores, and on optimistic scores.

    Args:
        measured: the group of pairs on which the scores are computed.
        counts: from `relation_counts`.
    """
    total = sum(counts.values())
    used = total - counts.get("new", 0)
    if not used:
        return ()
    shared = f"{used:,} of {total:,} pairs were used in training, or share text or image with a training pair"
    if measured == ON_KNOWN:
        return (f"{shared}. The scores show memory: measure on other pairs",)
    if measured == ON_VALIDATION:
        return ("the scores are optimistic, since the pairs are validation pairs of the training",)
    return (f"{shared}. The scores are those of the other {total - used:,}",)


def record_notes(seen: SeenPairs | None, answers: Answers) -> tuple[str, ...]:
    """Return what is not known about the pairs of the training."""
    if seen is None or not answers.pairs:
        return (NO_TRAINING,)
    return (NO_VALIDATION,) if seen.validation is None else ()
