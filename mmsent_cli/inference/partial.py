"""Keep the finished rows of a prediction in a hidden file next to the output, so that it can be resumed.

The first line identifies the prediction. Each further line has the rows of one finished chunk. The batches of a resumed
prediction are the same, so the output has the same bytes.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmsent_cli.errors import ConfigError
from mmsent_cli.files import cannot_write, kind_of

START_OVER = "leave out --resume, and start over with --force"
IDENTITY_WORDS = {
    "checkpoint": "another checkpoint",
    "checkpoint_digest": "another checkpoint",
    "data": "other data",
    "rows": "another number of rows",
    "shard": "another --shard",
    "on_bad": "another --on-bad",
    "columns": "other columns",
    "encoding": "another --encoding",
    "compute": "another device, precision or engine",
    "settings": "other settings",
    "mmsent": "another version of mmsent",
}
"""Names of the parts of a prediction's identity, for messages."""
Row = Sequence[Any]
"""A finished row: guid, predicted class, missing modality, and the probability of each class."""


def partial_path(out: Path) -> Path:
    """Return the path of the file with the finished rows."""
    return out.with_name(f".{out.name}.partial")


class PartialPrediction:
    """The rows of finished chunks, which are kept until the whole output is written.

    Args:
        out: the output file.
        identity: everything that the rows depend on, as plain values: checkpoint, pairs, precision.
        resume: keep the rows that are already in the file. Otherwise, the file is replaced when the first chunk is
            finished.
        checkpoint: the file of the model.
        go_on: how to continue the prediction, for messages.

    Raises:
        ConfigError: there is nothing to resume, the rows belong to another prediction, or the hidden file is a link, a
            folder or a pipe.
    """

    def __init__(
        self, out: Path, identity: Mapping[str, Any], resume: bool, checkpoint: Path | None = None, go_on: str = ""
    ) -> None:
        self.path = partial_path(out)
        self._out = out
        self._identity = identity
        first = {"prediction": identity, "checkpoint": str(checkpoint and checkpoint.absolute()), "go_on": go_on}
        self._first = json.dumps(first, sort_keys=True) + "\n"
        self._is_begun = resume
        self._require_plain()
        if resume:
            self._require_same()

    def rows(self, labels: Sequence[str]) -> Iterator[Row]:
        """Return the finished rows.

        A damaged or incomplete chunk is dropped, and so are all later chunks.

        Args:
            labels: class names in order.
        """
        if not self._is_begun:
            return
        with self.path.open("r+b") as stream:
            stream.readline()
            end = stream.tell()
            while line := stream.readline():
                chunk = _chunk(line, labels)
                if chunk is None:
                    break
                end = stream.tell()
                yield from chunk
            stream.seek(end)
            stream.truncate()

    def append(self, rows: Sequence[Row]) -> None:
        """Add the rows of a finished chunk.

        Raises:
            MmsentError: the rows cannot be written.
        """
        try:
            if not self._is_begun:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.unlink(missing_ok=True)
            with self.path.open("a" if self._is_begun else "x", encoding="utf-8", newline="\n") as stream:
                stream.write(("" if self._is_begun else self._first) + json.dumps(rows) + "\n")
        except OSError as error:
            if not self._is_begun:  # an incomplete first line does not identify a prediction
                self.path.unlink(missing_ok=True)
            raise cannot_write(self._out, error) from error
        self._is_begun = True

    def remove(self) -> None:
        """Delete the hidden file. It is not needed once the whole output is written."""
        self.path.unlink(missing_ok=True)

    def _require_plain(self) -> None:
        try:
            kind = kind_of(self.path)
        except OSError:  # writing the rows will fail too, with the reason
            kind = ""
        if kind:
            raise ConfigError(
                f"unfinished predictions cannot be kept in {self.path}, which is {kind}",
                "remove it, or choose another --out",
            )

    def _require_same(self) -> None:
        if not self.path.exists():
            begin = f"leave out --resume to predict all pairs into {self._out}"
            raise ConfigError(f"there is no unfinished prediction of {self._out} to resume", begin)
        began = how_begun(self._out)
        require_same_identity(self._out, began.get("prediction"), self._identity, began.get("go_on", ""))


def how_begun(out: Path) -> dict[str, Any]:
    """Return what the hidden file records about an interrupted prediction; an empty dict if it cannot be read.

    The values are the identity of the prediction, its checkpoint, and the command that continues the prediction.
    """
    try:
        with partial_path(out).open(encoding="utf-8", newline="\n") as stream:
            first = json.loads(stream.readline())
    except (OSError, ValueError, RecursionError):
        return {}
    return first if isinstance(first, dict) else {}


def require_same_identity(out: Path, before: Any, now: Mapping[str, Any], go_on: str) -> None:
    """Check that an interrupted prediction is resumed with the same checkpoint, pairs and settings (its identity).

    Args:
        out: the output file.
        before, now: the identity of the interrupted prediction, and the identity of the new prediction.
        go_on: how to continue the prediction, for messages.

    Raises:
        ConfigError: the identities differ. The message names the differences; the hint is `go_on`.
    """
    before, now = before if isinstance(before, dict) else {}, json.loads(json.dumps(now))
    changed = [words for name, words in IDENTITY_WORDS.items() if before.get(name) != now.get(name)]
    if before != now:
        what = ", ".join(changed) or "other settings"
        hint = f"{go_on}; to start over, replace --resume by --force" if go_on else START_OVER
        raise ConfigError(f"the unfinished prediction of {out} was made with {what}", hint)


def _chunk(line: bytes, labels: Sequence[str]) -> list[Row] | None:
    """Return the rows in a line; None for a damaged or incomplete line."""
    try:
        rows = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return rows if isinstance(rows, list) and all(_is_row(row, labels) for row in rows) else None


def _is_row(row: Any, labels: Sequence[str]) -> bool:
    if not isinstance(row, list) or len(row) != 3 + len(labels):
        return False
    guid, tag, missing, *shares = row
    is_named = isinstance(guid, str) and isinstance(missing, str) and tag in labels
    return is_named and all(isinstance(share, float) and math.isfinite(share) for share in shares)
