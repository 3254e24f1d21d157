"""The two shapes of a pair: as it lies on disk (`PairRow`) and checked, with its text decoded (`Pair`)."""

from dataclasses import dataclass, field
from pathlib import Path

from mmsent_cli.charsets.decide import EncodingDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """One row of a layout or manifest, files not yet opened.

    Either `text` (inline, from a manifest) or `text_path` says where the text is; both None: the pair has none.
    `where` names the file and line for messages, such as `train.txt:17`.
    """

    guid: str
    tag: str | None
    text: str | None
    text_path: Path | None
    image_path: Path | None
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One checked pair.

    `text` None or `image` None: the pair lacks that modality (allowed when predicting, or by `--on-bad blank`).
    The image is a file (`image_path`) or, from Python, in memory (`image_bytes`: the content of an image file).
    `image_digest` is the BLAKE2b-128 hex digest of the image file's bytes, empty without an image.
    `replaced` counts characters of the text that could not be decoded and became U+FFFD.
    """

    guid: str
    tag: str | None
    text: str | None
    image_path: Path | None
    image_digest: str = ""
    replaced: int = 0
    image_bytes: bytes | None = field(default=None, repr=False)

    @property
    def image(self) -> Path | bytes | None:
        """The image as decoders take it: the bytes in memory, else the file, else None."""
        return self.image_path if self.image_bytes is None else self.image_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """All labelled pairs of a source, checked.

    `labels` gives the class order; `problems` has a line for each affected guid.
    """

    source: Path
    pairs: tuple[Pair, ...]
    labels: tuple[str, ...]
    decision: EncodingDecision
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
