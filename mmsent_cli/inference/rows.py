"""Write, divide (shards) and count the rows of a prediction.

A shard is the part of the rows that one job predicts. It consists of whole chunks, which the model predicts together.
So the shards have the same predictions as a single job, to the last digit. If pairs are dropped (`--on-bad drop`),
chunks begin at other rows, so the last digits of the probabilities may differ.
"""

import csv
import json
import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from mmsent_cli.config.command_settings import PredictSettings
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import ConfigError, DataError
from mmsent_cli.extras import require_extra
from mmsent_cli.files import atomic_path
from mmsent_cli.outputs import STANDARD_OUTPUT, is_stream, open_output
from mmsent_cli.results import PredictedBy, Prediction

if TYPE_CHECKING:
    import pyarrow as pa

WRITTEN = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard: part `number` of `count`, counted from 1."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Parse a shard such as `2/8`.

        Raises:
            ConfigError: the text has another form, or the number is not between 1 and the count.
        """
        written = WRITTEN.fullmatch(text)
        shard = cls(*map(int, written.groups())) if written else None
        if shard is None or not 1 <= shard.number <= shard.count:
            raise ConfigError(
                f"--shard {shlex.quote(text)}: the value must be I/N, where I is between 1 and N",
                "for example, use --shard 1/8",
            )
        return shard

    def rows(self, total: int, chunk: int) -> range:
        """Return the row numbers of the shard.

        Args:
            total: number of all rows.
            chunk: number of rows that are predicted together.
        """
        chunks = -(-total // chunk)
        start, end = (chunk * (number * chunks // self.count) for number in (self.number - 1, self.number))
        return range(min(start, total), min(end, total))

    def note(self, rows: int, chunk: int) -> str:
        """Return a note on the rows of the shard; empty if there is only one shard.

        Args:
            rows: number of rows of the shard.
            chunk: number of rows that are predicted together.
        """
        if self.count == 1:
            return ""
        unit = f"; shards are whole batches of {chunk:,} rows" if rows < chunk else ""
        few = ", and there are more shards than batches" if not rows else ""
        return f"shard {self.number} of {self.count}: {rows:,} rows to predict{unit}{few}"


class Tally:
    """Counts of pairs and predictions. Each pair is counted when it is predicted. So pairs are not kept in memory.

    `predicted` counts the predicted classes of all pairs. `tags` counts only the predicted classes whose probability
    reaches the threshold.

    Args:
        rows: the number of rows to predict.
        threshold: predictions with a lower probability get no label.
    """

    SHOWN_GUIDS = 5

    def __init__(self, rows: int, threshold: float = 0.0) -> None:
        self.rows = rows
        self.threshold = threshold
        self.abstained = 0
        self.pairs = 0
        self.replaced = 0
        self.tags: Counter[str] = Counter()
        self.predicted: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.incomplete = 0
        self._incomplete: list[str] = []

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Tally":
        """Make a tally from its attributes, as `vars(tally)` returns them."""
        tally = cls(values["rows"], values["threshold"])
        counts = {name: Counter(values[name]) for name in ("tags", "predicted", "missing")}
        vars(tally).update({**values, **counts})
        return tally

    def add(self, other: "Tally") -> None:
        """Add the counts of another tally."""
        self.rows += other.rows
        self.pairs += other.pairs
        self.abstained += other.abstained
        self.replaced += other.replaced
        self.tags.update(other.tags)
        self.predicted.update(other.predicted)
        self.missing.update(other.missing)
        self.incomplete += other.incomplete
        self._incomplete = [*self._incomplete, *other._incomplete][: self.SHOWN_GUIDS]

    def watch(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the pairs, and count their undecodable characters."""
        for pair in pairs:
            self.replaced += pair.replaced
            yield pair

    def count(self, prediction: Prediction) -> bool:
        """Count one prediction. Returns True if its probability reaches the threshold."""
        is_given = prediction.probabilities[prediction.tag] >= self.threshold
        self.pairs += 1
        self.tags[prediction.tag] += is_given
        self.predicted[prediction.tag] += 1
        self.abstained += not is_given
        if prediction.missing:
            self.missing.update(prediction.missing.split(" and "))
            self.incomplete += 1
            if len(self._incomplete) < self.SHOWN_GUIDS:
                self._incomplete.append(f"pair {prediction.guid} (no {prediction.missing})")
        return is_given

    def notes(self, is_marked: bool = False) -> list[str]:
        """Return notes that list the first pairs that were predicted from one modality.

        Args:
            is_marked: True if the output has a column with the missing modality.
        """
        if not self._incomplete:
            return []
        more = self.incomplete - len(self._incomplete)
        shown = ", ".join(self._incomplete)
        where = (
            "the column missing of the output marks each" if is_marked else "--probabilities marks each in the output"
        )
        rest = f" and {more:,} more; {where}" if more > 0 else ""
        return [
            "these pairs were predicted without an image, or without words in the text (such as a link alone): "
            f"{shown}{rest}"
        ]


