"""Cross-validation: train models for each fold, fit probes and stacker, and save one ensemble.

Every metric is out of fold. A fold is predicted by models after their last epoch and not after their best one, since
the best epoch would be chosen on the evaluated pairs. The stacker for a fold is fit on the out-of-fold predictions of
the other folds. These come from models that were trained on this fold, so a small bias is possible. Only nested
cross-validation avoids it, with five times the models.
"""

import io
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from mmsent_cli.data.split import Split
from mmsent_cli.ensemble import Stacker, fit_stacker, geometric_mean, log_softmax, stack_out_of_fold
from mmsent_cli.progress import Epoch, ModelBegun, ModelDone, Progress, silent
from mmsent_cli.results import EpochResult, FoldResult, FoldsResult, MemberResult, Metrics, noted
from mmsent_cli.run_folders import BEST, FOLDS, Run
from mmsent_cli.stats import calibration_error
from mmsent_cli.training.checkpoints import Description, EnsembleParts, read_fold, save_ensemble, save_fold
from mmsent_cli.training.describe import describe_run, findings_of, run_facts
from mmsent_cli.training.metrics import majority_accuracy, metrics_of
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.predictions import METRICS, write_rows
from mmsent_cli.training.probes import auxiliary_features, cross_fit, out_of_fold, require_probes
from mmsent_cli.training.workspace import Workspace

NETWORK = "network"
"""Name of the fold models' mean among the members of an ensemble."""
OUT_OF_FOLD = "oof_predictions.csv"
OOF_LOG_PROBABILITIES = "oof_log_probabilities.npy"
"""Log-probabilities of each pair by each member [N, M, C], rows as in `OUT_OF_FOLD`, members as in the result."""


@dataclass(frozen=True, slots=True)
class TrainedFold:
    """The trained models of a fold, and their predictions for the fold.

    Attributes:
        states: trained parameters of K models.
        logits: logits for the N pairs of the fold [K, N, C], in the order of the split's `val`.
        history: the epochs of the models, one model after the other.
    """

    states: list[dict[str, Any]]
    logits: np.ndarray
    history: list[EpochResult]

    def prediction(self) -> np.ndarray:
        """Return the mean log-probabilities of the models [N, C]."""
        return geometric_mean([log_softmax(logits) for logits in self.logits])


@dataclass(frozen=True, slots=True)
class Stacked:
    """What all members predict for all N pairs, and what the stacker makes of it.

    Attributes:
        members: log-probabilities out of fold [N, M, C]: the models' mean, then each probe.
        joined: the ensemble's log-probabilities out of fold [N, C].
        stacker: fit on all pairs, as saved.
    """

    members: np.ndarray
    joined: np.ndarray
    stacker: Stacker


def execute_folds(plan: Plan, run: Run, progress: Progress = silent) -> FoldsResult:
    """Train the models, fit the probes and the stacker, and save the ensemble.

    Args:
        plan: a plan with folds, from `plan_run`.
        run: the run; finished folds in its folder are not trained again.
        progress: receives progress events.

    Returns:
        The result. `result.json` is not written yet.

    Raises:
        MmsentError: a probe has no frozen encoder to read, or the disk is full.
    """
    start = time.perf_counter()
    config = plan.config
    workspace = Workspace(plan, progress)
    model = workspace.model(config.model, config.fit.seed)
    require_probes(config.model, model)
    auxiliary = auxiliary_features(workspace)
    table = workspace.table(model, config.fit)
    description = describe_run(plan, run, model, workspace.vocabulary)
    prepare_seconds = time.perf_counter() - start

    trained: list[TrainedFold] = []
    for split in plan.folds:
        trained.append(_train_fold(workspace, run, split, description))
        run.write_lines(METRICS, _lines(trained))
    rows = [_rows(plan, split) for split in plan.folds]
    network = out_of_fold([fold.prediction() for fold in trained], rows)
    probe_predictions, probes = cross_fit(config.model.probes, model, table, workspace, rows, auxiliary)

    members = np.stack([network, *probe_predictions], axis=1)
    stacked = _stack(members, table.targets, rows, config.model.logit_adjustment)
    states = [state for fold in trained for state in fold.states]
    parts = EnsembleParts(states, probes, stacked.stacker, auxiliary.digests)
    findings = findings_of(plan, table.targets, stacked.joined.argmax(axis=1), table.targets)
    save_ensemble(run.path(BEST), replace(description, findings=findings), config.fit.epochs, parts)
    write_rows(run, OUT_OF_FOLD, plan, enumerate(np.exp(stacked.joined)))
    run.write(OOF_LOG_PROBABILITIES, _npy(members))
    folds = [_fold_result(plan, *each, table.targets) for each in zip(trained, plan.folds, rows, strict=True)]
    times = prepare_seconds, time.perf_counter() - start
    facts = run_facts(plan, run, model, times, workspace.notes())
    facts |= {"findings": findings, "notes": noted(findings, facts["notes"])}
    return _result(plan, stacked, table.targets, folds, facts)


