"""Predict the pairs of a source, and write the predictions to a file. An interrupted prediction can be resumed.

Only a few hundred pairs are in memory at a time.
"""

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from mmsent_cli import __version__
from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.clock import begin_command
from mmsent_cli.config import COLUMNS, DataConfig, RuntimeConfig, build, to_dict
from mmsent_cli.config.command_settings import PredictSettings
from mmsent_cli.data.check import decide_encoding, open_unlabelled
from mmsent_cli.data.columns import read_columns, require_columns, with_own_columns
from mmsent_cli.data.flaws import Flaws
from mmsent_cli.data.layouts import Source, count_unlabelled, files_of, is_pattern, locate
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import ConfigError, DataError, MmsentError, UndecidedEncoding
from mmsent_cli.files import cache_note, default_cache_dir, with_way_on
from mmsent_cli.inference.early import is_unfinished, require_request
from mmsent_cli.inference.finished_output import checkpoint_of, finished_before, remember, whole_identity
from mmsent_cli.inference.partial import START_OVER, PartialPrediction, Row, how_begun
from mmsent_cli.inference.predictor import Predictor, find_threshold, own_predictions
from mmsent_cli.inference.rows import (
    FORMS,
    JSON_LINES,
    PARQUET,
    Kept,
    ParquetWriter,
    PredictionFile,
    RowWriter,
    Tally,
    open_rows,
)
from mmsent_cli.interrupts import advice
from mmsent_cli.outputs import STANDARD_OUTPUT, is_stream, open_output, require_no_input
from mmsent_cli.printed_commands import command_line
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import Finding, PredictedBy, Prediction, PredictResult, noted
from mmsent_cli.stats import PREDICTED_IN_TRAINING, one_class_finding, seldom_answered_finding
from mmsent_cli.training.checkpoints import Description


def identity_of(
    model: PredictedBy, source: Source, predictor: Predictor, data: DataConfig, rows: int, file: PredictionFile
) -> dict[str, Any] | None:
    """Return everything that the rows of a prediction depend on; None if the prediction cannot be resumed.

    Args:
        model: the model that predicts.
        source: the source of the pairs.
        predictor: the loaded checkpoint.
        data: settings of the data.
        rows: number of rows to predict.
        file: the output file.

    Raises:
        ConfigError: `file.resume` is set, and the prediction cannot be resumed.
    """
    if file.out == STANDARD_OUTPUT or is_stream(file.out):
        if file.resume:
            raise ConfigError(
                f"a prediction that is written to {file.out} cannot be resumed", "set --out to a plain file"
            )
        return None
    if source.home is not None:
        if file.resume:
            raise ConfigError(
                "a prediction of standard input cannot be resumed",
                "save the table to a file, and set --data to this file",
            )
        return None
    compute = predictor.compute
    return {
        "mmsent": model.mmsent,
        "checkpoint": model.checkpoint_digest,
        "data": source.place,
        "rows": rows,
        "shard": file.settings.shard,
        "on_bad": data.on_bad,
        "columns": [getattr(data, name) for name in COLUMNS],
        "encoding": data.encoding,
        "compute": [compute.device, compute.precision, compute.engine_name, predictor.chunk_pairs],
    }


def done_before(row: Row, pair: Pair | None, out: Path, labels: Sequence[str]) -> Prediction:
    """Return the prediction in a finished row, after checking that the row belongs to the next pair.

    Raises:
        ConfigError: the row belongs to another pair.
    """
    if pair is None or pair.guid != row[0]:
        raise ConfigError(f"the pairs have changed since the prediction of {out} was interrupted", START_OVER)
    shares = dict(zip(labels, row[3:], strict=True))
    return Prediction(guid=row[0], tag=row[1], probabilities=shares, missing=row[2])


def begun_with(out: Path, runtime: RuntimeConfig) -> str | None:
    """Return the path of the checkpoint that an earlier prediction of `out` used.

    Returns None if the path is unknown, or if the file no longer exists.
    """
    began = how_begun(out).get("checkpoint") or checkpoint_of(out, default_cache_dir(runtime.cache_dir))
    return began if isinstance(began, str) and Path(began).is_file() else None


