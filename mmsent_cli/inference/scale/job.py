"""A prediction that is done in parts: what all processes know, and the rows of each part.

Chosen: parts of a fixed number of rows, a multiple of the pairs that the plain engine predicts together. The batches
are then those of the plain engine, so the probabilities are the same to the last bit as long as no pair is dropped.
Each file is read from top to bottom by the plain engine's reader. Rejected: one task per byte range of a file, since a
quoted text may hold line ends, and the encoding is decided over a whole file.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.config import DataConfig, RuntimeConfig
from mmsent_cli.data.columns import read_columns
from mmsent_cli.data.layouts import Source
from mmsent_cli.data.pairs import PairRow
from mmsent_cli.data.source_rows import unlabelled_rows
from mmsent_cli.inference.settings import PredictSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The settings that every process of a prediction gets. Paths are absolute, and the same on all machines.

    Attributes:
        checkpoint: the checkpoint file.
        runtime: device, precision, weights, cache of the predicting processes.
        data: settings of the data.
        sources: the input files in order.
        decisions: how the texts of each file are decoded; empty before the files are surveyed.
        settings: rows of a part, kept columns.
        threshold: probability below which a label is not given.
        folder: where the parts are written.
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
        file, number: the number of the file, and of the part in it, counted from 0.
        rows: the rows, whose files are not yet opened.
        kept: the cells of the kept columns of each row.
    """

    file: int
    number: int
    rows: list[PairRow]
    kept: list[tuple[str, ...]]

    @property
    def name(self) -> str:
        """The name of the part's file. In the order of the names, the rows have the order of the input."""
        return f"part-{self.file:05}-{self.number:07}.parquet"

    def digest(self) -> str:
        """A digest of the rows; of an image that is a file, its path alone."""
        digest = hashlib.blake2b(digest_size=16)
        for row, kept in zip(self.rows, self.kept, strict=True):
            image = row.image if isinstance(row.image, Path | bytes | None) else "an image in memory"
            cells = (row.guid, row.text, row.text_path, image, row.elsewhere, kept)
            digest.update(repr(cells).encode("utf-8", "backslashreplace"))
        return digest.hexdigest()


def read_parts(job: Job, file: int) -> Iterator[Part]:
    """Read the parts of a file, one at a time.

    Args:
        job: the prediction; its files are surveyed.
        file: the number of the file.

    Raises:
        DataError: the file has changed since it was surveyed, and cannot be read any more.
    """
    source, keep = job.sources[file], job.settings.keep
    rows = unlabelled_rows(source, job.data, job.decisions[file])
    cells = read_columns(source, job.data, keep) if keep else iter(())
    number = 0
    while chunk := list(islice(rows, job.settings.part_rows)):
        yield Part(file, number, chunk, [_cells_of(row, cells) if keep else () for row in chunk])
        number += 1


def _cells_of(row: PairRow, cells: Iterator[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    """The kept cells of a row; rows that are not predicted are passed over."""
    return next(kept for guid, kept in cells if guid == row.guid)


def identity_of(job: Job, facts: dict[str, Any]) -> dict[str, Any]:
    """What the parts depend on, as plain values.

    Args:
        job: the prediction.
        facts: version and checkpoint.
    """
    settings = job.settings
    return {
        **facts,
        "data": [source.place for source in job.sources],
        "settings": [job.data.on_bad, job.data.encoding, settings.part_rows, job.threshold, list(settings.keep)],
    }
