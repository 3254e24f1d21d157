"""Predict a data source into a file, or a single pair. A few hundred pairs at a time are in memory."""

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmsent_cli import __version__
from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.command_lines import command_line
from mmsent_cli.config import COLUMNS, DataConfig, RuntimeConfig, build, to_dict
from mmsent_cli.data.check import decide_encoding, open_unlabelled
from mmsent_cli.data.columns import read_columns
from mmsent_cli.data.images import image_bytes, verify_image
from mmsent_cli.data.layouts import Source, files_of, locate
from mmsent_cli.data.manifests import SURROGATE, image_of, without_surrogates
from mmsent_cli.data.own_columns import with_own_columns
from mmsent_cli.data.pairs import ImageSource, Pair
from mmsent_cli.data.source_rows import count_unlabelled
from mmsent_cli.data.text import visible
from mmsent_cli.errors import ConfigError, DataError, UndecidedEncoding
from mmsent_cli.files import cache_note, reason
from mmsent_cli.inference.abstain import find_threshold
from mmsent_cli.inference.partial import PartialPrediction, Row
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.rows import JSON_LINES, RowWriter
from mmsent_cli.inference.settings import PredictSettings
from mmsent_cli.interrupts import advice
from mmsent_cli.outputs import STANDARD_OUTPUT, is_stream, open_output, require_no_input, require_writable
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import Finding, Prediction, PredictResult, noted
from mmsent_cli.stats import one_class_finding
from mmsent_cli.training.checkpoints import Description

