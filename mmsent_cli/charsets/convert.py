"""UTF-8 copies of a folder's texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmsent_cli.charsets.decide import require_decided
from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.errors import DataError, summarize
from mmsent_cli.files import atomic_write


def convert(
    paths: Sequence[Path], root: Path, target: Path, decision: EncodingDecision, is_forced: bool = False
) -> Iterator[tuple[str, int]]:
    """Write a UTF-8 copy of each text under the same relative name, line ends kept.

    Everything that can be checked is checked before the first file is written, and each file appears whole or not at
    all.

    Args:
        paths: the text files, all below `root`.
        root: the folder of the data.
        target: the folder for the copies, made if missing.
        decision: how the texts are decoded.
        is_forced: overwrite files of the same names.

    Yields:
        Relative name and number of replaced characters of each file, once it is written.

    Raises:
        DataError: undecided, the data's own folder, or files that exist.
        MmsentError: a copy that cannot be written.
    """
    require_decided(decision)
    if target.resolve() == root.resolve():
        raise DataError(f"{target} is the folder of the data itself", "give another folder to --convert-to")
    copies = [(path, target / path.relative_to(root)) for path in paths]
    existing = [str(copy) for _, copy in copies if copy.exists()]
    if existing and not is_forced:
        raise DataError(f"already there: {summarize(existing, 'files')}", "give another folder, or add --force")
    for path, copy in copies:
        text, replaced = decision.decode(_read(path))
        atomic_write(copy, text.encode("utf-8", errors="replace"))
        yield str(path.relative_to(root)), replaced


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", "check the file's permissions") from error
