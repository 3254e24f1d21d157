"""Run `compare`: find the models and the pairs, compare the models, and write the run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmsent_cli.after_training.run_folder import (
    NO_DATA,
    NOTHING_COMPUTED,
    STAMP,
    how_computed,
    judged_data,
    load_judged,
    not_usual,
    start_run,
    write_run,
)
from mmsent_cli.clock import begin_command
from mmsent_cli.command_settings import Given
from mmsent_cli.config import DataConfig, RuntimeConfig, TrainConfig, build, to_dict
from mmsent_cli.data.layouts import Source
from mmsent_cli.data.pairs import Dataset, Pair
from mmsent_cli.errors import CheckpointError, ConfigError, MmsentError, counted
from mmsent_cli.evaluation.answers import NO_VALIDATION, Answers, chosen_pairs, predict_labelled, read_answers
from mmsent_cli.evaluation.compare import align, compare_models, require_comparable
from mmsent_cli.evaluation.prediction_file import is_prediction_file
from mmsent_cli.finished_run import FinishedRun
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.printed_commands import command_line
from mmsent_cli.progress import Progress, silent
from mmsent_cli.reports.blocks import Examples
from mmsent_cli.reports.examples import agreement_groups, disagreement_groups
from mmsent_cli.results import ON_KNOWN, ON_VALIDATION, Finding
from mmsent_cli.run_folders import (
    BEST,
    CONFIG,
    RESULT,
    Run,
    find_checkpoint,
    find_finished,
    own_config,
    unfinished_note,
)
from mmsent_cli.training.checkpoints import describe, read_checkpoint
from mmsent_cli.training.predictions import OUT_OF_FOLD, PREDICTIONS, VAL_PREDICTIONS

OPTIMISTIC = (
    "validation pairs of a run without folds are predicted by its best epoch, which was chosen on these pairs: its "
    "scores are optimistic"
)
FEW_SHOWN = 2
"""If at most this number of models is compared, each example shows which models are right. With more models, an example
only shows how many models are right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One compared model: the predictions of a checkpoint, or of a prediction file.

    Attributes:
        path: the checkpoint or the prediction file.
        answers: the predictions.
        how: device, precision and engine that computed the predictions.
        recorded: the findings that were recorded when the model was trained.
    """

    path: Path
    answers: Answers
    how: tuple[str, str, str] = NOTHING_COMPUTED
    recorded: tuple[Finding, ...] = ()


def run_comparison(
    models: Sequence[Sequence[str]], given: Given, source: Source | None, runs_dir: Path, progress: Progress = silent
) -> FinishedRun:
    """Compare models, and write a run folder.

    Args:
        models: runs, checkpoints or prediction files. An entry with several items lists runs of one model with
            different seeds.
        given: the settings that the user gave.
        source: pairs in memory.
        runs_dir: folder of all runs.
        progress: receives progress events.

    Raises:
        MmsentError: models, pairs or settings cannot be used.
    """
    start = begin_command()
    require_comparable([(",".join(seeds), len(seeds)) for seeds in models])  # before anything is computed
    data, runtime = build(DataConfig, given[DataConfig]), build(RuntimeConfig, given[RuntimeConfig])
    has_data = source is not None or "data" in given[DataConfig]
    if has_data and (first := next((spec for seeds in models for spec in seeds if not _is_file(spec)), None)):
        checkpoint = find_checkpoint(first, runs_dir)
        data = judged_data(given[DataConfig], describe(read_checkpoint(checkpoint), checkpoint), source)
    dataset = load_judged(data, runtime, source, progress) if has_data else None
    sides = [[_side(spec, dataset, runtime, runs_dir, progress) for spec in seeds] for seeds in models]
    names = _names([[side.path for side in seeds] for seeds in sides])
    aligned, left_out = align(
        {name: [side.answers for side in seeds] for name, seeds in zip(names, sides, strict=True)}
    )
    paths = {name: [str(side.path) for side in seeds] for name, seeds in zip(names, sides, strict=True)}
    pairs, notes = _pairs(next(iter(aligned.values()))[0], sides, runtime, dataset)
    recorded = {
        name: [one for side in seeds for one in side.recorded] for name, seeds in zip(names, sides, strict=True)
    }
    source_name = dataset.source if dataset else "the runs' own predictions"
    result = compare_models(aligned, paths, source_name, left_out, recorded)
    result = replace(result, notes=(*result.notes, *_notes(sides), *notes))
    hows = [side.how for seeds in sides for side in seeds if side.how != NOTHING_COMPUTED]
    config: dict[str, Any] = {"data": to_dict(data), "runtime": to_dict(runtime), "models": paths}
    run = start_run(runs_dir, "compare", "-".join(names), hows[0] if hows else NOTHING_COMPUTED, config)
    options = {**given[DataConfig], **not_usual(runtime)}
    if has_data and source is None:
        options["data"] = Path(options["data"])
    arguments = [",".join(str(side.path.absolute()) for side in seeds) for seeds in sides]
    return write_run(
        run,
        result,
        examples=_examples(pairs, aligned),
        tables={},
        command=command_line("compare", options, arguments),
        start=start,
    )


def _side(spec: str, dataset: Dataset | None, runtime: RuntimeConfig, runs_dir: Path, progress: Progress) -> _Side:
    """Return the predictions of a run, a checkpoint or a prediction file."""
    path = Path(spec)
    if is_prediction_file(path):
        return _Side(path=path, answers=read_answers(path, dataset), recorded=_recorded(path))
    if dataset is None:
        file = _own_predictions(spec, runs_dir)
        answers = read_answers(file)
        answers = replace(answers, notes=(*filter(None, [unfinished_note(file)]), *answers.notes))
        return _Side(path=file, answers=answers, recorded=_recorded(file))
    checkpoint = find_checkpoint(spec, runs_dir)
    predictor = Predictor.load(checkpoint, runtime)
    labels = predictor.description.labels
    if set(labels) != set(dataset.labels):
        raise ConfigError(
            f"{checkpoint} has the labels {', '.join(labels)}, but the pairs have {', '.join(dataset.labels)}",
            "use pairs that have the labels of the model",
        )
    answers, seen = predict_labelled(predictor, dataset, progress), predictor.description.seen
    how, recorded = how_computed(predictor), predictor.description.findings
    if seen is None:
        known = f"{checkpoint} does not record its training pairs; the evaluated pairs may be among them"
        return _Side(path=checkpoint, answers=replace(answers, notes=(known,)), how=how, recorded=recorded)
    measured, chosen = chosen_pairs(seen.relation(answers.pairs), len(answers.pairs))
    if measured == ON_KNOWN:
        raise CheckpointError(
            f"{checkpoint} was trained on these pairs", "compare the models on pairs that none of them was trained on"
        )
    left_out = counted(int((~chosen).sum()), "pair")
    notes = [] if chosen.all() else [f"{checkpoint} is scored without {left_out} that it was trained on"]
    notes += [OPTIMISTIC] if measured == ON_VALIDATION else []
    notes += [NO_VALIDATION] if seen.validation is None else []
    return _Side(path=checkpoint, answers=replace(answers.take(chosen), notes=tuple(notes)), how=how, recorded=recorded)


def _is_file(spec: str) -> bool:
    return is_prediction_file(Path(spec))


def _recorded(path: Path) -> tuple[Finding, ...]:
    """Return the findings of the run that contains the prediction file; empty if the file is in no run folder."""
    result = Run(path.absolute().parent).path(RESULT)
    if path.name not in (OUT_OF_FOLD, VAL_PREDICTIONS) or not result.is_file():
        return ()
    return tuple(Finding(**one) for one in Run(result.parent).read_json(RESULT).get("findings", ()))


def _own_predictions(spec: str, runs_dir: Path) -> Path:
    """Return the file with the predictions of a run: out of fold, for its validation pairs, or of an evaluation."""
    path = Path(spec)
    run = Run(path.parent) if path.name == BEST and path.is_file() else find_finished(spec, runs_dir)
    for name in (OUT_OF_FOLD, VAL_PREDICTIONS, PREDICTIONS):
        if run.path(name).is_file():
            return run.path(name)
    raise CheckpointError(f"{run.folder} has no predictions of its validation pairs", NO_DATA)


def _names(paths: Sequence[Sequence[Path]]) -> list[str]:
    """Return a unique name for each model. The name of a model is the name of its run.

    If several models have the same name, the seed is added. If the names are still equal, the name of the run folder is
    used, and then a number is added.
    """
    firsts = [seeds[0] for seeds in paths]
    found = [_name(path) for path in firsts]
    found = [f"{name}{_seed(path) if found.count(name) > 1 else ''}" for name, path in zip(found, firsts, strict=True)]
    found = [_stem(path) if found.count(name) > 1 else name for name, path in zip(found, firsts, strict=True)]
    return [
        f"{name} ({found[: place + 1].count(name)})" if found.count(name) > 1 else name
        for place, name in enumerate(found)
    ]


def _stem(path: Path) -> str:
    """Return the name of the run that contains the file. If the file is in no run, return the file's own name."""
    is_of_run = path.name in (BEST, OUT_OF_FOLD, VAL_PREDICTIONS, PREDICTIONS)
    return path.absolute().parent.name if is_of_run else path.stem


