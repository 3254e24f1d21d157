"""Cross-validation: train models for each fold, fit probes and stacker, and save one ensemble.

Every metric is out of fold: each pair is predicted by models that were not trained on it. A fold is predicted by the
last epoch of its models, since their best epoch would be chosen on the evaluated pairs. The stacker for a fold is fit
on the out-of-fold predictions of the other folds. These predictions come from models that were trained on this fold, so
a small bias is possible. Only nested cross-validation avoids this bias, but it trains five times as many models.
"""

import io
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from mmsent_cli.data.split import Split
from mmsent_cli.ensemble import NETWORK, stack_out_of_fold
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import FoldResult, FoldsResult, MemberResult, Metrics, TradeOff, noted
from mmsent_cli.run_folders import BEST, Run
from mmsent_cli.stats import calibration_error, few_pairs_notes
from mmsent_cli.training.checkpoints import save_ensemble
from mmsent_cli.training.describe import findings_of, run_facts
from mmsent_cli.training.fold_models import Stacked, TrainedFold, train_ensemble
from mmsent_cli.training.metrics import majority_accuracy, metrics_of
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.predictions import OUT_OF_FOLD, write_rows
from mmsent_cli.training.workspace import Workspace

ADJUSTMENTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Strengths of the logit adjustment for which metrics are reported, in addition to the strength that was used."""
OOF_LOG_PROBABILITIES = "oof_log_probabilities.npy"
"""File with the log-probabilities [N, M, C] that M members predict for N pairs and C classes. The pairs are in the
order of `OUT_OF_FOLD`, and the members in the order of the result."""


def execute_folds(plan: Plan, run: Run, progress: Progress = silent) -> FoldsResult:
    """Train the models, fit the probes and the stacker, and save the ensemble.

    Args:
        plan: a plan with folds, from `plan_run`.
        run: the run. Finished folds in its folder are not trained again.
        progress: receives progress events.

    Returns:
        The result. `result.json` is not written yet.

    Raises:
        MmsentError: a probe has no frozen encoder to read, or the disk is full.
    """
    start = time.perf_counter()
    workspace = Workspace(plan, progress)
    ensemble, targets = train_ensemble(workspace, run), workspace.targets
    stacked = ensemble.stacked
    findings = findings_of(plan, targets, stacked.joined.argmax(axis=1), targets)
    description = replace(ensemble.description, findings=findings)
    save_ensemble(run.path(BEST), description, plan.config.fit.epochs, ensemble.parts)
    write_rows(run, OUT_OF_FOLD, plan, enumerate(np.exp(stacked.joined)))
    run.write(OOF_LOG_PROBABILITIES, _npy(stacked.members))
    each_fold = zip(ensemble.trained, plan.folds, ensemble.rows, strict=True)
    folds = [_fold_result(plan, *each, targets) for each in each_fold]
    times = ensemble.prepare_seconds, time.perf_counter() - start
    facts = run_facts(plan, run, ensemble.model, times, workspace.notes())
    facts |= {
        "findings": findings,
        "notes": noted(findings, (*facts["notes"], *few_pairs_notes(targets, plan.dataset.labels))),
    }
    strengths = sorted({*ADJUSTMENTS, plan.config.model.logit_adjustment})
    facts |= {"trade_off": _trade_off(stacked.members, targets, ensemble.rows, plan.dataset.labels, strengths)}
    return _result(plan, stacked, targets, folds, facts)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _fold_result(plan: Plan, trained: TrainedFold, split: Split, rows: np.ndarray, targets: np.ndarray) -> FoldResult:
    """Compute the metrics of a fold from the mean prediction of its models."""
    metrics = metrics_of(trained.prediction(), targets[rows], plan.dataset.labels)
    return FoldResult(
        fold=split.fold or 0,
        train_pairs=len(split.train),
        val_pairs=len(split.val),
        accuracy=metrics.accuracy,
        macro_f1=metrics.macro_f1,
        seconds=sum(result.seconds for result in trained.history),
    )


def _result(
    plan: Plan, stacked: Stacked, targets: np.ndarray, folds: Sequence[FoldResult], facts: dict[str, Any]
) -> FoldsResult:
    """Make the result of a finished training. `facts` are from `run_facts`."""
    labels, probes = plan.dataset.labels, plan.config.model.probes
    metrics = metrics_of(stacked.joined, targets, labels)
    alone = [metrics_of(stacked.members[:, number], targets, labels) for number in range(1 + len(probes))]
    return FoldsResult(
        probes=probes,
        accuracy=metrics.accuracy,
        macro_f1=metrics.macro_f1,
        majority_accuracy=majority_accuracy(targets.tolist(), targets.tolist()),
        calibration_error=calibration_error(np.exp(stacked.joined), targets),
        epochs=plan.config.fit.epochs,
        metrics=metrics,
        members=tuple(_member(name, own) for name, own in zip((NETWORK, *probes), alone, strict=True)),
        folds=tuple(folds),
        class_offsets=dict(zip(labels, map(float, stacked.stacker.offsets), strict=True)),
        pairs=len(targets),
        logit_adjustment=plan.config.model.logit_adjustment,
        **facts,
    )


def _trade_off(
    members: np.ndarray,
    targets: np.ndarray,
    folds: Sequence[np.ndarray],
    labels: tuple[str, ...],
    strengths: Sequence[float],
) -> tuple[TradeOff, ...]:
    """Compute the metrics of the ensemble for several strengths of the logit adjustment.

    `members` has the out-of-fold log-probabilities [N, M, C] of M members for N pairs and C classes.
    """
    stacked = {strength: stack_out_of_fold(members, targets, folds, strength) for strength in strengths}
    metrics = {strength: metrics_of(joined, targets, labels) for strength, joined in stacked.items()}
    return tuple(
        TradeOff(logit_adjustment=strength, accuracy=own.accuracy, macro_f1=own.macro_f1)
        for strength, own in metrics.items()
    )


def _member(name: str, metrics: Metrics) -> MemberResult:
    shared = {each.name for each in fields(MemberResult)} & {each.name for each in fields(Metrics)}
    return MemberResult(name=name, **{each: getattr(metrics, each) for each in shared})
