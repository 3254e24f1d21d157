"""Train the models of each fold, and fit the probes and the stacker of an ensemble."""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mmsent_cli.data.split import Split
from mmsent_cli.ensemble import Stacker, fit_stacker, geometric_mean, log_softmax, stack_out_of_fold
from mmsent_cli.model import SentimentModel, count_parameters
from mmsent_cli.progress import Epoch, ModelBegun, ModelDone
from mmsent_cli.results import EpochResult
from mmsent_cli.run_folders import FOLDS, Run
from mmsent_cli.training.checkpoints import Description, EnsembleParts, read_fold, save_fold
from mmsent_cli.training.describe import describe_run
from mmsent_cli.training.parallel import Work, train_models
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.predictions import METRICS
from mmsent_cli.training.probes import auxiliary_features, cross_fit, inputs_of_all, out_of_fold, require_probes
from mmsent_cli.training.workspace import Workspace


@dataclass(frozen=True, slots=True)
class FoldModel:
    """A model of a fold that is to be trained.

    Attributes:
        place: number of the fold in the plan, from 0.
        seed: the seed of the model.
        name: the name of the fold in progress events.
    """

    place: int
    seed: int
    name: str


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained model of a fold: its parameters, its logits [N, C] for the N pairs of the fold, and its epochs."""

    state: dict[str, Any]
    logits: np.ndarray
    history: list[EpochResult]


@dataclass(frozen=True, slots=True)
class TrainedFold:
    """The trained models of a fold, and their predictions for the fold.

    Attributes:
        states: trained parameters of K models.
        logits: logits for the N pairs of the fold [K, N, C], in the order of the split's `val`.
        history: the epochs of all models, one model after the other.
    """

    states: list[dict[str, Any]]
    logits: np.ndarray
    history: list[EpochResult]

    def last_epochs(self) -> list[EpochResult]:
        """Return the result of the last epoch of each model."""
        epochs = len(self.history) // len(self.states)
        return self.history[epochs - 1 :: epochs]

    def prediction(self) -> np.ndarray:
        """Return the log-probabilities [N, C] of all models together: their normalized mean log-probabilities."""
        return geometric_mean([log_softmax(logits) for logits in self.logits])


@dataclass(frozen=True, slots=True)
class Stacked:
    """The predictions of the M members of an ensemble for all N pairs, and the stacker.

    Attributes:
        members: out-of-fold log-probabilities [N, M, C]. The first member is the mean of the models; the others are the
            probes.
        joined: out-of-fold log-probabilities of the ensemble [N, C].
        stacker: the saved stacker, fit on all pairs.
    """

    members: np.ndarray
    joined: np.ndarray
    stacker: Stacker


@dataclass(frozen=True, slots=True)
class TrainedEnsemble:
    """The trained ensemble of a plan.

    Attributes:
        model: an initial model with the encoders of all models.
        description: the metadata of the models.
        trained: the models of each fold.
        rows: for each fold, the row numbers of its pairs.
        stacked: the out-of-fold predictions.
        parts: the saved models, probes and stacker.
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
        run: the run. Finished folds in its folder are not trained again.
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
    trained = _train_folds(workspace, run, description, count_parameters(model)[0], shown_as)
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


