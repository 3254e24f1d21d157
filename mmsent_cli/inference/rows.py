"""Write the rows of a file of predictions: comma-separated, or JSON lines if its name ends in `.jsonl`."""

import csv
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from mmsent_cli.errors import DataError
from mmsent_cli.inference.settings import PredictSettings
from mmsent_cli.inference.shard import Shard
from mmsent_cli.results import Prediction

JSON_LINES = ".jsonl"
Cells = Iterator[tuple[str, tuple[str, ...]]]
"""Guid and kept cells of each row of the input, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionFile:
    """The file of a prediction.

    Attributes:
        out: the path of a file or a pipe, or `-` for standard output. A file appears whole or not at all.
        has_probabilities: add a column with the probability of each class, and a column for the missing modality.
        force: overwrite an existing file.
        resume: continue an interrupted prediction of this file.
        settings: the threshold below which labels are empty, and the columns of the input to keep.
    """

    out: Path
    has_probabilities: bool = False
    force: bool = False
    resume: bool = False
    settings: PredictSettings = field(default_factory=PredictSettings)

    @property
    def shard(self) -> Shard:
        """Return the part of the rows to predict.

        Raises:
            ConfigError: the setting names no shard.
        """
        return Shard() if self.settings.shard is None else Shard.parse(self.settings.shard)


def row_columns(labels: Sequence[str], is_json: bool, with_probabilities: bool) -> list[str]:
    """Return the columns of a file of predictions; see `RowWriter`."""
    if is_json:
        return ["guid", "label", "missing", "probabilities"]
    return ["guid", "tag", *(("missing", *labels) if with_probabilities else ())]


def require_free_names(taken: Collection[str], keep: Sequence[str]) -> None:
    """Check that the output has no columns of its own with the names of the kept ones.

    Raises:
        DataError: it has.
    """
    twice = [name for name in keep if name in taken]
    if twice:
        raise DataError(f"--keep {twice[0]}: the output already has a column of this name", "leave it out of --keep")


class RowWriter:
    """Writes predictions.

    Args:
        stream: the open output.
        labels: class names in order.
        is_json: JSON lines instead of comma-separated values.
        with_probabilities: add the probabilities and the missing modality. JSON lines always have both.
        kept: the names of the input columns to keep, and their cells.

    Raises:
        DataError: a column to keep has the same name as a column of the output.
    """

    def __init__(
        self,
        stream: TextIO,
        labels: Sequence[str],
        is_json: bool,
        with_probabilities: bool,
        kept: tuple[Sequence[str], Cells] = ((), iter(())),
    ) -> None:
        self._stream, self._is_json, self._with_probabilities = stream, is_json, with_probabilities
        self._names, self._cells = kept
        header = row_columns(labels, is_json, with_probabilities)
        require_free_names(header, self._names)
        self._table = csv.writer(stream, lineterminator="\n")
        if not is_json:
            self._table.writerow([*header, *self._names])

    def write(self, prediction: Prediction, is_given: bool) -> None:
        """Write one prediction. Its label is empty if its probability is below the threshold."""
        label, kept = prediction.tag if is_given else "", self._kept(prediction.guid)
        if self._is_json:
            row = {
                "guid": prediction.guid,
                "label": label or None,
                "missing": prediction.missing,
                "probabilities": {name: round(share, 6) for name, share in prediction.probabilities.items()},
                **dict(zip(self._names, kept, strict=True)),
            }
            self._stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            return
        shares = [prediction.missing, *(f"{share:.6f}" for share in prediction.probabilities.values())]
        self._table.writerow([prediction.guid, label, *(shares if self._with_probabilities else ()), *kept])

    def _kept(self, guid: str) -> tuple[str, ...]:
        """The kept cells of a pair; rows of the input that were not predicted are passed over."""
        if not self._names:
            return ()
        return next(cells for name, cells in self._cells if name == guid)
