"""Predict a data source into a file, or a single pair. A few hundred pairs at a time are in memory."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.config import DataConfig, RuntimeConfig
from mmsent_cli.data.check import decide_encoding, open_unlabelled
from mmsent_cli.data.columns import read_columns
from mmsent_cli.data.images import image_bytes, verify_image
from mmsent_cli.data.layouts import Source, files_of, locate
from mmsent_cli.data.manifests import SURROGATE, image_of, without_surrogates
from mmsent_cli.data.pairs import ImageSource, Pair
from mmsent_cli.data.text import visible
from mmsent_cli.errors import DataError, UndecidedEncoding
from mmsent_cli.files import cache_note, reason
from mmsent_cli.inference.abstain import find_threshold
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.rows import JSON_LINES, RowWriter
from mmsent_cli.inference.settings import PredictSettings
from mmsent_cli.outputs import open_output, require_no_input, require_writable
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import Prediction, PredictResult
from mmsent_cli.training.checkpoints import Description

PROGRESS_STEP = 16
"""Pairs between two reports of progress."""


def predict_file(
    checkpoint: Path,
    data: DataConfig,
    runtime: RuntimeConfig,
    out: Path,
    progress: Progress = silent,
    with_probabilities: bool = False,
    force: bool = False,
    source: Source | None = None,
    settings: PredictSettings | None = None,
) -> PredictResult:
    """Predict the unlabelled pairs of a source into a file of rows `guid,tag`, in the order of the input.

    Args:
        checkpoint: the checkpoint file.
        data: settings of the data.
        runtime: device, precision, weights, cache.
        out: the file to write, which appears whole or not at all; a pipe; or `-` for standard output.
        progress: receives how many pairs are predicted.
        with_probabilities: add one column per class, and one that names a missing modality.
        force: overwrite `out`.
        source: pairs in memory; None reads those that `data` names.
        settings: when no label is given, and which columns of the input are kept.

    Raises:
        MmsentError: unusable checkpoint, data or output.
    """
    start = time.perf_counter()
    require_writable(out, force, [checkpoint])
    source = source or locate(data.data)
    require_no_input(out, files_of(source))
    settings = settings or PredictSettings()
    threshold, threshold_note = find_threshold(settings, checkpoint)
    predictor = Predictor.load(checkpoint, runtime)
    decision, notes = _decide(source, data, predictor.resources.cache, predictor.description)
    problems: list[str] = []
    read: list[str] = []
    total, unlabelled = open_unlabelled(source, data, decision, problems, read)
    tally = Tally(total, threshold)
    cells = read_columns(source, data, settings.keep) if settings.keep else iter(())
    pairs = tally.watch(_apart_from(out, unlabelled))
    with open_output(out) as stream:
        labels, is_json = predictor.description.labels, out.suffix.lower() == JSON_LINES
        rows = RowWriter(stream, labels, is_json, with_probabilities, (settings.keep, cells))
        _write_rows(rows, predictor, pairs, tally, progress)
        if not tally.pairs:
            raise DataError(f"there are no pairs to predict in {source.path}", "give a folder or a table with --data")
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
        counts={label: tally.tags[label] for label in predictor.description.labels},
        missing_text=tally.missing["text"],
        missing_image=tally.missing["image"],
        replaced_characters=tally.replaced,
        abstained=tally.abstained,
        threshold=threshold or None,
        seconds=time.perf_counter() - start,
        notes=notes,
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
        notes=tuple(predictor.notes()),
    )


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


def _write_rows(rows: RowWriter, predictor: Predictor, pairs: Iterable[Pair], tally: Tally, progress: Progress) -> None:
    for prediction in predictor.predict(pairs):
        rows.write(prediction, tally.count(prediction))
        if tally.pairs % PROGRESS_STEP == 0:
            progress(Stage("predicting", tally.pairs, tally.rows))
    progress(Stage("predicting", tally.pairs, tally.pairs))


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