ADVICE = "check the pairs, or train again with more --epochs, a higher --head-lr or --class-weights balanced"
PROGRESS_STEP = 16
"""Pairs between two reports of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionFile:
    """The file of a prediction.

    Attributes:
        out: it appears whole or not at all; a pipe; or `-` for standard output.
        has_probabilities: it has one column per class, and one that names a missing modality.
        force: an existing file is overwritten.
        resume: go on with a prediction of this file that was interrupted.
    """

    out: Path
    has_probabilities: bool = False
    force: bool = False
    resume: bool = False


def predict_file(
    checkpoint: Path,
    given: Mapping[str, Any],
    runtime: RuntimeConfig,
    file: PredictionFile,
    progress: Progress = silent,
    source: Source | None = None,
    settings: PredictSettings | None = None,
) -> PredictResult:
    """Predict the unlabelled pairs of a source into a file of rows `guid,tag`, in the order of the input.

    Args:
        checkpoint: the checkpoint file.
        given: settings of the data. The columns of the training pairs are known from the checkpoint.
        runtime: device, precision, weights, cache.
        file: where to write.
        progress: receives how many pairs are predicted.
        source: pairs in memory; None reads those that `data` names.
        settings: when no label is given, and which columns of the input are kept.

    Raises:
        MmsentError: unusable checkpoint, data or output, or nothing to resume.
    """
    start = time.perf_counter()
    out = file.out
    require_writable(out, file.force, [checkpoint])
    source = source or locate(build(DataConfig, given).data)
    require_no_input(out, files_of(source))
    settings = settings or PredictSettings()
    threshold, threshold_note = find_threshold(settings, checkpoint)
    predictor = Predictor.load(checkpoint, runtime)
    data = columns_known(source, given, predictor.description)
    decision, notes = _decide(source, data, predictor.resources.cache, predictor.description)
    problems: list[str] = []
    read: list[str] = []
    total, unlabelled = open_unlabelled(source, data, decision, problems, read)
    tally = Tally(total, threshold)
    cells = read_columns(source, data, settings.keep) if settings.keep else iter(())
    pairs = tally.watch(_apart_from(out, unlabelled))
    partial = _partial(checkpoint, source, predictor, data, total, file)
    with _explained(_resume_line(checkpoint, given, runtime, file, source)), open_output(out) as stream:
        labels, is_json = predictor.description.labels, out.suffix.lower() == JSON_LINES
        rows = RowWriter(stream, labels, is_json, file.has_probabilities, (settings.keep, cells))
        _write_rows(rows, predictor, pairs, tally, out, partial, progress)
        if not tally.pairs:
            raise DataError(f"there are no pairs to predict in {source.path}", "give a folder or a table with --data")
    if partial:
        partial.remove()
    counts = {label: tally.tags[label] for label in labels}
    findings = _findings(predictor.description, counts)
    notes = (
        source.notice,
        *filter(None, [cache_note(), threshold_note]),
        *notes,
        *read,
        *predictor.notes(),
        *tally.notes(),
        *problems,
    )
    return PredictResult(
        checkpoint=str(checkpoint),
        out=str(out),
        pairs=tally.pairs,
        counts=counts,
        missing_text=tally.missing["text"],
        missing_image=tally.missing["image"],
        replaced_characters=tally.replaced,
        abstained=tally.abstained,
        threshold=threshold or None,
        seconds=time.perf_counter() - start,
        findings=findings,
        notes=noted(findings, notes),
    )


def predict_one(
    checkpoint: Path, text: str | None, image: ImageSource | str | None, runtime: RuntimeConfig
) -> PredictResult:
    """Predict a single pair; the text or the image may be missing.

    Raises:
        MmsentError: checkpoint or image cannot be used, or neither text nor image is given.
    """
    start = time.perf_counter()
    pair = single_pair(text, image)
    predictor = Predictor.load(checkpoint, runtime)
    pair = decode_typed(pair, predictor.description)
    (prediction,) = predictor.predict([pair])
    return PredictResult(
        checkpoint=str(checkpoint),
        out=None,
        pairs=1,
        counts={label: int(label == prediction.tag) for label in predictor.description.labels},
        missing_text=int("text" in prediction.missing),
        missing_image=int(pair.image is None),
        replaced_characters=pair.replaced,
        seconds=time.perf_counter() - start,
        prediction=prediction,
        findings=predictor.description.findings,
        notes=noted(predictor.description.findings, predictor.notes()),
    )


def columns_known(source: Source, given: Mapping[str, Any], description: Description) -> DataConfig:
    """The settings of pairs to predict, with the columns that the checkpoint was trained on."""
    return with_own_columns(given, description.columns, lambda config: count_unlabelled(source, config))


def _findings(description: Description, counts: Mapping[str, int]) -> tuple[Finding, ...]:
    """What the training found, or that nearly all predictions are of one class."""
    if description.findings:
        return description.findings
    classes = np.arange(len(counts)) if description.seen is None else description.seen.classes
    shares = dict(zip(counts, (np.bincount(classes, minlength=len(counts)) / len(classes)).tolist(), strict=True))
    return one_class_finding(counts, shares, ADVICE)


class Tally:
    """Counts what passes by, so that nothing needs to be kept.

    Args:
        rows: how many rows there are to predict.
        threshold: probability below which a label is not given.
    """

    SHOWN_GUIDS = 5

    def __init__(self, rows: int, threshold: float = 0.0) -> None:
        self.rows = rows
        self.threshold = threshold
        self.abstained = 0
        self.pairs = 0
        self.replaced = 0
        self.tags: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.incomplete = 0
        self._incomplete: list[str] = []

    def watch(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the pairs, and count their undecodable characters."""
        for pair in pairs:
            self.replaced += pair.replaced
            yield pair

    def count(self, prediction: Prediction) -> bool:
        """Count one prediction; returns whether its label is given."""
        is_given = prediction.probabilities[prediction.tag] >= self.threshold
        self.pairs += 1
        self.tags[prediction.tag] += is_given
        self.abstained += not is_given
        if prediction.missing:
            self.missing.update(prediction.missing.split(" and "))
            self.incomplete += 1
            if len(self._incomplete) < self.SHOWN_GUIDS:
                self._incomplete.append(f"{prediction.guid} (no {prediction.missing})")
        return is_given

    def notes(self) -> list[str]:
        """Return notes on the first pairs that were predicted from one modality."""
        if not self._incomplete:
            return []
        more = self.incomplete - len(self._incomplete)
        shown = ", ".join(self._incomplete)
        rest = f" and {more} more; --probabilities marks each" if more > 0 else ""
        return [f"predicted without a text, with a text that says nothing, or without an image: {shown}{rest}"]


