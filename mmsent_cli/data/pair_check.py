"""Check one row: decode its text, find and verify its image."""

from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.data.flaws import ABSENT, ADDRESS, ELSEWHERE, ONE, CheckedPair, Flaw
from mmsent_cli.data.image_paths import find_image
from mmsent_cli.data.images import image_bytes, verify_image
from mmsent_cli.data.manifests import ADDRESS_START
from mmsent_cli.data.pairs import ImageFile, ImageSource, Pair, PairRow
from mmsent_cli.data.text import visible
from mmsent_cli.files import reason

DIGEST_BYTES = 16


def check_row(row: PairRow, decision: EncodingDecision) -> CheckedPair:
    """Decode the text of a row and verify its image.

    Args:
        row: a row of a data source.
        decision: the encoding decision, for a text in a file.
    """
    pair, missing, broken, remarks = Pair(guid=row.guid, tag=row.tag, text=None, image=None), {}, {}, []
    if row.text is None and row.text_path is None:
        missing["text"] = Flaw(f"no text ({_expected(row, 'txt')})")
    else:
        text, replaced, problem = _read_text(row, decision)
        pair = replace(pair, text=text, replaced=replaced)
        if problem:
            broken["text"] = Flaw(problem)
        elif text is None:
            missing["text"] = Flaw(f"{row.text_path or 'text'} is empty ({row.where})")
    if row.image is None and not row.elsewhere:
        missing["image"] = Flaw(f"no image ({_expected(row, 'jpg')})")
    else:
        image, digest, flaw = _read_image(row, remarks)
        if flaw is None:
            pair = replace(pair, image=image, image_digest=digest)
        else:
            broken["image"] = flaw
    return CheckedPair(pair, missing, broken, tuple(remarks), row.where)


def _expected(row: PairRow, suffix: str) -> str:
    return f"no {row.guid}.{suffix}, {row.where}" if row.in_files else f"empty cell, {row.where}"


def _read_text(row: PairRow, decision: EncodingDecision) -> tuple[str | None, int, str]:
    """Text, number of replaced characters, and the problem, if any. A text that prints nothing is None."""
    if row.text_path is None:
        text = row.text or ""
        replaced = text.count("\ufffd")
    else:
        try:
            text, replaced = decision.decode(row.text_path.read_bytes())
        except OSError as error:
            return None, 0, f"cannot read {row.text_path}: {error.strerror}"
    return (text, replaced, "") if visible(text).strip() else (None, 0, "")


def _read_image(row: PairRow, remarks: list[str]) -> tuple[ImageFile, str, Flaw | None]:
    """The image as a file or its bytes, the digest of these bytes, and the flaw, if any."""
    if row.elsewhere:
        kind = ADDRESS if ADDRESS_START.match(row.elsewhere) else ELSEWHERE
        return (
            b"",
            "",
            Flaw(f"{row.elsewhere} is {ONE[kind]} ({row.where})", kind, f"{row.elsewhere} ({row.where})", True),
        )
    source: ImageSource = row.image or b""
    try:
        source, raw = _open_image(source, remarks)
    except OSError as error:
        return b"", "", _unread(source, row, error)
    except ValueError as error:
        return b"", "", Flaw(f"{_name(source, row)} {error}")
    problem = verify_image(raw, remarks)
    image = source if isinstance(source, Path) else raw
    flaw = Flaw(f"{_name(source, row)} {problem}") if problem else None
    return image, blake2b(raw, digest_size=DIGEST_BYTES).hexdigest(), flaw


def _open_image(source: ImageSource, remarks: list[str]) -> tuple[ImageSource, bytes]:
    """The image with its bytes; a path without a file may stand for a file of nearly that name."""
    try:
        return source, image_bytes(source)
    except (FileNotFoundError, NotADirectoryError):
        found = find_image(source) if isinstance(source, Path) else None
        if found is None:
            raise
        path, how = found
        raw = image_bytes(path)
        remarks.append(how)
        return path, raw


def _unread(source: ImageSource, row: PairRow, error: OSError) -> Flaw:
    text = f"cannot read {_name(source, row)}: {error.strerror or reason(error)}"
    if isinstance(source, Path) and source.is_absolute() and not row.in_files and not _exists(source.parent):
        return Flaw(text, ABSENT, f"{source} ({row.where})", True)
    return Flaw(text, is_absent=isinstance(error, FileNotFoundError | NotADirectoryError))


def _name(source: ImageSource, row: PairRow) -> str:
    return str(source) if isinstance(source, Path) else f"the image of {row.where}"


def _exists(folder: Path) -> bool:
    """Whether a folder exists; a name that no file can have does not."""
    try:
        return folder.exists()
    except OSError:
        return False
