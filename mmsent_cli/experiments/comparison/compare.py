"""The rows of a comparison, computed from trained models by pure functions.

Shape letters: S seeds, E epochs, N validation pairs, C classes.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmsent_cli.experiments.arms import TrainedArm
from mmsent_cli.experiments.comparison.arm_scores import ArmScores, describe, score_arm
from mmsent_cli.results import ComparedArm, Difference
from mmsent_cli.stats import accuracy_of, compare_scores, holm, mcnemar, verdict


def compare(
    trained: Sequence[TrainedArm], true: np.ndarray, labels: Sequence[str], baseline: str
) -> tuple[ComparedArm, ...]:
    """One row per arm, in the order in which the names first occur; reference rows last.

    Seeds keep the order given. McNemar's test compares the n-th model of an arm with the n-th of the baseline. The
    interval treats the seeds of the two arms as independent.

    Args:
        trained: all models; the number of seeds is the same for every arm.
        true: class numbers of the validation pairs [N], N at least 2.
        labels: class names in order.
        baseline: name of the arm that all others are compared with.

    Raises:
        ValueError: no such baseline, or arms that differ in their number of seeds.
    """
    arms = _group(trained)
    if baseline not in arms or len({len(models) for models in arms.values()}) != 1:
        raise ValueError(
            f"no arm {baseline}, or not one model per seed: { {name: len(m) for name, m in arms.items()} }"
        )
    scores = {name: score_arm(models, true, len(labels)) for name, models in arms.items()}
    tested = [name for name, models in arms.items() if name != baseline and not models[0].is_reference]
    others = {name: [scores[other] for other in tested if other != name] for name in tested}
    accuracies = {name: _accuracy_difference(scores[name], scores[baseline], others[name]) for name in tested}
    adjusted = dict(zip(tested, holm([difference.p for difference in accuracies.values()]), strict=True))
    rows = []
    for name, arm in scores.items():
        row = describe(arm, true, labels, accuracy_of(arm.right))
        if name in accuracies:
            difference, p_adjusted = accuracies[name], adjusted[name]
            row = replace(
                row,
                accuracy_difference=difference,
                macro_f1_difference=_macro_f1_difference(arm, scores[baseline], others[name]),
                p_adjusted=p_adjusted,
                verdict=verdict(difference.difference, p_adjusted),
                mcnemar=tuple(map(mcnemar, arm.right, scores[baseline].right)),
            )
        rows.append(row)
    return tuple(sorted(rows, key=lambda row: row.is_reference))


def _group(trained: Sequence[TrainedArm]) -> dict[str, tuple[TrainedArm, ...]]:
    names = dict.fromkeys(model.name for model in trained)
    return {name: tuple(model for model in trained if model.name == name) for name in names}


def _accuracy_difference(arm: ArmScores, baseline: ArmScores, others: Sequence[ArmScores]) -> Difference:
    """The difference in accuracy, tested in one family with those of the `others`."""
    return compare_scores(arm.right, baseline.right, len(others) + 1, [other.right for other in others])


def _macro_f1_difference(arm: ArmScores, baseline: ArmScores, others: Sequence[ArmScores]) -> Difference:
    return compare_scores(arm.f1_scores, baseline.f1_scores, len(others) + 1, [other.f1_scores for other in others])