def _apart_from(out: Path, pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The pairs, as long as none of their images is the file to write.

    Raises:
        MmsentError: one is.
    """
    is_there = out.is_file()
    for pair in pairs:
        if is_there and isinstance(pair.image, Path):
            require_no_input(out, [pair.image])
        yield pair


def _write_rows(
    rows: RowWriter,
    predictor: Predictor,
    pairs: Iterator[Pair],
    tally: Tally,
    out: Path,
    partial: PartialPrediction | None,
    progress: Progress,
) -> None:
    """Write the rows that an interrupted prediction left, then the others."""
    for row in partial.rows() if partial else ():
        done = _done_before(row, next(pairs, None), out, predictor.description.labels)
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


def _done_before(row: Row, pair: Pair | None, out: Path, labels: Sequence[str]) -> Prediction:
    """The prediction of a row that an interrupted prediction left, for the pair that comes next.

    Raises:
        ConfigError: it is not the prediction of this pair.
    """
    if pair is None or pair.guid != row[0]:
        raise ConfigError(
            f"the pairs have changed since the prediction of {out} was interrupted", "leave out --resume to begin again"
        )
    shares = dict(zip(labels, row[3:], strict=True))
    return Prediction(guid=row[0], tag=row[1], probabilities=shares, missing=row[2])


def _partial(
    checkpoint: Path, source: Source, predictor: Predictor, data: DataConfig, rows: int, file: PredictionFile
) -> PartialPrediction | None:
    """The rows of an earlier, interrupted prediction of the same file; None where the output is no plain file."""
    if file.out == STANDARD_OUTPUT or is_stream(file.out):
        if file.resume:
            raise ConfigError(f"a prediction into {file.out} cannot be resumed", "give a plain file with --out")
        return None
    compute = predictor.compute
    identity = {
        "mmsent": __version__,
        "checkpoint": hashlib.blake2b(checkpoint.read_bytes()).hexdigest(),
        "data": source.place,
        "rows": rows,
        "on_bad": data.on_bad,
        "columns": [getattr(data, name) for name in COLUMNS],
        "encoding": data.encoding,
        "compute": [compute.device, compute.precision, compute.engine_name, predictor.chunk_pairs],
    }
    return PartialPrediction(file.out, identity, file.resume)


@contextmanager
def _explained(go_on: str) -> Iterator[None]:
    """Tell how to go on with a prediction that is interrupted in this block."""
    try:
        with advice(go_on):
            yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; {go_on}") from None


def _resume_line(
    checkpoint: Path, given: Mapping[str, Any], runtime: RuntimeConfig, file: PredictionFile, source: Source
) -> str:
    """What to type after an interruption; the same command again where there is nothing to resume."""
    if file.out == STANDARD_OUTPUT or is_stream(file.out):
        return "run the same command again"
    if source.kind == "frame":
        return f"go on with: predict(data, out={str(file.out.absolute())!r}, resume=True), with the same arguments"
    usual = to_dict(RuntimeConfig())
    changed = {name: value for name, value in to_dict(runtime).items() if value != usual[name]}
    pairs = {**given, "data": Path(source.place)}
    output = {"out": file.out, "probabilities": file.has_probabilities, "force": file.force, "resume": True}
    return f"go on with: {command_line('predict', {'checkpoint': checkpoint, **pairs, **changed, **output})}"


def single_pair(text: str | None, image: ImageSource | str | None) -> Pair:
    """Make a pair to predict. The text or the image may be missing.

    Raises:
        DataError: neither text nor image is given, or the image cannot be read.
    """
    text = text if text and visible(text).strip() else None
    if text is None and image is None:
        raise DataError("neither a text nor an image is given", "give --text, --image, or both")
    if image is None:
        return Pair(guid="-", tag=None, text=text, image=None)
    name, hint = str(image) if isinstance(image, str | Path) else "the image", "give another --image, or --text alone"
    try:
        source, elsewhere = image_of(image)
        if source is None:
            raise ValueError("is an address or a path of another machine" if elsewhere else "is not a path")
        raw = image_bytes(source)
        if problem := verify_image(raw):
            raise ValueError(problem)
    except OSError as error:
        raise DataError(f"cannot read the image {name}: {reason(error)}", hint) from error
    except ValueError as error:
        raise DataError(f"{name} {error}", hint) from error
    return Pair(guid="-", tag=None, text=text, image=source if isinstance(source, Path) else raw)


def decode_typed(pair: Pair, description: Description) -> Pair:
    """A pair whose text was typed: bytes that are no text in the terminal's encoding are read as the training texts."""
    text = pair.text or ""
    if not SURROGATE.search(text):
        return pair
    try:
        raw = os.fsencode(text)
    except UnicodeEncodeError:  # surrogates that stand for no byte
        raw = without_surrogates(text).encode("utf-8")
    decoded = EncodingDecision.from_dict(dict(description.encoding)).decode(raw)
    return replace(pair, text=decoded.text, replaced=decoded.text.count("\ufffd"))


def _decide(
    source: Source, data: DataConfig, cache: Path, description: Description
) -> tuple[EncodingDecision, tuple[str, ...]]:
    """Decide the encoding of the new texts. If they are too few, use that of the training texts, with a note."""
    try:
        return decide_encoding(source, data, cache), ()
    except UndecidedEncoding:
        trained = EncodingDecision.from_dict(dict(description.encoding))
        return trained, (f"encoding: {trained.encoding}, that of the training texts (too little evidence here)",)