@contextmanager
def with_advice(go_on: str, file: PredictionFile, is_in_parts: bool = False) -> Iterator[None]:
    """If the prediction is interrupted in this block, or if the disk is full, show the advice `go_on`."""
    try:
        with advice(go_on):
            yield
    except MmsentError as error:
        raise (with_way_on(error, go_on) if is_unfinished(file.out, is_in_parts) else error) from error.__cause__
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; {go_on}") from None


def resume_line(
    checkpoint: Path, given: Mapping[str, Any], runtime: RuntimeConfig, file: PredictionFile, source: Source
) -> str:
    """Return advice for an interrupted prediction: a command that continues it, or "run the same command again"."""
    if file.out == STANDARD_OUTPUT or is_stream(file.out) or source.home is not None:
        return "run the same command again"
    if source.kind == "frame":
        return f"go on with: predict(data, out={str(file.out.absolute())!r}, resume=True), with the same arguments"
    changed = _changed(runtime, RuntimeConfig())
    pairs = {**given, "data": _place(given, source)}
    output = {"out": file.out, "probabilities": file.has_probabilities, "force": file.force, "resume": True}
    asked = _changed(file.settings, PredictSettings())
    return f"go on with: {command_line('predict', {'checkpoint': checkpoint, **pairs, **changed, **asked, **output})}"


def _changed(settings: Any, usual: Any) -> dict[str, Any]:
    """Return the settings that differ from their defaults."""
    defaults = to_dict(usual)
    return {name: value for name, value in to_dict(settings).items() if value != defaults[name]}


def _place(given: Mapping[str, Any], source: Source) -> Path:
    """Return the path of the source, or the pattern if the source is the first file of a pattern."""
    pattern = given.get("data")
    return Path(pattern if pattern and is_pattern(pattern) else source.place)


def predicted_by(checkpoint: Path, description: Description) -> PredictedBy:
    """Return the origin of predictions: the run, the digest of the checkpoint, and the version of mmsent."""
    with checkpoint.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    return PredictedBy(run=description.run, checkpoint_digest=digest, mmsent=__version__)


ADVICE = "check the pairs, or train again with more --epochs, a higher --head-lr or --class-weights balanced"
PROBLEMS, SHOWN_PROBLEMS = ".problems", 5
"""Suffix of the file that lists all dropped and blanked pairs, and the number of such pairs that are shown. The file is
written if there are more pairs than are shown."""
PROGRESS_STEP = 16
"""Number of pairs between two progress events."""


