"""A whole training run, top to bottom: data, split, model, features, epochs, result."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from mmsent_cli.config import TrainConfig, to_dict, train_config
from mmsent_cli.data.check import load_labelled
from mmsent_cli.data.pairs import Dataset
from mmsent_cli.data.split import Split, apply_split, make_split, read_split, write_split
from mmsent_cli.encoders import resolve
from mmsent_cli.encoders.inputs import build_vocabulary
from mmsent_cli.encoders.light import MAX_WORDS, MIN_COUNT
from mmsent_cli.encoders.weights import WeightSource
from mmsent_cli.errors import CheckpointError, ConfigError, DataError, MmsentError
from mmsent_cli.files import NO_SPACE, cannot_write, default_cache_dir
from mmsent_cli.model import SentimentModel, build_model
from mmsent_cli.records import BEST, LAST, Run, create_run, discard_run, environment, find_run
from mmsent_cli.results import EpochResult, TrainResult
from mmsent_cli.training.batches import Table
from mmsent_cli.training.checkpoints import (
    Description,
    fit_state,
    frozen_digests,
    load_trained,
    read_checkpoint,
    require_same_frozen,
    save_checkpoint,
    save_last,
)
from mmsent_cli.training.columns import Column, text_keys
from mmsent_cli.training.loop import Step, Trainer
from mmsent_cli.training.outcome import summary, write_predictions
from mmsent_cli.training.precision import Arithmetic, choose_arithmetic, make_accelerator
from mmsent_cli.training.seeds import seed_everything

METRICS = "metrics.jsonl"
SPLIT = "split.json"
ENVIRONMENT = "environment.json"


class Listener(Protocol):
    """Who watches a run; the command line draws what it hears."""

    def prepare(self, stage: str, done: int, total: int | None) -> None: ...
    def step(self, epoch: int, done: int, total: int) -> None: ...
    def epoch(self, result: EpochResult) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that can start: everything checked, nothing computed yet."""

    config: TrainConfig
    arithmetic: Arithmetic
    weights: WeightSource
    store: Path
    dataset: Dataset
    split: Split
    notes: tuple[str, ...]


def plan_run(config: TrainConfig, listener: Listener, split: Split | None = None) -> Plan:
    """Resolve the configuration, read and check every pair, and divide them.

    Args:
        config: as the user gave it.
        listener: hears how far the checks are.
        split: a split made earlier, for a resumed run.

    Raises:
        MmsentError: anything that would keep the run from finishing, as far as it can be known now.
    """
    arithmetic, device_note = choose_arithmetic(config.runtime)
    weights = WeightSource.of(config.runtime.weights_dir, config.runtime.offline)
    model, fit, encoder_note = resolve(config.model, config.fit, arithmetic.device_type, weights)
    cache = default_cache_dir(config.runtime.cache_dir)
    dataset = load_labelled(config.data, cache, lambda done, total: listener.prepare("checking pairs", done, total))
    split = split or _divide(dataset, config)
    notes = (device_note, encoder_note, *dataset.notes)
    config = replace(config, model=model, fit=fit, data=replace(config.data, labels=dataset.labels))
    return Plan(config, arithmetic, weights, cache / "features", dataset, split, tuple(n for n in notes if n))


def start_run(plan: Plan, runs_dir: Path) -> Run:
    """Make the run's folder and write down what it is about to do."""
    model = plan.config.model
    run = create_run(runs_dir, "train", f"{model.encoders}-{model.fusion}")
    with kept_or_discarded(run, is_new=True):
        run.write_json("config.json", to_dict(plan.config))
        _write_plan(plan, run)
    return run


def resume_run(spec: str, runs_dir: Path, listener: Listener) -> tuple[Plan, Run]:
    """Find an unfinished run and plan its rest.

    Raises:
        MmsentError: no such run, or it is finished already.
    """
    run = find_run(spec, runs_dir)
    if run.is_finished:
        raise ConfigError(
            f"{run.folder} is finished, there is nothing to resume", "start a new run, or see its result.json"
        )
    if not run.path("config.json").is_file():
        raise CheckpointError(f"{run.folder} is no run folder: it has no config.json", "name a folder below runs/")
    config = train_config(run.read_json("config.json"))
    has_split = run.path(SPLIT).is_file()
    plan = plan_run(config, listener, read_split(run.path(SPLIT)) if has_split else None)
    _write_plan(plan, run)
    return plan, run


@contextmanager
def kept_or_discarded(run: Run, is_new: bool) -> Iterator[None]:
    """What becomes of a run's folder when the work in this block fails.

    A new run that meets an expected failure before its first epoch goes: nothing in it can be used, and it would
    stand in the way as the latest one. An interrupted run stays, and the interruption says how to go on with it.
    """
    try:
        yield
    except MmsentError:
        if is_new and not run.path(LAST).is_file():
            discard_run(run)
        raise
    except KeyboardInterrupt:
        name = run.name if run.folder.parent == Path("runs") else run.folder
        raise KeyboardInterrupt(f"interrupted; go on with: mmsent train --resume {name}") from None


