"""Train the models of each fold, and fit the probes and the stacker of an ensemble."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mmsent_cli.data.split import Split
from mmsent_cli.ensemble import Stacker, fit_stacker, geometric_mean, log_softmax, stack_out_of_fold
from mmsent_cli.model import SentimentModel
from mmsent_cli.progress import Epoch, ModelBegun, ModelDone
from mmsent_cli.results import EpochResult
from mmsent_cli.run_folders import FOLDS, Run
from mmsent_cli.training.checkpoints import Description, EnsembleParts, read_fold, save_fold
from mmsent_cli.training.describe import describe_run
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.predictions import METRICS
from mmsent_cli.training.probes import auxiliary_features, cross_fit, inputs_of_all, out_of_fold, require_probes
from mmsent_cli.training.workspace import Workspace


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


@dataclass(frozen=True, slots=True)
class TrainedEnsemble:
    """The trained ensemble of a plan.

    Attributes:
        model: an initial model, with the encoders of all models.
        description: the metadata of the models.
        trained: the models of each fold.
        rows: row numbers of each fold.
        stacked: the out-of-fold predictions.
        parts: models, probes and stacker, as saved.
        prepare_seconds: seconds before the first epoch.
    """

    model: SentimentModel
    description: Description
    trained: list[TrainedFold]
    rows: list[np.ndarray]
    stacked: Stacked
    parts: EnsembleParts
    prepare_seconds: float


def train_ensemble(workspace: Workspace, run: Run, shown_as: str = "") -> TrainedEnsemble:
    """Train the models of each fold, and fit the probes and the stacker.

    Args:
        workspace: a workspace whose plan has folds.
        run: the run; finished folds in its folder are not trained again.
        shown_as: the name of the ensemble in progress events, if there are several.

    Raises:
        MmsentError: a probe has no frozen encoder to read, or the disk is full.
    """
    start = time.perf_counter()
    plan, config = workspace.plan, workspace.plan.config
    model = workspace.model(config.model, config.fit.seed)
    require_probes(config.model, model)
    auxiliary = auxiliary_features(config.model.probes, workspace)
    table = workspace.table(model, config.fit)
    description = describe_run(plan, run, model, workspace.vocabulary)
    prepare_seconds = time.perf_counter() - start
    trained: list[TrainedFold] = []
    for split in plan.folds:
        name = f"{shown_as} fold {split.fold}".strip()
        trained.append(_train_fold(workspace, run, split, description, name))
        run.write_lines(METRICS, _lines(trained))
    rows = [rows_of(plan, split) for split in plan.folds]
    members, probes = [out_of_fold([fold.prediction() for fold in trained], rows)], ()
    if config.model.probes:
        inputs = inputs_of_all(config.model.probes, model, table, workspace, auxiliary.pooled)
        predictions, probes = cross_fit(config.model.probes, inputs, workspace, rows)
        members += predictions
    stacked = _stack(np.stack(members, axis=1), table.targets, rows, config.model.logit_adjustment)
    states = [state for fold in trained for state in fold.states]
    parts = EnsembleParts(states, probes, stacked.stacker, auxiliary.digests)
    return TrainedEnsemble(model, description, trained, rows, stacked, parts, prepare_seconds)


def _train_fold(workspace: Workspace, run: Run, split: Split, description: Description, name: str) -> TrainedFold:
    """Read the models of a fold from the run folder, or train them; `name` is that of the fold in progress events."""
    path = run.path(f"{FOLDS}/fold-{split.fold}.pt")
    config, progress = workspace.plan.config, workspace.progress
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
        predictions.append(np.stack([logits[row] for row in rows_of(workspace.plan, split)]))
        states.append({name: tensor.detach().cpu().clone() for name, tensor in model.trained_state().items()})
        history += trainer.history
    fold = TrainedFold(states, np.stack(predictions), history)
    save_fold(path, description, fold.states, fold.logits, fold.history)
    return fold


def _stack(members: np.ndarray, targets: np.ndarray, folds: Sequence[np.ndarray], adjustment: float) -> Stacked:
    """Join the members' log-probabilities [N, M, C], with a stacker for each fold and one for the saved ensemble."""
    joined = stack_out_of_fold(members, targets, folds, adjustment)
    return Stacked(members, joined, fit_stacker(members, targets, adjustment))


def rows_of(plan: Plan, split: Split) -> np.ndarray:
    """Return the row numbers of a fold's pairs, in the order of the split."""
    rows = {pair.guid: row for row, pair in enumerate(plan.dataset.pairs)}
    return np.array([rows[guid] for guid in split.val])


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