def _train_folds(
    workspace: Workspace, run: Run, description: Description, parameters: int, shown_as: str
) -> list[TrainedFold]:
    """Read finished folds from the run folder, and train the models of all other folds."""
    plan, progress = workspace.plan, workspace.progress
    models = _models(plan, shown_as)
    paths = [run.path(f"{FOLDS}/fold-{split.fold}.pt") for split in plan.folds]
    folds: dict[int, TrainedFold] = {}
    trained: dict[FoldModel, TrainedModel] = {}
    numbers = itertools.count(1)

    def begin(model: FoldModel) -> None:
        progress(ModelBegun(model.name, model.seed, next(numbers), len(models), plan.config.fit.epochs))

    def end(model: FoldModel, last: EpochResult, is_resumed: bool) -> None:
        progress(ModelDone(model.name, model.seed, last.accuracy, last.macro_f1, is_resumed, epoch="last"))

    for place, path in enumerate(paths):
        if path.is_file():
            folds[place] = TrainedFold(*read_fold(path, description, len(plan.folds[place].val)))
            own = [model for model in models if model.place == place]
            for model, last in zip(own, folds[place].last_epochs(), strict=True):
                begin(model)
                end(model, last, is_resumed=True)
    run.write_lines(METRICS, _lines(folds))  # a killed run may have saved a fold but not its lines
    missing = [model for model in models if model.place not in folds]
    passes = sum(len(plan.folds[model.place].train) for model in missing) * plan.config.fit.epochs
    for model, result in train_models(workspace, Work(missing, _train_model, passes, parameters), begin):
        trained[model] = result
        end(model, result.history[-1], is_resumed=False)
        own = [trained[each] for each in missing if each.place == model.place and each in trained]
        if len(own) == plan.config.model.models_per_fold:
            fold = folds[model.place] = _join(own)
            save_fold(paths[model.place], description, fold.states, fold.logits, fold.history)
            run.write_lines(METRICS, _lines(folds))
    return [folds[place] for place in range(len(plan.folds))]


def _models(plan: Plan, shown_as: str) -> list[FoldModel]:
    """List the models to train for all folds."""
    count = plan.config.model.models_per_fold
    seeds = range(plan.config.fit.seed * count, (plan.config.fit.seed + 1) * count)
    return [
        FoldModel(place, seed, f"{shown_as} fold {split.fold}".strip())
        for place, split in enumerate(plan.folds)
        for seed in seeds
    ]


def _train_model(workspace: Workspace, model: FoldModel) -> TrainedModel:
    """Train a model without the pairs of its fold, and predict these pairs."""
    config, split = workspace.plan.config, workspace.plan.folds[model.place]
    workspace.use_split(split)
    built, table, trainer = workspace.trainer(replace(config, fit=replace(config.fit, seed=model.seed)))
    for result in trainer.fit(workspace.progress, model.name):
        workspace.progress(Epoch(model.name, model.seed, result))
    by_row = dict(zip(table.val, trainer.last.logits, strict=True))
    state = {name: tensor.detach().cpu().clone() for name, tensor in built.trained_state().items()}
    logits = np.stack([by_row[row] for row in rows_of(workspace.plan, split)])
    return TrainedModel(state, logits, trainer.history)


def _join(models: Sequence[TrainedModel]) -> TrainedFold:
    """Combine the trained models of a fold."""
    history = [epoch for model in models for epoch in model.history]
    return TrainedFold([model.state for model in models], np.stack([model.logits for model in models]), history)


def _stack(members: np.ndarray, targets: np.ndarray, folds: Sequence[np.ndarray], adjustment: float) -> Stacked:
    """Combine the log-probabilities [N, M, C] of M members by a stacker for each fold.

    Another stacker, for the saved ensemble, is fit on all pairs.
    """
    joined = stack_out_of_fold(members, targets, folds, adjustment)
    return Stacked(members, joined, fit_stacker(members, targets, adjustment))


def rows_of(plan: Plan, split: Split) -> np.ndarray:
    """Return the row numbers of the pairs of a fold. They are in the order of `split.val`."""
    rows = {pair.guid: row for row, pair in enumerate(plan.dataset.pairs)}
    return np.array([rows[guid] for guid in split.val])


def _lines(folds: Mapping[int, TrainedFold]) -> list[dict[str, Any]]:
    """Return one line of `metrics.jsonl` for each epoch of each model of the finished folds."""
    return [
        {"fold": place + 1, "network": 1 + number * len(fold.states) // len(fold.history), **asdict(result)}
        for place, fold in sorted(folds.items())
        for number, result in enumerate(fold.history)
    ]
