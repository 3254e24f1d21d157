"""The work of each process in a prediction in parts.

A worker sends its results to the main process as rows of Ray Data, each with one pickled value. A worker does not raise
an expected error. It sends the error in the same way, so that the command ends with the error's message and hint.

Chosen: a part has a fixed number of rows, a multiple of the number of pairs that are predicted together without Ray. So
batches and probabilities are the same as without Ray, to the last bit, as long as no pair is dropped. Each file is read
from top to bottom by the same reader as without Ray. Rejected: one task per byte range of a file, since a quoted text
may contain line ends, and the encoding is decided over a whole file.
"""

import hashlib
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.config import DataConfig, RuntimeConfig
from mmsent_cli.config.command_settings import PredictSettings
from mmsent_cli.data.check import checked_pairs
from mmsent_cli.data.columns import read_columns
from mmsent_cli.data.flaws import Flaws
from mmsent_cli.data.layouts import Source, count_unlabelled, unlabelled_rows
from mmsent_cli.data.pairs import PairRow
from mmsent_cli.data.tables import Report
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.files import default_cache_dir
from mmsent_cli.inference.partial import START_OVER
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.rows import Tally
from mmsent_cli.inference.scale.folder import PartSummary, read_summary, write_part
from mmsent_cli.inference.stream import decide
from mmsent_cli.training.checkpoints import Description


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The settings that every process of a prediction gets. Paths are absolute, and the same on all machines.

    Attributes:
        checkpoint: the checkpoint file.
        runtime: device, precision, weights, cache of the predicting processes.
        data: settings of the data.
        sources: the input files in order.
        decisions: how the texts of each file are decoded; empty before the files are checked.
        settings: number of rows per part, and kept columns.
        threshold: labels with a lower probability are left empty.
        folder: the folder for the parts.
    """

    checkpoint: Path
    runtime: RuntimeConfig
    data: DataConfig
    sources: tuple[Source, ...]
    decisions: tuple[EncodingDecision, ...] = ()
    settings: PredictSettings
    threshold: float
    folder: Path


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive rows of a file.

    Attributes:
        file, number: the number of the file, and the number of the part in this file, both counted from 0.
        rows: the rows, whose files are not yet opened.
        kept: the cells of the kept columns of each row.
    """

    file: int
    number: int
    rows: list[PairRow]
    kept: list[tuple[str, ...]]

    @property
    def name(self) -> str:
        """The name of the part's file. If names are sorted, they are in the order of the input."""
        return f"part-{self.file:05}-{self.number:07}.parquet"

    def digest(self) -> str:
        """Return a digest of the rows. For an image file, only its path is included, not its content."""
        digest = hashlib.blake2b(digest_size=16)
        for row, kept in zip(self.rows, self.kept, strict=True):
            image = row.image if isinstance(row.image, Path | bytes | None) else "an image in memory"
            cells = (row.guid, row.text, row.text_path, image, row.elsewhere, kept)
            digest.update(repr(cells).encode("utf-8", "backslashreplace"))
        return digest.hexdigest()


def read_parts(job: Job, file: int) -> Iterator[Part]:
    """Yield the parts of a file.

    Args:
        job: the prediction, with decisions.
        file: the number of the file.

    Raises:
        DataError: the file has changed since it was checked, and can no longer be read.
    """
    source, keep = job.sources[file], job.settings.keep
    rows = unlabelled_rows(source, job.data, job.decisions[file])
    cells = read_columns(source, job.data, keep) if keep else iter(())
    number = 0
    while chunk := list(islice(rows, job.settings.part_rows)):
        yield Part(file, number, chunk, [_cells_of(row, cells) if keep else () for row in chunk])
        number += 1