def execute(plan: Plan, run: Run, listener: Listener) -> TrainResult:
    """Encode what is frozen, train, keep the best and the last epoch.

    Args:
        plan: from `plan_run`.
        run: its folder; a `last.pt` in it is where training goes on.
        listener: hears of progress and epochs.

    Returns:
        The result, not yet written as `result.json`.
    """
    start = time.perf_counter()
    fit_config = plan.config.fit
    seed_everything(fit_config.seed)
    vocabulary = _vocabulary(plan)
    model = build_model(plan.config.model, len(plan.dataset.labels), plan.weights, vocabulary)
    table, notes = prepare_table(plan, model, listener)
    prepare_seconds = time.perf_counter() - start
    description = Description(
        model=plan.config.model,
        labels=plan.dataset.labels,
        vocabulary=vocabulary,
        encoding=plan.dataset.decision.to_dict(),
        run=run.name,
        precision=plan.arithmetic.precision,
        frozen=frozen_digests(model),
    )
    accelerator = make_accelerator(plan.arithmetic, fit_config.accumulation_steps or 1)
    auxiliary_weight = plan.config.model.auxiliary_weight or 0.0
    workers = plan.config.runtime.workers
    trainer = Trainer(model, table, plan.dataset.labels, fit_config, auxiliary_weight, accelerator, workers)
    _go_on(trainer, model, run)
    for event in trainer.fit():
        if isinstance(event, Step):
            listener.step(*event)
            continue
        if event.is_best:
            save_checkpoint(run.path(BEST), model, description, event.epoch, plan.config.runtime.save_all)
        run.write_lines(METRICS, trainer.history)
        save_last(run.path(LAST), description, trainer.state())
        listener.epoch(event)
    write_predictions(run, plan, table, trainer)
    return summary(plan, run, model, table, trainer, prepare_seconds, time.perf_counter() - start, notes)


def prepare_table(plan: Plan, model: SentimentModel, listener: Listener) -> tuple[Table, list[str]]:
    """Fill the feature store and lay out the run's rows; notes tell of damaged store entries.

    Raises:
        DataError: no pair has a text, or none has an image.
    """
    pairs = plan.dataset.pairs
    rows = {pair.guid: row for row, pair in enumerate(pairs)}
    train, val = ([rows[pair.guid] for pair in side] for side in apply_split(plan.split, pairs))
    fit = plan.config.fit
    augmentation = (fit.seed, fit.augmentation_views or 1) if fit.augmentation == "standard" else None
    text = Column(model.text, text_keys(pairs), plan.store, plan.arithmetic)
    image = Column(model.image, [pair.image_digest for pair in pairs], plan.store, plan.arithmetic, augmentation)
    for name, column in (("text", text), ("image", image)):
        if not any(column.keys):
            raise DataError(
                f"no pair of {plan.dataset.source} has a usable {name}", "mmsent needs both modalities to train"
            )
    with _room_for(plan.store):
        text.fill([pair.text or "" for pair in pairs], train, listener.prepare)
        image.fill([pair.image_path for pair in pairs], train, listener.prepare)
    damaged = text.corrupt + image.corrupt
    notes = [f"feature store: {damaged} damaged entries were found and computed anew"] if damaged else []
    numbers = {label: number for number, label in enumerate(plan.dataset.labels)}
    targets = np.array([numbers[pair.tag or ""] for pair in pairs], dtype=np.int64)
    return Table(text, image, targets, tuple(train), tuple(sorted(val, key=text.length))), notes


@contextmanager
def _room_for(store: Path) -> Iterator[None]:
    """A full disk while the feature store is filled, as an expected failure."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise cannot_write(store, error) from error


def _write_plan(plan: Plan, run: Run) -> None:
    """Write down what a run starts with, as far as it is not there yet."""
    if not run.path(ENVIRONMENT).is_file():
        run.write_json(ENVIRONMENT, environment(plan.arithmetic.device, plan.arithmetic.precision))
    if not run.path(SPLIT).is_file():
        write_split(plan.split, run.path(SPLIT), force=False)
    if plan.dataset.problems:
        run.write("problems.txt", "".join(f"{line}\n" for line in plan.dataset.problems))


def _divide(dataset: Dataset, config: TrainConfig) -> Split:
    """The split that the configuration asks for: from a file, or made now."""
    if config.split.split is not None:
        return read_split(Path(config.split.split), config.split.fold)
    return make_split(dataset.pairs, dataset.labels, config.split)


def _vocabulary(plan: Plan) -> tuple[str, ...] | None:
    """Words of the training split, where the text encoder starts from scratch."""
    model = plan.config.model
    if model.text_encoder != "light":
        return None
    texts = [pair.text or "" for pair in apply_split(plan.split, plan.dataset.pairs)[0]]
    return build_vocabulary(texts, model.text_cleaning or (), MAX_WORDS, MIN_COUNT)


def _go_on(trainer: Trainer, model: SentimentModel, run: Run) -> None:
    """Continue from the run's `last.pt`, if it got that far."""
    if not run.path(LAST).is_file():
        return
    content = read_checkpoint(run.path(LAST))
    state = fit_state(content)
    require_same_frozen(model, content["frozen"], run.path(LAST))
    load_trained(model, state.model, run.path(LAST))
    trainer.load(state)
    # A kill between the two writes can leave one line more than epochs.
    run.write_lines(METRICS, state.history)
