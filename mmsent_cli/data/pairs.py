"""A pair as a row of its source (`PairRow`), and a checked pair with decoded text (`Pair`)."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from mmsent_cli.charsets.decision import EncodingDecision

if TYPE_CHECKING:
    from PIL.Image import Image

MODALITIES = ("text", "image")
ImageFile: TypeAlias = Path | bytes
"""An image file, or the bytes of one."""
ImageSource: TypeAlias = Union[ImageFile, "Image"]
"""Everything a user may give as an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """A row of a data source. Its files are not opened yet.

    The text is in `text` (table file or DataFrame) or in the file `text_path`. If both are None, the pair has no text.
    `where` is the position of the row for messages, such as `train.txt:17`. `elsewhere` is an image cell that is not a
    file of this machine: an address, or a path with a Windows drive. `in_files` is True if text and image are files
    named by the guid, and not cells of a table.
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

    `source` is the name of the source for messages, `labels` the class names in order. `problems` has a line for each
    pair that was dropped or blanked.
    """

    source: str
    pairs: tuple[Pair, ...]
    labels: tuple[str, ...]
    decision: EncodingDecision
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Return the SHA-256 of guids, tags, texts and images. It does not depend on where the files are."""
        content = [[pair.guid, pair.tag, pair.text, pair.image_digest] for pair in self.pairs]
        return hashlib.sha256(json.dumps(content).encode("utf-8")).hexdigest()