def _cells_of(row: PairRow, cells: Iterator[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    """Return the kept cells of a row. Rows that are not predicted are skipped."""
    return next(kept for guid, kept in cells if guid == row.guid)


def identity_of(job: Job, facts: dict[str, Any]) -> dict[str, Any]:
    """Return everything that the parts of the output depend on, as plain values.

    Args:
        job: the prediction.
        facts: run, digest of the checkpoint, and version of mmsent.
    """
    settings = job.settings
    return {
        **facts,
        "data": [source.place for source in job.sources],
        "settings": [job.data.on_bad, job.data.encoding, settings.part_rows, job.threshold, list(settings.keep)],
    }


Answer = dict[str, Any]
FILE, PART, ANSWER = "file", "part", "answer"


@dataclass(frozen=True, slots=True)
class Survey:
    """The result of checking a file.

    Attributes:
        file: number of the file.
        report: counts of the rows of the file.
        decision: how the texts of the file are decoded.
        notes: notes on the decision.
    """

    file: int
    report: Report
    decision: EncodingDecision
    notes: tuple[str, ...]


class Surveyor:
    """Checks and counts the rows of a file.

    Args:
        job: the prediction.
        description: the metadata of the checkpoint.
    """

    def __init__(self, job: Job, description: Description) -> None:
        self._job = job
        self._description = description

    def __call__(self, row: Answer) -> Answer:
        """Check a file, and return a message with a `Survey` or with an error."""
        return {ANSWER: _answered(self._survey, row[FILE])}

    def _survey(self, file: int) -> Survey:
        job, report = self._job, Report()
        source = job.sources[file]
        cache = default_cache_dir(job.runtime.cache_dir)
        decision, notes = decide(source, job.data, cache, self._description)
        count_unlabelled(source, job.data, report, decision)
        return Survey(file, report, decision, notes)


class PartReader:
    """Reads the parts of a file. A finished part is replaced by its summary.

    Args:
        job: the prediction.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, row: Answer) -> Iterator[Answer]:
        """Yield one message per part. An error is sent as a message too, and ends the reading."""
        try:
            for part in read_parts(self._job, row[FILE]):
                done = _finished(self._job, part)
                yield {PART: b"" if done else pickle.dumps(part), ANSWER: pickle.dumps(done) if done else b""}
        except MmsentError as error:
            yield {PART: b"", ANSWER: pickle.dumps(error)}


class PartPredictor:
    """Predicts parts in its own process. The model is loaded for the first part.

    Args:
        job: the prediction.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._predictor: Predictor | None = None

    def __call__(self, row: Answer) -> Answer:
        """Predict and write a part. Returns a message with its summary or with an error."""
        return {ANSWER: row[ANSWER] or _answered(self._predict, pickle.loads(row[PART]))}

    def _predict(self, part: Part) -> PartSummary:
        job = self._job
        done = _finished(job, part)  # a process may be lost after it has written the part
        if done:
            return done
        if self._predictor is None:
            self._predictor = Predictor.load(job.checkpoint, job.runtime)
        predictor, flaws, tally = self._predictor, Flaws(), Tally(len(part.rows), job.threshold)
        pairs = tally.watch(checked_pairs(part.rows, job.data, job.decisions[part.file], flaws))
        cells = {row.guid: kept for row, kept in zip(part.rows, part.kept, strict=True)}
        rows = [(answer, tally.count(answer), cells[answer.guid]) for answer in predictor.predict(pairs)]
        notes = tuple(predictor.notes())
        summary = PartSummary(part.file, part.number, part.digest(), tally, flaws, notes)
        write_part(job.folder / part.name, rows, predictor.description.labels, job.settings.keep, summary)
        return summary


def value_of(row: Answer) -> Any:
    """Return the value that a worker has sent in a message.

    Raises:
        MmsentError: the message is an error.
    """
    value = pickle.loads(row[ANSWER])
    if isinstance(value, MmsentError):
        raise value
    return value


def _answered(work: Callable[[Any], Any], argument: Any) -> bytes:
    try:
        return pickle.dumps(work(argument))
    except MmsentError as error:
        return pickle.dumps(error)


def _finished(job: Job, part: Part) -> PartSummary | None:
    """Return the summary of a finished part; None if the part is not finished.

    Raises:
        ConfigError: the part was finished with other rows.
    """
    done = read_summary(job.folder / part.name, part.file, part.number)
    if done and done.digest != part.digest():
        raise ConfigError(
            f"the rows of {job.sources[part.file].path} have changed since the prediction was interrupted",
            START_OVER,
        )
    return done
