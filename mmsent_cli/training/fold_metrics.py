"""Metrics of a training over folds."""

from collections.abc import Sequence

import numpy as np

from mmsent_cli.ensemble import Stacker
from mmsent_cli.results import FoldResult, FoldsResult, MemberResult, Metrics
from mmsent_cli.stats import calibration_error
from mmsent_cli.training.metrics import compute_metrics, majority_accuracy
from mmsent_cli.training.plan import Plan

NETWORK = "network"


def folds_result(
    *,
    plan: Plan,
    run: str,
    members: np.ndarray,
    stacked: np.ndarray,
    targets: np.ndarray,
    folds: Sequence[FoldResult],
    stacker: Stacker,
    parameters: tuple[int, int],
    times: tuple[float, float],
    notes: Sequence[str],
) -> FoldsResult:
    """The result of a training over folds that is finished.

    Args:
        plan: what was trained.
        run: the run's folder.
        members: log-probabilities out of fold [N, M, C]: the models' mean, then each probe.
        stacked: the ensemble's log-probabilities out of fold [N, C].
        targets: class numbers [N].
        folds: metrics of each fold's models.
        stacker: fit on all pairs, as saved.
        parameters: trained and total of one model.
        times: seconds to prepare, and in all.
        notes: of the preparation.
    """
    labels, model = plan.dataset.labels, plan.config.model
    metrics = metrics_of(stacked, targets, labels)
    names = (NETWORK, *model.probes)
    return FoldsResult(
        run=run,
        encoders=model.encoders,
        fusion=model.fusion,
        probes=model.probes,
        accuracy=metrics.accuracy,
        macro_f1=metrics.macro_f1,
        majority_accuracy=majority_accuracy(targets.tolist(), targets.tolist()),
        calibration_error=calibration_error(np.exp(stacked), targets),
        epochs=plan.config.fit.epochs,
        seconds=times[1],
        prepare_seconds=times[0],
        labels=labels,
        metrics=metrics,
        members=tuple(
            _member(name, metrics_of(members[:, number], targets, labels)) for number, name in enumerate(names)
        ),
        folds=tuple(folds),
        class_offsets={label: float(offset) for label, offset in zip(labels, stacker.offsets, strict=True)},
        pairs=len(targets),
        trainable_parameters=parameters[0],
        total_parameters=parameters[1],
        device=plan.compute.device,
        precision=plan.compute.precision,
        encoding=plan.dataset.decision.encoding,
        problems=len(plan.dataset.problems),
        notes=(*plan.notes, *notes),
    )


def _member(name: str, metrics: Metrics) -> MemberResult:
    return MemberResult(
        name=name,
        accuracy=metrics.accuracy,
        macro_f1=metrics.macro_f1,
        interval=metrics.interval,
        loss=metrics.loss,
    )


def metrics_of(log_probabilities: np.ndarray, targets: np.ndarray, labels: tuple[str, ...]) -> Metrics:
    """Metrics of log-probabilities [N, C]."""
    loss = float(-log_probabilities[np.arange(len(targets)), targets].mean())
    return compute_metrics(targets.tolist(), log_probabilities.argmax(axis=1).tolist(), labels, loss)