def _train_fold(workspace: Workspace, run: Run, split: Split, description: Description) -> TrainedFold:
    """Read the models of a fold from the run folder, or train them."""
    path = run.path(f"{FOLDS}/fold-{split.fold}.pt")
    config, name, progress = workspace.plan.config, f"fold {split.fold}", workspace.progress
    models = config.model.models_per_fold
    seeds = [config.fit.seed * models + number for number in range(models)]
    before, total = ((split.fold or 1) - 1) * len(seeds), (split.folds or 1) * len(seeds)

    def begin(number: int) -> None:
        progress(ModelBegun(name, seeds[number], before + number + 1, total, config.fit.epochs))

    def end(number: int, last: EpochResult, is_resumed: bool) -> None:
        progress(ModelDone(name, seeds[number], last.accuracy, last.macro_f1, is_resumed, epoch="last"))

    if path.is_file():
        fold = TrainedFold(*read_fold(path, description, len(split.val)))
        epochs = len(fold.history) // len(seeds)
        for number in range(len(seeds)):
            begin(number)
            end(number, fold.history[(number + 1) * epochs - 1], is_resumed=True)
        return fold
    workspace.use_split(split)
    states, predictions, history = [], [], []
    for number, seed in enumerate(seeds):
        begin(number)
        model, table, trainer = workspace.trainer(replace(config, fit=replace(config.fit, seed=seed)))
        for result in trainer.fit(progress, name):
            progress(Epoch(name, seed, result))
        end(number, trainer.history[-1], is_resumed=False)
        logits = dict(zip(table.val, trainer.last.logits, strict=True))
        predictions.append(np.stack([logits[row] for row in _rows(workspace.plan, split)]))
        states.append({name: tensor.detach().cpu().clone() for name, tensor in model.trained_state().items()})
        history += trainer.history
    fold = TrainedFold(states, np.stack(predictions), history)
    save_fold(path, description, fold.states, fold.logits, fold.history)
    return fold


def _stack(members: np.ndarray, targets: np.ndarray, folds: Sequence[np.ndarray], adjustment: float) -> Stacked:
    """Join the members' log-probabilities [N, M, C], with a stacker for each fold and one for the saved ensemble."""
    joined = stack_out_of_fold(members, targets, folds, adjustment)
    return Stacked(members, joined, fit_stacker(members, targets, adjustment))


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _rows(plan: Plan, split: Split) -> np.ndarray:
    """Return the row numbers of a fold's pairs, in the order of the split."""
    rows = {pair.guid: row for row, pair in enumerate(plan.dataset.pairs)}
    return np.array([rows[guid] for guid in split.val])


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
    """The result of a finished training; `facts` are those of `run_facts`."""
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
        **facts,
    )


def _member(name: str, metrics: Metrics) -> MemberResult:
    shared = {each.name for each in fields(MemberResult)} & {each.name for each in fields(Metrics)}
    return MemberResult(name=name, **{each: getattr(metrics, each) for each in shared})


def _lines(trained: Sequence[TrainedFold]) -> list[dict[str, Any]]:
    """Return the epochs of all models of all folds, one after the other."""
    lines = []
    for fold, part in enumerate(trained, start=1):
        epochs = len(part.history) // len(part.states)
        lines += [
            {"fold": fold, "network": 1 + number // epochs, **asdict(result)}
            for number, result in enumerate(part.history)
        ]
    return lines
