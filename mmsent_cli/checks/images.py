"""Checks of the images: formats, sizes, shapes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mmsent_cli.data.images import BROKEN, image_bytes, open_image
from mmsent_cli.data.pairs import Pair
from mmsent_cli.results import OK, WARNING, CheckOutcome, ListedPair

SMALL_SHARE = 0.1
LONG_SIDES = 3.0
LONG_SHARE = 0.05
MOVING = ("GIF", "WEBP", "PNG")
"""Formats in which an image may have several frames."""


class Header(NamedTuple):
    """The format and the size of an image, from the header of its file."""

    pair: Pair
    kind: str
    width: int
    height: int
    kilobytes: float
    is_moving: bool

    @property
    def shorter(self) -> int:
        """The shorter side in pixels."""
        return min(self.width, self.height)


def headers_of(pairs: Sequence[Pair]) -> list[Header]:
    """The headers of all images that can be opened as they are, without decoding a pixel."""
    return [header for pair in pairs if pair.image is not None and (header := _header(pair))]


def image_kinds(headers: Sequence[Header]) -> dict[str, int]:
    """Number of images by format, the most frequent first."""
    return dict(Counter(header.kind for header in headers).most_common())


def image_outcomes(headers: Sequence[Header], size_px: int | None) -> Iterator[CheckOutcome]:
    """The outcomes of all checks of the images. `size_px` is the side of the encoder's square; None if unknown."""
    yield _kinds(headers)
    if size_px is not None:
        yield _small(headers, size_px)
    yield _long(headers)


def _header(pair: Pair) -> Header | None:
    raw = pair.image if isinstance(pair.image, bytes) else image_bytes(Path(pair.image or ""))
    try:
        image = open_image(raw)
        is_moving = image.format in MOVING and bool(getattr(image, "is_animated", False))
        return Header(pair, image.format or "", image.width, image.height, len(raw) / 1000, is_moving)
    except BROKEN:  # an image that is repaired before it is decoded
        return None


def _kinds(headers: Sequence[Header]) -> CheckOutcome:
    moving = [header for header in headers if header.is_moving]
    counts = ", ".join(f"{kind} {count:,}" for kind, count in image_kinds(headers).items())
    return CheckOutcome(
        check="image formats",
        level=WARNING if moving else OK,
        message=f"{counts or 'no image'}; {len(moving):,} are animated",
        rule="warning if any is animated",
        advice="only the first frame of an animation is seen" if moving else "",
        pairs=tuple(_listed(header, f"{header.kind}, animated") for header in moving),
    )


def _small(headers: Sequence[Header], size_px: int) -> CheckOutcome:
    small = [header for header in headers if header.shorter < size_px]
    share = len(small) / max(len(headers), 1)
    is_much = share > SMALL_SHARE
    return CheckOutcome(
        check="small images",
        level=WARNING if is_much else OK,
        message=f"{len(small):,} of {len(headers):,} images ({100 * share:.1f} %) have a side below "
        f"the {size_px} pixels that the encoder reads",
        rule=f"warning above {100 * SMALL_SHARE:.0f} %",
        advice="use larger originals: enlarging adds no detail" if is_much else "",
        pairs=tuple(_listed(header, f"{header.width} x {header.height}") for header in small),
    )


def _long(headers: Sequence[Header]) -> CheckOutcome:
    found = [header for header in headers if max(header.width, header.height) > LONG_SIDES * header.shorter]
    share = len(found) / max(len(headers), 1)
    is_much = share > LONG_SHARE
    return CheckOutcome(
        check="long images",
        level=WARNING if is_much else OK,
        message=f"{len(found):,} of {len(headers):,} images ({100 * share:.1f} %) are more than "
        f"{LONG_SIDES:.0f} times as long as wide, or as wide as long",
        rule=f"warning above {100 * LONG_SHARE:.0f} %",
        advice="they are squeezed to a square; cut them to what matters" if is_much else "",
        pairs=tuple(_listed(header, f"{header.width} x {header.height}") for header in found),
    )


def _listed(header: Header, detail: str) -> ListedPair:
    return ListedPair(guid=header.pair.guid, tag=header.pair.tag or "", detail=detail)
