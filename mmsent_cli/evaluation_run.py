"""Runs of `evaluate` and `compare`: find the models and the labelled pairs, compute, write a run folder."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmsent_cli.command_lines import command_line
from mmsent_cli.config import DataConfig, RuntimeConfig, build, to_dict
from mmsent_cli.data.check import load_labelled
from mmsent_cli.data.columns import read_columns
from mmsent_cli.data.layouts import Source, locate
from mmsent_cli.data.pairs import Dataset
from mmsent_cli.data.seen import SeenPairs
from mmsent_cli.errors import ConfigError
from mmsent_cli.evaluation.answers import Answers, is_prediction_file, predict_labelled, read_answers
from mmsent_cli.evaluation.evaluate import evaluate
from mmsent_cli.evaluation.settings import EvaluateSettings
from mmsent_cli.experiments.ablation.target import own_config
from mmsent_cli.files import default_cache_dir
from mmsent_cli.finish import FinishedRun, write_result
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.keywords import Given
from mmsent_cli.progress import Progress, silent
from mmsent_cli.records import (
    CONFIG,
    EXPERIMENT,
    Run,
    create_run,
    discard_run,
    environment,
    find_checkpoint,
)
from mmsent_cli.reports.examples import error_groups
from mmsent_cli.reports.outputs import Groups
from mmsent_cli.training.predictions import predictions_csv
from mmsent_cli.training.run import ENVIRONMENT

PREDICTIONS = "predictions.csv"
STAMP = re.compile(r"^\d{8}-\d{6}-")
"""Date and time before a run's own name."""
NO_DATA = "name labelled pairs with --data"


def run_evaluation(
    subject: str | None, given: Given, source: Source | None, runs_dir: Path, progress: Progress = silent
) -> FinishedRun:
    """Judge a checkpoint or a file of predictions, and write a run folder.

    Args:
        subject: a run, a checkpoint, or a file of predictions; None is the newest run's best model.
        given: the settings that were given.
        source: pairs in memory.
        runs_dir: folder that keeps the runs.
        progress: receives stages.

    Raises:
        MmsentError: a model, pairs or settings that cannot be used.
    """
    start = time.perf_counter()
    settings = build(EvaluateSettings, given[EvaluateSettings])
    runtime = build(RuntimeConfig, given[RuntimeConfig])
    has_data = source is not None or "data" in given[DataConfig]
    seen: SeenPairs | None = None
    how = ("none", "none", "none")
    if subject is not None and is_prediction_file(Path(subject)):
        found = Path(subject)
        data = build(DataConfig, given[DataConfig])
        dataset = _labelled(data, runtime, source, progress) if has_data else None
        answers = read_answers(found, dataset)
    else:
        found = find_checkpoint(subject, runs_dir)
        data = build(DataConfig, _own_data(found, given[DataConfig], has_data))
        predictor = Predictor.load(found, runtime)
        labels = predictor.description.labels
        dataset = _labelled(build(DataConfig, {**to_dict(data), "labels": labels}), runtime, source, progress)
        answers, seen = predict_labelled(predictor, dataset, progress), predictor.description.seen
        compute = predictor.compute
        how = (compute.device, compute.precision, compute.engine_name)
    columns = _columns(settings.by, data, source, has_data or dataset is not None, answers)
    name = dataset.source if dataset is not None else str(found)
    result, counted = evaluate(answers, str(found), name, seen, columns)
    run = _start(runs_dir, "evaluate", _name_of(found), how, {"data": to_dict(data), "runtime": to_dict(runtime)})
    options = {**given[DataConfig], **given[EvaluateSettings], **_not_usual(runtime)}
    if has_data and source is None:
        options["data"] = Path(options["data"])
    return _write(run, result, command_line("evaluate", options, [found]), counted, start)


def _labelled(data: DataConfig, runtime: RuntimeConfig, source: Source | None, progress: Progress) -> Dataset:
    return load_labelled(data, default_cache_dir(runtime.cache_dir), progress, source, may_lack=True)


def _own_data(checkpoint: Path, given: Mapping[str, Any], has_data: bool) -> dict[str, Any]:
    """The settings about the data: those given, over those of the checkpoint's run where no data is given."""
    if has_data:
        return dict(given)
    own = own_config(checkpoint)
    if own is None:
        raise ConfigError(f"{checkpoint} does not lie in its run's folder, so its pairs are unknown", NO_DATA)
    return {**to_dict(own.data), **given}


def _columns(
    names: Sequence[str], data: DataConfig, source: Source | None, has_data: bool, answers: Answers
) -> dict[str, list[str]]:
    """The cells of the columns that were asked for, in the order of the answers."""
    if not names:
        return {}
    if not has_data:
        raise ConfigError("--by needs the manifest with the column", NO_DATA)
    cells = dict(read_columns(source or locate(data.data), data, names))
    return {name: [cells[guid][place] for guid in answers.guids] for place, name in enumerate(names)}


def _name_of(path: Path) -> str:
    """A checkpoint's or file's name for the folder of a run."""
    return STAMP.sub("", path.parent.name) if path.suffix == ".pt" else path.stem


def _not_usual(runtime: RuntimeConfig) -> dict[str, Any]:
    """The runtime settings that differ from the defaults."""
    usual = to_dict(RuntimeConfig())
    return {name: value for name, value in to_dict(runtime).items() if value != usual[name]}


def _start(runs_dir: Path, command: str, name: str, how: tuple[str, str, str], config: Mapping[str, Any]) -> Run:
    """A run's folder with its configuration. `how`: device, precision and engine."""
    run = create_run(runs_dir, command, name)
    run.write_json(CONFIG, config)
    run.write_json(ENVIRONMENT, environment(*how))
    run.write_json(EXPERIMENT, {"command": command, "asked": {}, "settings": {}, "subject": {}})
    return run


def _write(run: Run, result: Any, command: str, answers: Answers, start: float) -> FinishedRun:
    """Tables, report and result of an evaluation; a run that cannot be written is removed."""
    try:
        return write_result(
            run,
            result,
            groups=_groups(answers),
            tables={PREDICTIONS: _table(answers)},
            command=command,
            seconds=time.perf_counter() - start,
        )
    except Exception:  # whatever it is: an unfinished evaluation cannot be continued, and would be the latest run
        discard_run(run)
        raise


def _table(answers: Answers) -> str:
    labels, shares = answers.labels, answers.probabilities
    rows = [
        (guid, labels[true], labels[predicted], () if shares is None else shares[row])
        for row, (guid, true, predicted) in enumerate(zip(answers.guids, answers.true, answers.predicted, strict=True))
    ]
    return predictions_csv(labels if shares is not None else (), rows)


def _groups(answers: Answers) -> Groups:
    """Wrong and right pairs, the most confident first, where the pairs are known."""
    if not answers.pairs:
        return []
    labels, shares = answers.labels, answers.probabilities
    confidence = np.full(len(answers.guids), np.nan) if shares is None else shares.max(axis=1)
    rows = [
        (guid, labels[true], labels[predicted], float(share))
        for guid, true, predicted, share in zip(answers.guids, answers.true, answers.predicted, confidence, strict=True)
    ]
    return error_groups(answers.pairs, rows)