COMMAS, TABS, JSON_LINES, PARQUET = "commas", "tabs", "JSON lines", "Parquet"
FORMS = {"": COMMAS, ".csv": COMMAS, ".txt": COMMAS, ".tsv": TABS, ".jsonl": JSON_LINES, ".parquet": PARQUET}
"""The format of a file by its suffix, in lower case."""
GROUP_ROWS = 4096
"""Number of rows in a row group of a Parquet file. These rows are in memory together."""
PROBABILITY = "probability_"
"""Prefix of the names of probability columns. It is needed, since a class may be called `label` or `missing`."""
PREDICTED_BY = b"predicted_by"
"""Key in the metadata of a Parquet file. Its value has the run, the digest of the checkpoint, and mmsent's version."""
Cells = Iterator[tuple[str, tuple[str, ...]]]
"""An iterator that yields the guid and the kept cells of each input row, in order."""
Kept = tuple[Sequence[str], Cells]
"""The names of the input columns to keep, with their cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionFile:
    """The output file of a prediction.

    Attributes:
        out: the path of a file or a pipe, or `-` for standard output. A file is written atomically.
        has_probabilities: add a column with the probability of each class, and a column with the missing modality.
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
        """The part of the rows to predict.

        Raises:
            ConfigError: the setting has another form.
        """
        return Shard() if self.settings.shard is None else Shard.parse(self.settings.shard)

    def require_known(self) -> None:
        """Check the shard and the suffix of the name.

        Raises:
            ConfigError: the shard has another form, the suffix is unknown, or the package for the format is missing.
        """
        _ = self.shard, self.form

    @property
    def form(self) -> str:
        """The format of the file. A pipe or a device whose suffix is no known format gets comma-separated values.

        Raises:
            ConfigError: the suffix is unknown, or the package for the format is not installed.
        """
        suffix, is_open = self.out.suffix.lower(), self.out == STANDARD_OUTPUT or is_stream(self.out)
        form = FORMS.get(suffix, COMMAS if is_open else None)
        if form is None or (form == PARQUET and is_open):
            what = f"a {suffix} file" if form is None else "Parquet into a pipe"
            known = ", ".join(name for name, kind in FORMS.items() if name and not (is_open and kind == PARQUET))
            raise ConfigError(
                f"--out {self.out}: predictions cannot be written as {what}", f"give a name that ends in {known}"
            )
        if form == PARQUET:
            require_extra("parquet", f"--out {self.out}", "pyarrow")
        return form


def row_columns(labels: Sequence[str], form: str, with_probabilities: bool) -> list[str]:
    """Return the columns of a prediction file; see `open_rows`."""
    if form == JSON_LINES:
        return ["guid", "label", "missing", "probabilities"]
    if form == PARQUET:
        return ["guid", "label", "missing", *(PROBABILITY + label for label in labels)]
    return ["guid", "tag", *(("missing", *labels) if with_probabilities else ())]


def require_free_names(taken: Collection[str], keep: Sequence[str]) -> None:
    """Check that the names of kept columns differ from the output's own columns.

    Raises:
        DataError: a name is used twice.
    """
    twice = [name for name in keep if name in taken]
    if twice:
        raise DataError(f"--keep {twice[0]}: the output already has a column of this name", "leave it out of --keep")


