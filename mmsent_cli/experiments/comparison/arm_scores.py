"""The scores of one arm of a comparison, without its difference to the baseline.

Shape letters: S seeds, N validation pairs, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmsent_cli.experiments.arms import TrainedArm
from mmsent_cli.experiments.selection import nested_selection
from mmsent_cli.results import ClassMetrics, ComparedArm, EpochScore, Metrics, SeedScores
from mmsent_cli.stats import accuracy_of, accuracy_scores, interval_of, learning_findings, macro_f1_scores
from mmsent_cli.training.metrics import compute_metrics
from mmsent_cli.training.parts import fusion_part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmScores:
    """The predictions of an arm by nested selection.

    Attributes:
        models: the trained models, one per seed.
        predicted: predicted class numbers [S, N].
        right: 1 for a correct prediction, else 0 [S, N].
        f1_scores: pseudo-values of macro-F1 [S, N].
    """

    models: tuple[TrainedArm, ...]
    predicted: np.ndarray
    right: np.ndarray
    f1_scores: np.ndarray


def score_arm(models: tuple[TrainedArm, ...], true: np.ndarray, classes: int) -> ArmScores:
    """Predict each pair by every model of an arm, with nested selection.

    Args:
        models: the models of an arm, one per seed.
        true: true class numbers [N].
        classes: number of classes C.
    """
    chosen = [nested_selection(model.predicted, true, model.monitor, classes, model.losses) for model in models]
    predicted = np.stack(chosen)
    return ArmScores(
        models=models,
        predicted=predicted,
        right=accuracy_scores(true, predicted),
        f1_scores=macro_f1_scores(true, predicted, classes),
    )


def describe(arm: ArmScores, true: np.ndarray, labels: Sequence[str]) -> ComparedArm:
    """Make the row of an arm, without its difference to the baseline.

    Args:
        arm: models and predictions.
        true: true class numbers [N].
        labels: class names in order.
    """
    first, nan = arm.models[0], float("nan")
    nested = [compute_metrics(true.tolist(), row.tolist(), labels, nan) for row in arm.predicted]
    best = [model.best for model in arm.models]
    return ComparedArm(
        name=first.name,
        fusion=first.fusion,
        augmentation=first.augmentation,
        is_reference=first.is_reference,
        seeds=tuple(model.seed for model in arm.models),
        trainable_parameters=first.trainable_parameters,
        nested=seed_scores(nested),
        best=seed_scores(best),
        last=seed_scores([model.curve[-1] for model in arm.models]),
        accuracy_interval=accuracy_of(arm.right),
        macro_f1_interval=interval_of(arm.f1_scores),
        best_epochs=tuple(score.epoch for score in best),
        best_train_losses=tuple(score.train_loss for score in best),
        best_val_losses=tuple(score.val_loss for score in best),
        per_class=mean_per_class(nested),
        curves=tuple(model.curve for model in arm.models),
        findings=learning_findings(true, arm.predicted, labels, int(np.bincount(true).argmax())),
        layer=fusion_part(first.fusion),
    )


def seed_scores(scores: Sequence[Metrics | EpochScore]) -> SeedScores:
    """Compute accuracy and macro-F1 of S models, with mean and standard deviation."""
    accuracies, macro_f1s = [score.accuracy for score in scores], [score.macro_f1 for score in scores]
    return SeedScores(
        accuracies=tuple(accuracies),
        macro_f1s=tuple(macro_f1s),
        accuracy_mean=_mean(accuracies),
        accuracy_sd=_sd(accuracies),
        macro_f1_mean=_mean(macro_f1s),
        macro_f1_sd=_sd(macro_f1s),
    )


def mean_per_class(metrics: Sequence[Metrics]) -> tuple[ClassMetrics, ...]:
    """Return the metrics of each class, averaged over several evaluations of the same pairs."""
    return tuple(
        replace(
            rows[0],
            precision=_mean([row.precision for row in rows]),
            recall=_mean([row.recall for row in rows]),
            f1=_mean([row.f1 for row in rows]),
        )
        for rows in zip(*(evaluation.per_class for evaluation in metrics), strict=True)
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _sd(values: Sequence[float]) -> float:
    """Return the standard deviation over seeds; 0 for a single seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
