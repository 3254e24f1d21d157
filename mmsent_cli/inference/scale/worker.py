"""What the processes of a prediction in parts do: survey a file, read its parts, predict a part.

Each answer to the starting process is a row with one value in bytes. An expected error is an answer as well, so that it
ends the command in two lines.
"""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.data.check import checked_pairs
from mmsent_cli.data.flaws import Flaws
from mmsent_cli.data.source_rows import count_unlabelled
from mmsent_cli.data.tables import Report
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.files import default_cache_dir
from mmsent_cli.inference.partial import START_OVER
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.scale.folder import PartSummary, read_summary, write_part
from mmsent_cli.inference.scale.job import Job, Part, read_parts
from mmsent_cli.inference.stream import decide
from mmsent_cli.inference.tally import Tally
from mmsent_cli.training.checkpoints import Description

Answer = dict[str, Any]
FILE, PART, ANSWER = "file", "part", "answer"


@dataclass(frozen=True, slots=True)
class Survey:
    """A file whose rows are all checked.

    Attributes:
        file: its number.
        report: what became of its rows.
        decision: how its texts are decoded.
        notes: on that decision.
    """

    file: int
    report: Report
    decision: EncodingDecision
    notes: tuple[str, ...]


class Surveyor:
    """Checks and counts the rows of a file.

    Args:
        job: the prediction.
        description: of the checkpoint.
    """

    def __init__(self, job: Job, description: Description) -> None:
        self._job = job
        self._description = description

    def __call__(self, row: Answer) -> Answer:
        """Answer with a `Survey`."""
        return {ANSWER: _answered(self._survey, row[FILE])}

    def _survey(self, file: int) -> Survey:
        job, report = self._job, Report()
        source = job.sources[file]
        cache = default_cache_dir(job.runtime.cache_dir)
        decision, notes = decide(source, job.data, cache, self._description)
        count_unlabelled(source, job.data, report, decision)
        return Survey(file, report, decision, notes)


class PartReader:
    """Reads the parts of a file. A part that is finished is answered by its summary.

    Args:
        job: the prediction.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, row: Answer) -> Iterator[Answer]:
        """One row for each part; the first error is the last row."""
        try:
            for part in read_parts(self._job, row[FILE]):
                done = _finished(self._job, part)
                yield {PART: b"" if done else pickle.dumps(part), ANSWER: pickle.dumps(done) if done else b""}
        except MmsentError as error:
            yield {PART: b"", ANSWER: pickle.dumps(error)}


class PartPredictor:
    """Predicts parts in a process of its own. The model is loaded with the first one.

    Args:
        job: the prediction.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._predictor: Predictor | None = None

    def __call__(self, row: Answer) -> Answer:
        """Answer with the summary of the part, which is then written."""
        return {ANSWER: row[ANSWER] or _answered(self._predict, pickle.loads(row[PART]))}

    def _predict(self, part: Part) -> PartSummary:
        job = self._job
        done = _finished(job, part)  # by a process that was lost before it could answer
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
    """The value of an answer.

    Raises:
        MmsentError: the answer is an error.
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
    """The summary of a part that is finished.

    Raises:
        ConfigError: it is finished with other rows.
    """
    done = read_summary(job.folder / part.name, part.file, part.number)
    if done and done.digest != part.digest():
        raise ConfigError(
            f"the rows of {job.sources[part.file].path} have changed since the prediction was interrupted",
            START_OVER,
        )
    return done
