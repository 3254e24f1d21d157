"""Pairs before and after their check: `PairRow` is a row of a data source, `Pair` a checked pair with decoded text."""

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeAlias, Union

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.config import SENTIMENTS
from mmsent_cli.errors import CONTROL, DataError
from mmsent_cli.results import UnusablePair

if TYPE_CHECKING:
    from PIL.Image import Image

MODALITIES = ("text", "image")
ImageFile: TypeAlias = Path | bytes
"""The path of an image file, or the bytes of an image file."""
ImageSource: TypeAlias = Union[ImageFile, "Image"]
"""Everything that a user may give as an image: a path, bytes or a PIL image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """A row of a data source. Its files are not opened yet.

    The text is in `text` (table file or DataFrame) or in the file `text_path`. If both are None, the pair has no text.
    `where` is the position of the row for messages, such as `train.txt:17`. `elsewhere` is an image cell that names no
    file on this machine, such as a web address. `in_files` is True if text and image are files named by the guid.
    """

    guid: str
    tag: str | None
    text: str | None
    text_path: Path | None
    image: ImageSource | None
    where: str
    elsewhere: str = ""
    in_files: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A checked pair.

    `text` or `image` is None if the pair lacks it. This is allowed in predictions, and with `--on-bad blank`.
    `image_digest` is the BLAKE2b-128 hex digest of the bytes of the image file, empty without an image. For a PIL
    image, it is the digest of its PNG encoding. `replaced` is the number of characters of the text that could not be
    decoded and became U+FFFD.
    """

    guid: str
    tag: str | None
    text: str | None
    image: ImageFile | None
    image_digest: str = ""
    replaced: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """All labelled pairs of a source, checked.

    `source` is the name of the source for messages. `labels` are the class names in order. `problems` has a message for
    each pair that was dropped or blanked, and `unusable` has these pairs.
    """

    source: str
    pairs: tuple[Pair, ...]
    labels: tuple[str, ...]
    decision: EncodingDecision
    problems: tuple[str, ...] = ()
    unusable: tuple[UnusablePair, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Return the SHA-256 of guids, tags, texts and images. It does not depend on where the files are."""
        content = [[pair.guid, pair.tag, pair.text, pair.image_digest] for pair in self.pairs]
        return hashlib.sha256(json.dumps(content).encode("utf-8")).hexdigest()


LIMIT_SEED = 0
DUPLICATE = "duplicate guid"
SENTIMENT_ORDER = {
    **dict.fromkeys(("negative", "neg", "消极", "负面", "负向", "负"), 0),
    **dict.fromkeys(("neutral", "neu", "中性", "中立", "中"), 1),
    **dict.fromkeys(("positive", "pos", "积极", "正面", "正向", "正"), 2),
}
"""Usual names of the sentiments in lower case, with their order."""


def guid_problem(guid: str, where: str, seen: dict[str, str], is_file_name: bool = False) -> str | None:
    """Return the problem with a guid; None if the guid is valid. A valid guid is added to `seen`.

    Args:
        guid: the guid, without spaces around it.
        where: the position of the row, such as `train.txt:17`.
        seen: the positions of the earlier guids.
        is_file_name: True if files are looked up by the guid, which then must not be a path.
    """
    if not guid:
        return f"{where}: the guid is empty"
    if CONTROL.search(guid) or "\n" in guid:
        return f"{where}: the guid {guid!r} has line ends or control characters"
    if is_file_name and (guid in (".", "..") or any(mark in guid for mark in "/\\\0")):
        return f"{where}: the guid {guid!r} is a path, not a name"
    if guid in seen:
        return f"{where}: {DUPLICATE} {guid} (first used in {seen[guid]})"
    seen[guid] = where
    return None


def labels_of(rows: Iterable[PairRow], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the classes in order: `wanted` if given, else the sentiments that occur, else all tags, sorted.

    Tags that are usual names of sentiments, such as neg, neu and pos, are in the order negative, neutral, positive. If
    two or more sentiments occur, the classes are the sentiments. Any other tag is then an error, since it is probably
    misspelt, unless `--labels` lists it.
    """
    if wanted is not None:
        return tuple(wanted)
    found = {row.tag for row in rows if row.tag is not None}
    sentiments = tuple(label for label in SENTIMENTS if label in found)
    if len(sentiments) >= 2:
        return sentiments
    if all(tag.casefold() in SENTIMENT_ORDER for tag in found):
        return tuple(sorted(found, key=lambda tag: (SENTIMENT_ORDER[tag.casefold()], tag)))
    return tuple(sorted(found))


def require_classes(labels: Sequence[str]) -> None:
    """Check that there are at least two classes.

    Raises:
        DataError: there are fewer than two classes.
    """
    if len(labels) < 2:
        found = f"has only the class {labels[0]!r}" if labels else "has no tags"
        raise DataError(
            f"two or more classes are needed, but the usable data {found}", "add labelled pairs of another class"
        )


def tag_problems(rows: Iterable[PairRow], labels: Sequence[str]) -> list[str]:
    """Return a message for each row whose tag is missing or unknown. The message suggests the most similar label."""
    return [_tag_problem(row, labels) for row in rows if row.tag not in labels]


def limited(rows: list[PairRow], limit: int | None) -> list[PairRow]:
    """Return a fixed sample of `limit` rows, stratified by class, in the order of the file.

    If possible, the sample has two or more rows of each class, so that every class can be split.
    """
    if limit is None or limit >= len(rows):
        return rows
    sizes = Counter(row.tag for row in rows)
    met: Counter[str | None] = Counter()
    turns = []
    for index in Random(LIMIT_SEED).sample(range(len(rows)), len(rows)):
        tag = rows[index].tag
        turns.append((max(0, met[tag] - 1) / sizes[tag], len(turns), index))
        met[tag] += 1
    return [rows[index] for index in sorted(index for _, _, index in sorted(turns)[:limit])]


def _tag_problem(row: PairRow, labels: Sequence[str]) -> str:
    if row.tag is None:
        return f"{row.where}: pair {row.guid} has no tag"
    near = difflib.get_close_matches(row.tag.casefold(), labels, n=1)
    meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(labels)}"
    return f"{row.where}: unknown tag {row.tag!r} ({meant})"