def predict_file(
    checkpoint: Path,
    given: Mapping[str, Any],
    runtime: RuntimeConfig,
    file: PredictionFile,
    progress: Progress = silent,
    source: Source | None = None,
) -> PredictResult:
    """Predict the unlabelled pairs of a source into a file, in the order of the input.

    Args:
        checkpoint: the checkpoint file.
        given: settings of the data. Column names that are not given are taken from the training pairs.
        runtime: device, precision, weights, cache.
        file: the output file. The suffix of its name gives its format.
        progress: receives the number of predicted pairs.
        source: pairs in memory; None reads the data in `given`.

    Raises:
        MmsentError: the checkpoint, the data or the output cannot be used, or there is nothing to resume.
    """
    start = begin_command()
    out, shard = file.out, file.shard
    require_request(file, is_in_parts=False)
    config = build(DataConfig, given)
    source = source or locate(config.data)
    require_no_input(out, [checkpoint, *files_of(source, config)])
    require_columns(source, config, file.settings.keep)
    threshold, threshold_note = find_threshold(file.settings, checkpoint)
    predictor = Predictor.load(checkpoint, runtime)
    data = columns_known(source, given, predictor.description)
    decision, notes = decide(source, data, predictor.resources.cache, predictor.description)
    flaws = Flaws()
    read: list[str] = []
    part = partial(shard.rows, chunk=predictor.chunk_pairs)
    total, unlabelled = open_unlabelled(source, data, decision, flaws, read, part)
    tally = Tally(total, threshold)
    pairs = tally.watch(_apart_from(out, unlabelled))
    model = predicted_by(checkpoint, predictor.description)
    go_on, kept, whole = resume_line(checkpoint, given, runtime, file, source), None, None
    if identity := identity_of(model, source, predictor, data, total, file):
        whole = whole_identity(file, identity, files_of(source, data)) if source.frame is None else None
        if whole and (before := finished_before(file, whole, predictor.resources.cache)):
            return before
        kept = PartialPrediction(out, identity, file.resume, checkpoint, go_on)
    writing = open_rows(file, predictor.description.labels, _kept_columns(file, source, data), model)
    with with_advice(go_on, file), writing as rows:
        _write_rows(rows, predictor, pairs, tally, out, kept, progress)
        if not tally.pairs and shard.count == 1:
            raise DataError(
                f"there are no pairs to predict in {source.name}",
                "set --data to a folder or a table with pairs to predict",
            )
        problems = list_problems(flaws.problems, file)  # written before the output, so that a full disk can be resumed
    if kept:
        kept.remove()
    notes = (
        source.notice,
        *filter(None, [cache_note(), threshold_note, shard.note(total, predictor.chunk_pairs)]),
        *notes,
        *unread_labels(source, data, predictor.description),
        *read,
        *predictor.notes(),
        *problems,
    )
    result = finished(checkpoint, out, predictor.description, model, tally, flaws, notes, start)
    if whole:
        remember(file, whole, result, predictor.resources.cache)
    return result


def finished(
    checkpoint: Path,
    out: Path,
    description: Description,
    model: PredictedBy,
    tally: Tally,
    flaws: Flaws,
    notes: Iterable[str],
    start: float,
) -> PredictResult:
    """Make the result of a finished prediction.

    Args:
        checkpoint, out: the checkpoint and the output file.
        description: the metadata of the checkpoint.
        model: the model that made the predictions.
        tally, flaws: the counts of all pairs, and the pairs that were left out.
        notes: notes that are shown before the notes of `tally`.
        start: the start of the prediction, by `time.perf_counter`.
    """
    counts = {label: tally.tags[label] for label in description.labels}
    findings = findings_of_counts(checkpoint, description, {label: tally.predicted[label] for label in counts})
    is_marked = out.suffix.lower() not in FORMS or FORMS[out.suffix.lower()] in (JSON_LINES, PARQUET)
    return PredictResult(
        checkpoint=str(checkpoint),
        out=str(out),
        pairs=tally.pairs,
        counts=counts,
        missing_text=tally.missing["text"],
        missing_image=tally.missing["image"],
        replaced_characters=tally.replaced,
        abstained=tally.abstained,
        threshold=tally.threshold or None,
        seconds=time.perf_counter() - start,
        model=model,
        dropped=flaws.dropped,
        blanked=flaws.blanked,
        unusable=tuple(flaws.unusable),
        findings=findings,
        notes=noted(findings, (*notes, *tally.notes(is_marked))),
    )


def columns_known(source: Source, given: Mapping[str, Any], description: Description) -> DataConfig:
    """Return the settings for reading the pairs. Column names that are not given are taken from the training pairs."""
    return with_own_columns(given, description.columns, lambda config: count_unlabelled(source, config))


def unread_labels(source: Source, data: DataConfig, description: Description) -> list[str]:
    """Return a note if a table has the label column of the training.

    This column is not read, since a row with a label would not be predicted.
    """
    own = description.columns.get("tag_column", data.tag_column)
    if own == data.tag_column:
        return []
    try:
        require_columns(source, data, [own])
    except DataError:
        return []
    return [f"every row has a label in the column {own}; all rows are predicted, and their labels are not used"]