class RowWriter:
    """Writes predictions as lines of text.

    Args:
        stream: the open output.
        file: the file with its format. JSON lines always have probabilities.
        labels: class names in order.
        kept: the input columns to keep.
    """

    def __init__(self, stream: TextIO, file: PredictionFile, labels: Sequence[str], kept: Kept) -> None:
        self._stream, self._is_json, self._with_probabilities = stream, file.form == JSON_LINES, file.has_probabilities
        self._names, self._cells = kept
        self._table = csv.writer(stream, lineterminator="\n", delimiter="\t" if file.form == TABS else ",")
        if not self._is_json:
            self._table.writerow([*row_columns(labels, file.form, file.has_probabilities), *self._names])

    def write(self, prediction: Prediction, is_given: bool) -> None:
        """Write one prediction. Its label is empty if its probability is below the threshold."""
        label, kept = prediction.tag if is_given else "", _cells_of(prediction, self._names, self._cells)
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


class ParquetWriter:
    """Writes predictions as a Parquet file, some thousand rows at a time.

    Args:
        path: the file.
        labels: class names in order.
        kept: the input columns to keep.
        model: the model that makes the predictions.
    """

    def __init__(self, path: Path, labels: Sequence[str], kept: Kept, model: PredictedBy) -> None:
        from pyarrow import parquet

        self._names, self._cells = kept
        self._labels, self._model = labels, model
        self._rows: list[tuple[Prediction, bool, tuple[str, ...]]] = []
        self._file = parquet.ParquetWriter(path, self._table().schema)

    def write(self, prediction: Prediction, is_given: bool) -> None:
        """Write one prediction. Its label is null if its probability is below the threshold."""
        self._rows.append((prediction, is_given, _cells_of(prediction, self._names, self._cells)))
        if len(self._rows) == GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write the last rows and the end of the file."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(self._table())
            self._rows = []

    def _table(self) -> "pa.Table":
        metadata = {PREDICTED_BY: json.dumps(asdict(self._model)).encode()}
        return prediction_table(self._rows, self._labels, self._names).replace_schema_metadata(metadata)


@contextmanager
def open_rows(
    file: PredictionFile, labels: Sequence[str], kept: Kept, model: PredictedBy
) -> Iterator[RowWriter | ParquetWriter]:
    """Open the output file of a prediction. The file is written atomically.

    Args:
        file: the output file.
        labels: class names in order.
        kept: the input columns to keep.
        model: the model that makes the predictions, for the metadata of Parquet.

    Raises:
        DataError: a kept column has the name of one of the output's own columns.
        MmsentError: the file cannot be written.
    """
    require_free_names(row_columns(labels, file.form, file.has_probabilities), kept[0])
    if file.form == PARQUET:
        with atomic_path(file.out) as hidden:
            writer = ParquetWriter(hidden, labels, kept, model)
            yield writer
            writer.close()
        return
    with open_output(file.out) as stream:
        yield RowWriter(stream, file, labels, kept)


def prediction_table(
    rows: Sequence[tuple[Prediction, bool, tuple[str, ...]]], labels: Sequence[str], names: Sequence[str]
) -> "pa.Table":
    """Return predictions as an Arrow table, with the columns of `row_columns`.

    Args:
        rows: predictions, each with a flag that is False if its label is left empty (`--abstain-below`), and with the
            cells of the kept columns.
        labels: class names in order.
        names: names of the kept columns.
    """
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    columns = {
        "guid": pa.array([answer.guid for answer, _, _ in rows], text),
        "label": pa.array([answer.tag if is_given else None for answer, is_given, _ in rows], text),
        "missing": pa.array([answer.missing for answer, _, _ in rows], text),
        **{PROBABILITY + each: pa.array([row[0].probabilities[each] for row in rows], number) for each in labels},
        **{name: pa.array([cells[place] for _, _, cells in rows], text) for place, name in enumerate(names)},
    }
    return pa.table(columns)


def _cells_of(prediction: Prediction, names: Sequence[str], cells: Cells) -> tuple[str, ...]:
    """Return the kept cells of a pair. Input rows that were not predicted are skipped."""
    return next(kept for guid, kept in cells if guid == prediction.guid) if names else ()
