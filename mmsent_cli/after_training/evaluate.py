"""Run `evaluate` and `explain`: predict pairs, score or explain them, and write the run folder."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mmsent_cli.after_training.run_folder import (
    NOTHING_COMPUTED,
    first_pairs,
    how_computed,
    judged_data,
    load_judged,
    name_of,
    not_usual,
    own_data,
    start_run,
    write_run,
)
from mmsent_cli.clock import begin_command
from mmsent_cli.command_settings import Given
from mmsent_cli.config import DataConfig, RuntimeConfig, build, to_dict
from mmsent_cli.config.command_settings import EvaluateSettings, ExplainSettings
from mmsent_cli.data.columns import read_columns, require_columns
from mmsent_cli.data.layouts import Source, locate
from mmsent_cli.data.pairs import Dataset, ImageSource, Pair
from mmsent_cli.data.seen import SeenPairs
from mmsent_cli.errors import ConfigError
from mmsent_cli.evaluation.answers import Answers, predict_labelled, read_answers
from mmsent_cli.evaluation.evaluate import evaluate
from mmsent_cli.evaluation.prediction_file import is_prediction_file
from mmsent_cli.extras import EXPLAIN, require_installed
from mmsent_cli.finished_run import FinishedRun
from mmsent_cli.inference.explain import Explainer
from mmsent_cli.inference.loaded import single_pair
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.printed_commands import command_line
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.reports.blocks import Examples
from mmsent_cli.reports.examples import error_groups
from mmsent_cli.reports.explanation import explanation_figures
from mmsent_cli.reports.translate import language_of
from mmsent_cli.results import ExplainResult, Explanation
from mmsent_cli.run_folders import BEST, ENVIRONMENT, Run, find_checkpoint
from mmsent_cli.training.predictions import OUT_OF_FOLD, PREDICTIONS, predictions_csv


def run_evaluation(
    subject: str | None, given: Given, source: Source | None, runs_dir: Path, progress: Progress = silent
) -> FinishedRun:
    """Compute the scores of a checkpoint or a prediction file on labelled pairs, and write a run folder.

    Args:
        subject: a run, a checkpoint, or a prediction file. None uses the best model of the newest run.
        given: the settings that the user gave.
        source: pairs in memory.
        runs_dir: folder of all runs.
        progress: receives progress events.

    Raises:
        MmsentError: the model, pairs or settings cannot be used.
    """
    start = begin_command()
    settings = build(EvaluateSettings, given[EvaluateSettings])
    runtime = build(RuntimeConfig, given[RuntimeConfig])
    has_data = source is not None or "data" in given[DataConfig]
    seen: SeenPairs | None = None
    how, recorded = NOTHING_COMPUTED, ()
    if subject is not None and is_prediction_file(Path(subject)):
        found = Path(subject)
        if not has_data and given[DataConfig]:
            unused = ", ".join(f"--{name.replace('_', '-')}" for name in given[DataConfig])
            raise ConfigError(
                f"{unused}: there are no pairs to read without --data", f"set --data, or leave out {unused}"
            )
        data = build(DataConfig, given[DataConfig])
        _require_columns(settings.by, data, source, has_data)
        dataset = load_judged(data, runtime, source, progress) if has_data else None
        answers = read_answers(found, dataset)
    else:
        found = find_checkpoint(subject, runs_dir)
        data = build(DataConfig, own_data(found, given[DataConfig], has_data))
        _require_columns(settings.by, data, source, has_data=True)
        predictor = Predictor.load(found, runtime)
        labels = predictor.description.labels
        if has_data:
            data = judged_data(given[DataConfig], predictor.description, source)
        dataset = load_judged(build(DataConfig, {**to_dict(data), "labels": labels}), runtime, source, progress)
        seen = predictor.description.seen
        answers = _out_of_fold(found, dataset) or predict_labelled(predictor, dataset, progress)
        how, recorded = how_computed(predictor), predictor.description.findings
    columns = _columns(settings.by, data, source, answers)
    name = dataset.source if dataset is not None else str(found)
    result, counted = evaluate(answers, str(found), name, seen, columns, recorded)
    run = start_run(runs_dir, "evaluate", name_of(found), how, {"data": to_dict(data), "runtime": to_dict(runtime)})
    options = {**given[DataConfig], **given[EvaluateSettings], **not_usual(runtime)}
    if has_data and source is None:
        options["data"] = Path(options["data"])
    return write_run(
        run,
        result,
        examples=_examples(counted),
        tables={PREDICTIONS: _table(counted)},
        command=command_line("evaluate", options, [found]),
        start=start,
    )


def _out_of_fold(checkpoint: Path, dataset: Dataset) -> Answers | None:
    """Return the out-of-fold predictions of the checkpoint's run. Return None if the run has none or other pairs.

    The out-of-fold predictions are used only if the pairs are exactly the labelled pairs of the checkpoint's run. The
    checkpoint was trained on these pairs, so its own predictions would only show what the model has memorized.
    """
    run = Run(checkpoint.absolute().parent)
    if checkpoint.name != BEST or not run.path(OUT_OF_FOLD).is_file():
        return None
    recorded = run.read_json(ENVIRONMENT).get("data") or {}
    if recorded.get("digest") != dataset.digest:
        return None
    return replace(read_answers(run.path(OUT_OF_FOLD), dataset), is_out_of_fold=True)


def _require_columns(names: Sequence[str], data: DataConfig, source: Source | None, has_data: bool) -> None:
    """Check that the columns in `--by` exist, before anything is predicted."""
    if names and not has_data:
        raise ConfigError(
            f"--by {','.join(names)} needs a table with {'this column' if len(names) == 1 else 'these columns'}",
            "set --data to the table",
        )
    if names:
        require_columns(source or locate(data.data), data, names)


def _columns(names: Sequence[str], data: DataConfig, source: Source | None, answers: Answers) -> dict[str, list[str]]:
    """Return the cells of the columns in `--by`, in the order of the predictions."""
    if not names:
        return {}
    cells = dict(read_columns(source or locate(data.data), data, names))
    return {name: [cells[guid][place] for guid in answers.guids] for place, name in enumerate(names)}


def _table(answers: Answers) -> str:
    labels, shares = answers.labels, answers.probabilities
    rows = [
        (guid, labels[true], labels[predicted], () if shares is None else shares[row])
        for row, (guid, true, predicted) in enumerate(zip(answers.guids, answers.true, answers.predicted, strict=True))
    ]
    return predictions_csv(labels if shares is not None else (), rows)


def _examples(answers: Answers) -> Examples:
    """Choose wrong and right predictions as examples, the most confident first; none if the pairs are unknown."""
    if not answers.pairs:
        return Examples()
    labels, shares = answers.labels, answers.probabilities
    confidence = [None] * len(answers.guids) if shares is None else shares.max(axis=1).tolist()
    rows = [
        (guid, labels[true], labels[predicted], share)
        for guid, true, predicted, share in zip(
            answers.guids, answers.true.tolist(), answers.predicted.tolist(), confidence, strict=True
        )
    ]
    return error_groups(answers.pairs, rows)


def run_explanation(
    checkpoint: Path,
    given: Given,
    source: Source | None,
    single: tuple[str | None, ImageSource | str | None],
    runs_dir: Path,
    progress: Progress = silent,
) -> FinishedRun:
    """Explain the prediction of one pair, or of the pairs of a source, and write a run folder.

    Args:
        checkpoint: the model.
        given: the settings that the user gave.
        source: pairs in memory.
        single: text and image of a single pair. Both are None to explain pairs of a source.
        runs_dir: folder of all runs.
        progress: receives the number of explained pairs.

    Raises:
        MmsentError: the model, pairs or settings cannot be used.
    """
    start = begin_command()
    settings, runtime = build(ExplainSettings, given[ExplainSettings]), build(RuntimeConfig, given[RuntimeConfig])
    require_installed(*EXPLAIN)
    predictor = Predictor.load(checkpoint, runtime)
    explainer = Explainer(predictor, settings)
    if single == (None, None):
        pairs = first_pairs(given[DataConfig], predictor.resources.cache, source, settings.pairs)
    else:
        pairs = [single_pair(*single)]
    result = ExplainResult(
        checkpoint=str(checkpoint),
        method=settings.method,
        explanations=tuple(_explain_each(explainer, pairs, progress)),
        seconds=time.perf_counter() - start,
        notes=tuple(predictor.notes()),
    )
    image = Path(single[1]) if isinstance(single[1], str | Path) else None
    words = {"checkpoint": checkpoint, "text": single[0], "image": image, **given[DataConfig]}
    if "data" in given[DataConfig] and source is None:
        words["data"] = Path(given[DataConfig]["data"])
    figures = explanation_figures(result, {pair.guid: pair.image for pair in pairs}, language_of(runtime.lang))
    how, sections = how_computed(predictor), {"runtime": to_dict(runtime)}
    return write_run(
        start_run(runs_dir, "explain", name_of(checkpoint), how, sections),
        result,
        examples=Examples(),
        tables={f"{name}.png": png for name, png in figures.items()},
        command=command_line("explain", {**words, **given[ExplainSettings], **given[RuntimeConfig]}),
        start=start,
        drawn=figures,
    )


def _explain_each(explainer: Explainer, pairs: Sequence[Pair], progress: Progress) -> Iterator[Explanation]:
    for number, pair in enumerate(pairs):
        progress(Stage("explaining", number, len(pairs)))
        yield explainer.explain(pair)
    progress(Stage("explaining", len(pairs), len(pairs)))