def list_problems(problems: Sequence[str], file: PredictionFile) -> list[str]:
    """Return the first dropped and blanked pairs. If there are more, all are written to a file next to the output.

    Without `force`, an existing file is not replaced: the name of the new file gets a number.
    """
    out = file.out
    if len(problems) <= SHOWN_PROBLEMS or out == STANDARD_OUTPUT or is_stream(out):
        return list(problems)
    names = (f"{out.name}{PROBLEMS}{number}" for number in chain([""], count(2)))
    path = next(path for path in map(out.with_name, names) if _may_write(path, file.force))
    with open_output(path) as stream:
        stream.write("".join(f"{line}\n" for line in problems))
    rest = len(problems) - SHOWN_PROBLEMS
    return [*problems[:SHOWN_PROBLEMS], f"and {rest:,} more dropped or blanked pairs: all are listed in {path}"]


def _may_write(path: Path, force: bool) -> bool:
    """Return True if nothing exists at this path. With `force`, also return True if it is a plain file."""
    return not os.path.lexists(path) or (force and path.is_file() and not path.is_symlink())


def findings_of_counts(checkpoint: Path, description: Description, counts: Mapping[str, int]) -> tuple[Finding, ...]:
    """Return the findings of the training, or else a finding on the counts of the predicted classes.

    There is a finding if nearly all predictions are of one class, or if a class is predicted much less often than
    expected. The expected share of a class is its share of the run's predictions for its validation or out-of-fold
    pairs. Without these predictions, it is the share of the class in the training.
    """
    if description.findings:
        return description.findings
    classes = np.arange(len(counts)) if description.seen is None else description.seen.classes
    shares = dict(zip(counts, (np.bincount(classes, minlength=len(counts)) / len(classes)).tolist(), strict=True))
    found = one_class_finding(counts, shares, ADVICE)
    if found or not (rows := own_predictions(checkpoint)[1]):
        return found or seldom_answered_finding(counts, shares)
    usual = Counter(row.predicted for row in rows)
    own = {label: usual[label] / len(rows) for label in counts}
    return seldom_answered_finding(counts, own, PREDICTED_IN_TRAINING)


def _kept_columns(file: PredictionFile, source: Source, data: DataConfig) -> Kept:
    keep = file.settings.keep
    return keep, read_columns(source, data, keep) if keep else iter(())


def _apart_from(out: Path, pairs: Iterable[Pair]) -> Iterator[Pair]:
    """Yield the pairs, after checking that their images are not the output file.

    Raises:
        MmsentError: an image is the output file.
    """
    is_there = out.is_file()
    for pair in pairs:
        if is_there and isinstance(pair.image, Path):
            require_no_input(out, [pair.image])
        yield pair


def _write_rows(
    rows: RowWriter | ParquetWriter,
    predictor: Predictor,
    pairs: Iterator[Pair],
    tally: Tally,
    out: Path,
    partial: PartialPrediction | None,
    progress: Progress,
) -> None:
    """Write the rows of the interrupted prediction. Then predict the remaining pairs, and write their rows."""
    labels = predictor.description.labels
    for row in partial.rows(labels) if partial else ():
        done = done_before(row, next(pairs, None), out, labels)
        rows.write(done, tally.count(done))
    if tally.pairs:
        progress(Stage("predicting", tally.pairs, tally.rows))
    chunk: list[Row] = []
    for prediction in predictor.predict(pairs):
        rows.write(prediction, tally.count(prediction))
        if partial:
            shares = prediction.probabilities.values()
            chunk.append([prediction.guid, prediction.tag, prediction.missing, *shares])
            if len(chunk) == predictor.chunk_pairs:
                partial.append(chunk)
                chunk = []
        if tally.pairs % PROGRESS_STEP == 0:
            progress(Stage("predicting", tally.pairs, tally.rows))
    progress(Stage("predicting", tally.pairs, tally.pairs))


def decide(
    source: Source, data: DataConfig, cache: Path, description: Description
) -> tuple[EncodingDecision, tuple[str, ...]]:
    """Decide in which character encoding the new texts are.

    If there are too few texts to decide, return the encoding of the training texts, with a note.
    """
    try:
        return decide_encoding(source, data, cache), ()
    except UndecidedEncoding:
        trained = EncodingDecision.from_dict(dict(description.encoding))
        return trained, (
            f"encoding: {trained.encoding}, that of the training texts, since the new texts are too few to decide",
        )