def _name(path: Path) -> str:
    """Return the name of the file's run, without date and command. For an ensemble, the number of folds is added."""
    name = STAMP.sub("", _stem(path)).removeprefix("train-").removeprefix("evaluate-")
    own = _config(path)
    return name if own is None or own.split.folds is None else f"{name}, {own.split.folds} folds"


def _seed(path: Path) -> str:
    """Return the seed of the file's run as a text such as `, seed 1`; an empty text if the file is in no run."""
    own = _config(path)
    return "" if own is None else f", seed {own.fit.seed}"


def _config(path: Path) -> TrainConfig | None:
    """Return the configuration of the run that contains the file; None if the file is in no run."""
    config = Run(path.absolute().parent).path(CONFIG)
    return own_config(config) if config.is_file() else None


def _notes(sides: Sequence[Sequence[_Side]]) -> list[str]:
    every = [side for seeds in sides for side in seeds]
    notes = [note for side in every for note in side.answers.notes]
    is_optimistic = any(side.path.name == VAL_PREDICTIONS for side in every)
    return list(dict.fromkeys([*notes, *([OPTIMISTIC] if is_optimistic else [])]))


def _pairs(
    answers: Answers, sides: Sequence[Sequence[_Side]], runtime: RuntimeConfig, dataset: Dataset | None
) -> tuple[list[Pair], list[str]]:
    """Return the compared pairs, from which examples are chosen. If they cannot be read, return a note instead."""
    if dataset is not None:
        by_guid: Mapping[str, Pair] = {pair.guid: pair for pair in dataset.pairs}
    else:
        own = own_config(sides[0][0].path)
        if own is None:
            return [], ["no examples are shown, since texts and images of the pairs are unknown"]
        try:
            by_guid = {pair.guid: pair for pair in load_judged(own.data, runtime, None, silent).pairs}
        except MmsentError as error:
            return [], [f"no examples are shown: {error.message}"]
    if not all(guid in by_guid for guid in answers.guids):
        return [], ["no examples are shown, since the data of the run has changed"]
    return [by_guid[guid] for guid in answers.guids], []


def _examples(pairs: Sequence[Pair], models: Mapping[str, Sequence[Answers]]) -> Examples:
    """Choose example pairs that the models predict differently."""
    if not pairs:
        return Examples()
    first = next(iter(models.values()))[0]
    predicted = np.stack([seeds[0].predicted for seeds in models.values()])
    if len(models) > FEW_SHOWN:
        return agreement_groups(pairs, first.labels, predicted)
    return disagreement_groups(pairs, first.labels, dict(zip(models, predicted, strict=True)))
