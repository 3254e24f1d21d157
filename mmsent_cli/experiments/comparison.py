"""From trained models to rows of a comparison: pure functions from arrays to findings.

Shape letters: S seeds, E epochs, N validation pairs, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmsent_cli.experiments.nested import best_epoch, nested_selection
from mmsent_cli.experiments.trained import TrainedArm
from mmsent_cli.findings import ComparedArm, Difference, Interval
from mmsent_cli.results import ClassMetrics, Metrics
from mmsent_cli.stats import (
    Estimate,
    accuracy_interval,
    accuracy_scores,
    detectable,
    estimate_difference,
    estimate_mean,
    holm,
    interval,
    macro_f1_scores,
    mcnemar,
    p_value,
    verdict,
)
from mmsent_cli.training.metrics import compute_metrics


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """An arm with one prediction a seed and pair, by nested selection.

    Attributes:
        models: one a seed.
        predicted: class numbers [S, N].
        right: 1 where right [S, N].
        f1_scores: pseudo-values of macro-F1 [S, N].
    """

    models: tuple[TrainedArm, ...]
    predicted: np.ndarray
    right: np.ndarray
    f1_scores: np.ndarray


def compare(
    trained: Sequence[TrainedArm], true: np.ndarray, labels: Sequence[str], baseline: str
) -> tuple[ComparedArm, ...]:
    """One row an arm, in the order in which the names first come; reference rows last.

    Seeds keep the order given. The n-th model of an arm is set against the n-th of the baseline in McNemar's test; the
    interval takes the seeds of both arms as drawn apart.

    Args:
        trained: all models; each arm with as many seeds as the baseline.
        true: class numbers of the validation pairs [N], N at least 2.
        labels: class names in order.
        baseline: name of the arm that all others are compared with.

    Raises:
        ValueError: no such baseline, or arms with other numbers of seeds.
    """
    arms = _group(trained)
    if baseline not in arms or len({len(models) for models in arms.values()}) != 1:
        raise ValueError(f"no arm {baseline}, or not one model a seed: { {name: len(m) for name, m in arms.items()} }")
    judged = {name: _judge(models, true, len(labels)) for name, models in arms.items()}
    rows = {name: _describe(arm, true, labels) for name, arm in judged.items()}
    tested = [name for name, row in rows.items() if name != baseline and not row.is_reference]
    others = {name: [judged[other] for other in tested if other != name] for name in tested}
    accuracies = [
        compare_accuracy(judged[name].right, judged[baseline].right, len(tested), [arm.right for arm in others[name]])
        for name in tested
    ]
    adjusted = holm([difference.p for difference in accuracies])
    for name, difference, p_adjusted in zip(tested, accuracies, adjusted, strict=True):
        row = _with_difference(rows[name], difference, p_adjusted)
        rows[name] = _with_details(row, judged[name], judged[baseline], others[name])
    return tuple(sorted(rows.values(), key=lambda row: row.is_reference))


def compare_accuracy(
    arm: np.ndarray, baseline: np.ndarray, comparisons: int = 1, others: Sequence[np.ndarray] = ()
) -> Difference:
    """The difference of two accuracies on the same pairs.

    Args:
        arm, baseline: 1 where right [S, N]; for one model each [1, N].
        comparisons: how many differences are judged together (Holm).
        others: 1 where right of further arms of the comparison, which help to tell how much seeds vary.
    """
    return _difference(estimate_difference(arm, baseline, others), comparisons)


def accuracy_of(right: np.ndarray) -> Interval:
    """The 95 % interval of an arm's accuracy over pairs and seeds; of one model, Wilson's over pairs.

    Args:
        right: 1 where right [S, N].
    """
    if len(right) == 1:
        return accuracy_interval(int(right.sum()), right.size)
    return _within(0.0, interval(estimate_mean(right)))


def macro_f1_of(true: np.ndarray, predicted: np.ndarray, classes: int) -> Interval:
    """The 95 % interval of an arm's macro-F1 over pairs and seeds; of one model, over pairs.

    Args:
        true: class numbers [N].
        predicted: class numbers [S, N]; of one model [1, N].
        classes: C.
    """
    return _within(0.0, interval(estimate_mean(macro_f1_scores(true, predicted, classes))))


def _group(trained: Sequence[TrainedArm]) -> dict[str, tuple[TrainedArm, ...]]:
    names = dict.fromkeys(model.name for model in trained)
    return {name: tuple(model for model in trained if model.name == name) for name in names}


def _judge(models: tuple[TrainedArm, ...], true: np.ndarray, classes: int) -> Judged:
    chosen = [nested_selection(model.predicted, true, model.monitor, classes, model.losses) for model in models]
    predicted = np.stack(chosen)
    return Judged(
        models=models,
        predicted=predicted,
        right=accuracy_scores(true, predicted),
        f1_scores=macro_f1_scores(true, predicted, classes),
    )


def _describe(arm: Judged, true: np.ndarray, labels: Sequence[str]) -> ComparedArm:
    """An arm's own figures, without its difference to the baseline."""
    first, nan = arm.models[0], float("nan")
    nested = [compute_metrics(true.tolist(), row.tolist(), labels, nan) for row in arm.predicted]
    best = [best_epoch(model.curve, model.monitor) for model in arm.models]
    last = [model.curve[-1] for model in arm.models]
    accuracies, macro_f1s = [row.accuracy for row in nested], [row.macro_f1 for row in nested]
    best_accuracies, last_accuracies = [score.accuracy for score in best], [score.accuracy for score in last]
    return ComparedArm(
        name=first.name,
        fusion=first.fusion,
        augmentation=first.augmentation,
        is_reference=first.is_reference,
        seeds=tuple(model.seed for model in arm.models),
        trainable_parameters=first.trainable_parameters,
        accuracy_mean=_mean(accuracies),
        accuracy_sd=_sd(accuracies),
        accuracy_interval=accuracy_of(arm.right),
        macro_f1_mean=_mean(macro_f1s),
        macro_f1_sd=_sd(macro_f1s),
        accuracies=tuple(accuracies),
        macro_f1s=tuple(macro_f1s),
        best_accuracy_mean=_mean(best_accuracies),
        best_accuracy_sd=_sd(best_accuracies),
        best_accuracies=tuple(best_accuracies),
        best_epochs=tuple(score.epoch for score in best),
        best_train_losses=tuple(score.train_loss for score in best),
        best_val_losses=tuple(score.val_loss for score in best),
        last_accuracy_mean=_mean(last_accuracies),
        last_accuracy_sd=_sd(last_accuracies),
        last_accuracies=tuple(last_accuracies),
        last_macro_f1s=tuple(score.macro_f1 for score in last),
        per_class=mean_per_class(nested),
        curves=tuple(model.curve for model in arm.models),
    )


