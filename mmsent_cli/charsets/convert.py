"""Write UTF-8 copies of a folder's texts."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmsent_cli.charsets.decide import require_decided
from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.errors import DataError, summarize
from mmsent_cli.files import atomic_write


def convert(
    paths: Sequence[Path], root: Path, target: Path, decision: EncodingDecision, is_forced: bool = False
) -> Iterator[tuple[str, int]]:
    """Write a UTF-8 copy of each text under the same relative name. Line ends are kept.

    All checks are done before the first file is written. Each file is written atomically.

    Args:
        paths: the text files, all below `root`.
        root: the folder of the data.
        target: the folder for the copies. It is created if it is missing.
        decision: the encoding decision, by which the texts are decoded.
        is_forced: overwrite existing files.

    Yields:
        The relative name and the number of replaced characters of each file, after it is written.

    Raises:
        DataError: the encoding is undecided, `target` is the data folder, a copy would replace a text, or files exist.
        MmsentError: a copy cannot be written.
    """
    require_decided(decision)
    if str(target) == "-":
        raise DataError("--convert-to cannot write to standard output", "write the name of a folder after --convert-to")
    if target.resolve() == root.resolve():
        raise DataError(
            f"cannot write the UTF-8 copies to {target}, the folder of the data",
            "choose another folder for --convert-to",
        )
    copies = [(path, target / path.relative_to(root)) for path in paths]
    sources = {(found.st_dev, found.st_ino) for path in paths if (found := _status(path))}
    own = [str(copy) for _, copy in copies if (found := _status(copy)) and (found.st_dev, found.st_ino) in sources]
    if own:
        raise DataError(
            f"the UTF-8 copies would replace these files of the data: {summarize(own, 'files')}",
            "choose another folder for --convert-to",
        )
    existing = [str(copy) for _, copy in copies if copy.exists()]
    if existing and not is_forced:
        raise DataError(
            f"{target} already contains {summarize(existing, 'files')}",
            "choose another folder for --convert-to, or add --force to overwrite these files",
        )
    for path, copy in copies:
        text, replaced = decision.decode(_read(path))
        atomic_write(copy, text.encode("utf-8", errors="replace"))
        yield str(path.relative_to(root)), replaced


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", "check the file's permissions") from error
