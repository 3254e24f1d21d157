"""A whole training run, top to bottom: data, split, model, features, epochs, result."""

import csv
import time
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
from mmsent_cli.errors import ConfigError, DataError
from mmsent_cli.files import default_cache_dir
from mmsent_cli.model import SentimentModel, build_model, count_parameters
from mmsent_cli.records import BEST, LAST, Run, create_run, environment, find_run
from mmsent_cli.results import EpochResult, TrainResult
from mmsent_cli.training.batches import Table
from mmsent_cli.training.checkpoints import (
    Description,
    fit_state,
    frozen_digests,
    load_trained,
    read_checkpoint,
    save_checkpoint,
    save_last,
)
from mmsent_cli.training.columns import Column, text_keys
from mmsent_cli.training.loop import Step, Trainer, softmax
from mmsent_cli.training.metrics import majority_accuracy
from mmsent_cli.training.precision import Arithmetic, choose_arithmetic, make_accelerator
from mmsent_cli.training.seeds import seed_everything

VAL_PREDICTIONS = "val_predictions.csv"


class Listener(Protocol):
    """Who watches a run; the command line draws what it hears."""

    def prepare(self, stage: str, done: int, total: int) -> None: ...
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
    run.write_json("config.json", to_dict(plan.config))
    run.write_json("environment.json", environment(plan.arithmetic.device, plan.arithmetic.precision))
    write_split(plan.split, run.path("split.json"), force=False)
    if plan.dataset.problems:
        run.write("problems.txt", "".join(f"{line}\n" for line in plan.dataset.problems))
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
    config = train_config(run.read_json("config.json"))
    return plan_run(config, listener, read_split(run.path("split.json"))), run


def execute(plan: Plan, run: Run, listener: Listener, with_frozen: bool = False) -> TrainResult:
    """Encode what is frozen, train, keep the best and the last epoch.

    Args:
        plan: from `plan_run`.
        run: its folder; a `last.pt` in it is where training goes on.
        listener: hears of progress and epochs.
        with_frozen: keep frozen weights in `best_model.pt` too.

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
            save_checkpoint(run.path(BEST), model, description, event.epoch, with_frozen)
        run.append_line("metrics.jsonl", event)
        save_last(run.path(LAST), description, trainer.state())
        listener.epoch(event)
    _write_predictions(run, plan, table, trainer)
    return _result(plan, run, model, table, trainer, prepare_seconds, time.perf_counter() - start, notes)


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
    text.fill([pair.text or "" for pair in pairs], train, listener.prepare)
    image.fill([pair.image_path for pair in pairs], train, listener.prepare)
    damaged = text.corrupt + image.corrupt
    notes = [f"feature store: {damaged} damaged entries were found and computed anew"] if damaged else []
    numbers = {label: number for number, label in enumerate(plan.dataset.labels)}
    targets = np.array([numbers[pair.tag or ""] for pair in pairs], dtype=np.int64)
    return Table(text, image, targets, tuple(train), tuple(sorted(val, key=text.length))), notes


def validation_predictions(run: Run) -> list[dict[str, str]]:
    """The rows of a run's `val_predictions.csv`: guid, tag, predicted, and one probability a label."""
    with run.path(VAL_PREDICTIONS).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


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
    state = fit_state(read_checkpoint(run.path(LAST)))
    load_trained(model, state.model, run.path(LAST))
    trainer.load(state)
    # A kill between the two writes can leave one line more than epochs.
    run.write_lines("metrics.jsonl", list(state.history))


def _write_predictions(run: Run, plan: Plan, table: Table, trainer: Trainer) -> None:
    """The best epoch's prediction for each validation pair, with its probabilities."""
    labels = plan.dataset.labels
    lines = [",".join(["guid", "tag", "predicted", *labels])]
    for row, logits in sorted(zip(table.val, trainer.best.logits, strict=True), key=lambda item: item[0]):
        pair = plan.dataset.pairs[row]
        shares = [f"{share:.6f}" for share in softmax(logits)]
        lines.append(",".join([pair.guid, pair.tag or "", labels[int(logits.argmax())], *shares]))
    run.write(VAL_PREDICTIONS, "\n".join(lines) + "\n")


def _result(
    plan: Plan,
    run: Run,
    model: SentimentModel,
    table: Table,
    trainer: Trainer,
    prepare_seconds: float,
    seconds: float,
    notes: list[str],
) -> TrainResult:
    best, last = trainer.best.metrics(plan.dataset.labels), trainer.last.metrics(plan.dataset.labels)
    trainable, total = count_parameters(model)
    targets = table.targets
    return TrainResult(
        run=str(run.folder),
        encoders=plan.config.model.encoders,
        fusion=plan.config.model.fusion,
        accuracy=best.accuracy,
        macro_f1=best.macro_f1,
        majority_accuracy=majority_accuracy(targets[list(table.train)].tolist(), targets[list(table.val)].tolist()),
        best_epoch=max(result.epoch for result in trainer.history if result.is_best),
        epochs=len(trainer.history),
        seconds=seconds,
        prepare_seconds=prepare_seconds,
        labels=plan.dataset.labels,
        best=best,
        last=last,
        history=tuple(trainer.history),
        train_pairs=len(table.train),
        val_pairs=len(table.val),
        trainable_parameters=trainable,
        total_parameters=total,
        device=plan.arithmetic.device,
        precision=plan.arithmetic.precision,
        encoding=plan.dataset.decision.encoding,
        problems=len(plan.dataset.problems),
        notes=(*plan.notes, *notes),
    )