def _with_difference(row: ComparedArm, difference: Difference, p_adjusted: float) -> ComparedArm:
    return replace(
        row,
        difference=difference.difference,
        interval=difference.interval,
        p=difference.p,
        p_adjusted=p_adjusted,
        detectable=difference.detectable,
        verdict=verdict(difference.difference, p_adjusted),
    )


def _with_details(row: ComparedArm, arm: Judged, baseline: Judged, others: Sequence[Judged]) -> ComparedArm:
    """Add McNemar's test of each seed and the difference in macro-F1."""
    macro_f1 = estimate_difference(arm.f1_scores, baseline.f1_scores, [other.f1_scores for other in others])
    pairs = zip(arm.right, baseline.right, strict=True)
    return replace(
        row,
        mcnemar=tuple(mcnemar(of_arm, of_baseline) for of_arm, of_baseline in pairs),
        macro_f1_difference=macro_f1.value,
        macro_f1_interval=_within(-1.0, interval(macro_f1)),
    )


def mean_per_class(metrics: Sequence[Metrics]) -> tuple[ClassMetrics, ...]:
    """Each class's figures, mean over evaluations of the same pairs."""
    return tuple(
        replace(
            rows[0],
            precision=_mean([row.precision for row in rows]),
            recall=_mean([row.recall for row in rows]),
            f1=_mean([row.f1 for row in rows]),
        )
        for rows in zip(*(evaluation.per_class for evaluation in metrics), strict=True)
    )


def _difference(estimate: Estimate, comparisons: int) -> Difference:
    return Difference(
        difference=estimate.value,
        interval=_within(-1.0, interval(estimate)),
        p=p_value(estimate),
        detectable=min(detectable(estimate, comparisons), 1.0),
    )


def _within(lowest: float, ends: Interval) -> Interval:
    """Cut where a share (0 to 1) or a difference of shares (-1 to 1) ends, which the t interval does not know."""
    return max(ends[0], lowest), min(ends[1], 1.0)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _sd(values: Sequence[float]) -> float:
    """Standard deviation over seeds; 0 with a single one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
