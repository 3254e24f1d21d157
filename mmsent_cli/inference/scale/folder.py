"""The output folder of a prediction in parts. It is hidden until all parts are written, and marked as mmsent's own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsent_cli.data.flaws import Flaws
from mmsent_cli.errors import ConfigError
from mmsent_cli.files import atomic_path, atomic_write, cannot_write
from mmsent_cli.inference.partial import require_same_identity
from mmsent_cli.inference.rows import PROBABILITY, Tally, prediction_table
from mmsent_cli.results import Prediction

IDENTITY = "_prediction.json"
"""File with the identity of the prediction. Readers of Parquet folders ignore names that begin with `_`."""
PARTS = "part-*.parquet"
SUMMARY = b"mmsent"
"""Key of a part's summary in the metadata of its file."""
OWN_COLUMNS = ("guid", "label", "missing")
FOLDER_SUFFIXES = ("", ".parquet")


@dataclass(frozen=True, slots=True)
class PartSummary:
    """The counts and notes of a finished part, for the result.

    Attributes:
        file, number: see `Part`.
        digest: digest of the rows of the part.
        tally: counts of the predictions of the part.
        flaws: the pairs of the part that were dropped or blanked.
        notes: notes of the predictor.
        was_there: True if an earlier process finished the part.
    """

    file: int
    number: int
    digest: str
    tally: Tally
    flaws: Flaws
    notes: tuple[str, ...] = ()
    was_there: bool = False


def hidden_folder(out: Path) -> Path:
    """Return the path of the hidden folder for the parts of an unfinished prediction."""
    return out.with_name(f".{out.name}.parts")


def is_folder(out: Path) -> bool:
    """Return True if a prediction in parts writes this output as a folder."""
    return out.suffix.lower() in FOLDER_SUFFIXES


def open_folder(out: Path, identity: Mapping[str, Any], resume: bool) -> Path:
    """Create the hidden folder for the parts, or use the folder of an interrupted prediction.

    Without `resume`, the parts of an interrupted prediction are deleted.

    Raises:
        ConfigError: there is nothing to resume, the folder belongs to another prediction, or it is not mmsent's own.
        MmsentError: the folder cannot be created.
    """
    folder, content = hidden_folder(out), json.dumps(identity, indent=1, sort_keys=True) + "\n"
    begin = f"leave out --resume to predict all pairs into {out}"
    if resume:
        try:
            known = (folder / IDENTITY).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"there is no unfinished prediction of {out} to resume", begin) from error
        if known != content:
            require_same_identity(out, _plain(known), identity, "")
        return folder
    remove_folder(folder)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    atomic_write(folder / IDENTITY, content.encode())
    return folder


def _plain(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return {}


def remove_folder(folder: Path) -> None:
    """Delete a folder of parts, if it exists. Files that mmsent did not write are never deleted.

    Raises:
        ConfigError: `folder` is not a folder of parts, or it contains other files.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    _require_own(folder)
    for path in sorted(folder.iterdir(), key=lambda path: path.name == IDENTITY):  # the mark of the folder is last
        path.unlink()
    folder.rmdir()


def require_free_folder(out: Path, force: bool) -> None:
    """Check that a folder of parts can get the name of an output, before any work is done.

    Raises:
        ConfigError: a file or folder exists at this path. With `force`: it exists, and is not a folder of parts.
    """
    if not out.exists() and not out.is_symlink():
        return
    if not force:
        raise ConfigError(f"{out} exists already", "choose another name, or overwrite it with --force")
    _require_own(out)


def _require_own(folder: Path) -> None:
    if folder.is_symlink() or not (folder / IDENTITY).is_file():
        raise ConfigError(f"{folder} is not a folder of predictions, so it is not replaced", "choose another --out")
    own = {folder / IDENTITY, *folder.glob(PARTS), *folder.glob(f".{PARTS}.*")}
    foreign = sorted(path.name for path in {*folder.iterdir()} - own)
    if foreign:
        raise ConfigError(f"{folder} holds other files, such as {foreign[0]}", "move them, or choose another --out")


def finish_folder(folder: Path, out: Path) -> None:
    """Rename the folder of finished parts to its final name. An earlier output of this name is replaced.

    Raises:
        MmsentError: the earlier folder contains other files, or the folder cannot be renamed.
    """
    remove_folder(out)
    try:
        folder.replace(out)
    except OSError as error:
        raise cannot_write(out, error) from error


def write_part(
    path: Path,
    rows: Sequence[tuple[Prediction, bool, tuple[str, ...]]],
    labels: Sequence[str],
    names: Sequence[str],
    summary: PartSummary,
) -> None:
    """Write the predictions of a part.

    Args:
        path: the file.
        rows: predictions, each with a flag that is False if its label is left empty (`--abstain-below`), and with the
            cells of the kept columns.
        labels: class names in order.
        names: names of the kept columns.
        summary: the summary of the part.

    Raises:
        MmsentError: the file cannot be written.
    """
    from pyarrow import parquet

    plain = {
        "digest": summary.digest,
        "tally": vars(summary.tally),
        "flaws": summary.flaws.to_plain(),
        "notes": summary.notes,
    }
    table = prediction_table(rows, labels, names).replace_schema_metadata({SUMMARY: json.dumps(plain).encode()})
    with atomic_path(path) as hidden:
        parquet.write_table(table, hidden)


def read_summary(path: Path, file: int, number: int) -> PartSummary | None:
    """Read the summary of a finished part. Returns None if its file does not exist or is damaged."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        plain = json.loads(parquet.read_schema(path).metadata[SUMMARY])
        tally, flaws = Tally.from_plain(plain["tally"]), Flaws.from_plain(plain["flaws"])
        return PartSummary(file, number, plain["digest"], tally, flaws, tuple(plain["notes"]), was_there=True)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None


def read_part(path: Path, labels: Sequence[str]) -> Iterator[tuple[Prediction, bool, tuple[str, ...]]]:
    """Yield the predictions of a part, each with a flag that is True if its label is given, and with the kept cells."""
    from pyarrow import parquet

    columns = parquet.read_table(path).to_pydict()
    shares = [columns.pop(PROBABILITY + label) for label in labels]
    guids, tags, missing = (columns.pop(name) for name in OWN_COLUMNS)
    kept = zip(*columns.values(), strict=True) if columns else iter([()] * len(guids))
    rows = zip(guids, tags, missing, zip(*shares, strict=True), kept, strict=True)
    for guid, tag, lacks, probabilities, cells in rows:
        named = dict(zip(labels, probabilities, strict=True))
        yield Prediction(guid=guid, tag=tag or "", probabilities=named, missing=lacks), tag is not None, cells
