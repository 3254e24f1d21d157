"""The finished part of a prediction that was interrupted: a hidden file beside the one that is to be written.

It has a line of JSON that identifies the prediction, and one for the rows of each finished chunk. Whole chunks are
predicted in the same batches whether the prediction was interrupted or not, so the rows are the same to the last byte.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmsent_cli.errors import ConfigError
from mmsent_cli.files import cannot_write

Row = Sequence[Any]
"""Guid, tag, missing modality, and the probability of each class."""


class PartialPrediction:
    """Rows of finished chunks, kept until the whole file is written.

    Args:
        out: the file that the prediction is to write.
        identity: what the rows depend on, as plain values: checkpoint, pairs, precision.
        resume: go on with the rows that are there. Otherwise they are replaced when the first chunk is finished.

    Raises:
        ConfigError: there is nothing to resume, or the rows are those of another prediction.
    """

    def __init__(self, out: Path, identity: Mapping[str, Any], resume: bool) -> None:
        self.path = out.with_name(f".{out.name}.partial")
        self._out = out
        self._first = json.dumps({"prediction": identity}, sort_keys=True) + "\n"
        self._is_begun = resume
        if resume:
            self._require_same()

    @property
    def is_left_over(self) -> bool:
        """Whether rows of an earlier prediction are there, which are not gone on with."""
        return not self._is_begun and self.path.is_file()

    def rows(self) -> Iterator[Row]:
        """The rows that are finished already. A last chunk that was not written whole is dropped."""
        if not self._is_begun:
            return
        with self.path.open("r+", encoding="utf-8", newline="\n") as stream:
            stream.readline()
            end = stream.tell()
            while line := stream.readline():
                chunk = _chunk(line)
                if chunk is None:
                    break
                end = stream.tell()
                yield from chunk
            stream.seek(end)
            stream.truncate()

    def append(self, rows: Sequence[Row]) -> None:
        """Keep the rows of a finished chunk.

        Raises:
            MmsentError: they cannot be written.
        """
        try:
            if not self._is_begun:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.unlink(missing_ok=True)
            with self.path.open("a" if self._is_begun else "x", encoding="utf-8", newline="\n") as stream:
                stream.write(("" if self._is_begun else self._first) + json.dumps(rows) + "\n")
        except OSError as error:
            raise cannot_write(self._out, error) from error
        self._is_begun = True

    def remove(self) -> None:
        """Remove the rows: the whole file is written."""
        self.path.unlink(missing_ok=True)

    def _require_same(self) -> None:
        begin = f"leave out --resume to predict all pairs into {self._out}"
        try:
            with self.path.open(encoding="utf-8", newline="\n") as stream:
                first = stream.readline()
        except FileNotFoundError as error:
            raise ConfigError(f"there is no unfinished prediction of {self._out} to resume", begin) from error
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"cannot read the unfinished prediction {self.path}: {error}", begin) from error
        if first != self._first:
            raise ConfigError(
                f"the unfinished prediction of {self._out} has another checkpoint, other pairs or other settings", begin
            )


def _chunk(line: str) -> list[Row] | None:
    """The rows of a line; None for a line that was not written whole."""
    try:
        return json.loads(line) if line.endswith("\n") else None
    except ValueError:
        return None
