"""The two shapes of a pair: as its source has it (`PairRow`), and checked, with its text decoded (`Pair`)."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from mmsent_cli.charsets.decision import EncodingDecision

if TYPE_CHECKING:
    from PIL.Image import Image

ImageFile: TypeAlias = Path | bytes
"""An image file, or the bytes of one."""
ImageSource: TypeAlias = Union[ImageFile, "Image"]
"""Everything a user may give as an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """One row of a layout, manifest or DataFrame; files not yet opened.

    Either `text` (from a manifest or DataFrame) or `text_path` holds the text; both None: the pair has none.
    `where` names the place for messages, such as `train.txt:17`.
    """

    guid: str
    tag: str | None
    text: str | None
    text_path: Path | None
    image: ImageSource | None
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One checked pair.

    `text` None or `image` None: the pair lacks that modality (allowed when predicting, or by `--on-bad blank`).
    `image_digest` is the BLAKE2b-128 hex digest of the image file's bytes, empty without an image; a PIL
    image counts as the PNG file that it is encoded as.
    `replaced` counts characters of the text that could not be decoded and became U+FFFD.
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

    `source` is its name for messages; `labels` gives the class order; `problems` has a line for each affected guid.
    """

    source: str
    pairs: tuple[Pair, ...]
    labels: tuple[str, ...]
    decision: EncodingDecision
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of guids, tags, texts and images: equal for the same pairs wherever their files are."""
        content = [[pair.guid, pair.tag, pair.text, pair.image_digest] for pair in self.pairs]
        return hashlib.sha256(json.dumps(content).encode("utf-8")).hexdigest()
