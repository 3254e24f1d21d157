"""Which pairs of an evaluation a training used, and which of them the scores are therefore about.

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
NO_TRAINING = "the training pairs are not known here: pairs that were in training could not be counted apart"
NO_VALIDATION = (
    "this checkpoint does not record its validation pairs: if some of these pairs were among them, the scores are "
    "optimistic"
)


def chosen_pairs(relation: np.ndarray | None, count: int) -> tuple[str, np.ndarray]:
    """Choose the pairs that scores are about.

    Args:
        relation: how each pair is related to the training [N]; None if that is unknown.
        count: N.

    Returns:
        Which pairs these are, and whether each of them is one [N]: the new ones; if fewer than two are new, the
        validation pairs; if fewer than two are these, all pairs.
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
    """Return which pairs are left out of the scores, or how the scores are to be read.

    Args:
        measured: which pairs the scores are about.
        counts: from `relation_counts`.
    """
    total = sum(counts.values())
    used = total - counts.get("new", 0)
    if not used:
        return ()
    if measured == ON_KNOWN:
        return (f"{used:,} of {total:,} pairs were used in training: the scores show memory, measure on other pairs",)
    if measured == ON_VALIDATION:
        return ("the scores are about validation pairs of the training: they are optimistic",)
    return (f"{used:,} of {total:,} pairs were used in training: the scores are about the others",)


def record_notes(seen: SeenPairs | None, answers: Answers) -> tuple[str, ...]:
    """Return what is not known about the pairs of the training."""
    if seen is None or not answers.pairs:
        return (NO_TRAINING,)
    return (NO_VALIDATION,) if seen.validation is None else ()
