"""Train the arms of a comparison, and compute its rows from the trained models.

Shape letters: S seeds, E epochs, N validation pairs, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mmsent_cli.experiments.arms import Arm, TrainedArm, seeds_of
from mmsent_cli.experiments.comparison.arm_scores import ArmScores, describe, score_arm
from mmsent_cli.experiments.experiment import Experiment, seed_notes
from mmsent_cli.results import ComparedArm, CompareResult, Difference
from mmsent_cli.stats import compare_scores, few_pairs_notes, holm, mcnemar, verdict


def train_and_compare(
    experiment: Experiment, arms: Sequence[Arm], name: str, baseline: str, seeds: int
) -> tuple[CompareResult, list[TrainedArm]]:
    """Train the models of a comparison, and test their differences to the baseline.

    Args:
        experiment: trains the models.
        arms: the models to train.
        name: name of the experiment, such as `compare-fusions`.
        baseline: name of the arm that all others are compared with.
        seeds: number of seeds of each arm.

    Returns:
        The result, and the trained models. The result is not written yet.

    Raises:
        ConfigError: a fusion cannot be used with the encoders.
    """
    plan = experiment.plan
    trained = experiment.train(arms)
    result = CompareResult(
        experiment=name,
        baseline=baseline,
        setup=experiment.setup(plan.config, seeds_of(plan.config, seeds)),
        arms=compare(trained, experiment.true, plan.dataset.labels, baseline),
        notes=(
            *plan.notes,
            *experiment.workspace.notes(),
            *seed_notes(seeds),
            *few_pairs_notes(experiment.true, plan.dataset.labels),
        ),
    )
    return result, trained


def compare(
    trained: Sequence[TrainedArm], true: np.ndarray, labels: Sequence[str], baseline: str
) -> tuple[ComparedArm, ...]:
    """Make one row per arm, in order of first occurrence, with references last.

    McNemar's test compares the n-th model of an arm with the n-th model of the baseline. The interval treats the seeds
    of the two arms as independent.

    Args:
        trained: all trained models; every arm has the same number of seeds.
        true: true class numbers of the validation pairs [N], N at least 2.
        labels: class names in order.
        baseline: name of the arm that all others are compared with.

    Raises:
        ValueError: there is no such baseline, or the arms have different numbers of seeds.
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
    macro_f1s = {name: _macro_f1_difference(scores[name], scores[baseline], others[name]) for name in tested}
    adjusted, adjusted_f1 = _adjusted(accuracies), _adjusted(macro_f1s)
    rows = []
    for name, arm in scores.items():
        row = describe(arm, true, labels)
        if name in accuracies:
            row = replace(
                row,
                accuracy_difference=accuracies[name],
                macro_f1_difference=macro_f1s[name],
                p_adjusted=adjusted[name],
                verdict=verdict(accuracies[name].difference, adjusted[name]),
                macro_f1_p_adjusted=adjusted_f1[name],
                macro_f1_verdict=verdict(macro_f1s[name].difference, adjusted_f1[name]),
                mcnemar=tuple(map(mcnemar, arm.right, scores[baseline].right)),
            )
        rows.append(row)
    return tuple(sorted(rows, key=lambda row: row.is_reference))


def _group(trained: Sequence[TrainedArm]) -> dict[str, tuple[TrainedArm, ...]]:
    names = dict.fromkeys(model.name for model in trained)
    return {name: tuple(model for model in trained if model.name == name) for name in names}


def _adjusted(differences: Mapping[str, Difference]) -> dict[str, float]:
    """Holm's p of each difference, adjusted over all of them."""
    return dict(zip(differences, holm([gap.p for gap in differences.values()]), strict=True))


def _accuracy_difference(arm: ArmScores, baseline: ArmScores, others: Sequence[ArmScores]) -> Difference:
    """Test the difference in accuracy of an arm, together with those of all arms (Holm)."""
    return compare_scores(arm.right, baseline.right, len(others) + 1, [other.right for other in others])


def _macro_f1_difference(arm: ArmScores, baseline: ArmScores, others: Sequence[ArmScores]) -> Difference:
    return compare_scores(arm.f1_scores, baseline.f1_scores, len(others) + 1, [other.f1_scores for other in others])
