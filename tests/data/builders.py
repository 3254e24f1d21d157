"""Small data sets and image files for the tests of the data room."""

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from mmsent_cli.data.pairs import Pair

TAGS = ("negative", "neutral", "positive")


def picture(seed: int = 0, size: tuple[int, int] = (24, 16), mode: str = "RGB") -> Image.Image:
    """A random picture of `size` (width, height)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def image_bytes(seed: int = 0, size: tuple[int, int] = (24, 16), kind: str = "JPEG") -> bytes:
    """The bytes of a random picture, different for each seed."""
    buffer = BytesIO()
    picture(seed, size).save(buffer, kind)
    return buffer.getvalue()


def huge_png(side_px: int = 30_000) -> bytes:
    """A PNG whose header promises side_px x side_px grey pixels, in under 100 bytes."""
    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(64))), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def write_lab(folder: Path, tags: Mapping[str, str], unlabelled: tuple[str, ...] = ()) -> Path:
    """A lab layout with files in `data/`; the text of a guid is "text of <guid>", each image is different."""
    (folder / "data").mkdir(parents=True)
    lines = [f"{guid},{tag}" for guid, tag in tags.items()]
    (folder / "train.txt").write_text("\n".join(["guid,tag", *lines, ""]))
    if unlabelled:
        (folder / "test_without_label.txt").write_text("\n".join(["guid,tag", *(f"{g},null" for g in unlabelled), ""]))
    for number, guid in enumerate([*tags, *unlabelled]):
        (folder / "data" / f"{guid}.txt").write_text(f"text of {guid}\n")
        (folder / "data" / f"{guid}.jpg").write_bytes(image_bytes(number))
    return folder


def ten_tags() -> dict[str, str]:
    """Guids 1 to 10 with tags in turn."""
    return {str(number): TAGS[number % 3] for number in range(1, 11)}


def make_pair(guid: str, tag: str, text: str | None = None, digest: str | None = None) -> Pair:
    """A checked pair; text and image are its own unless given."""
    text = f"word{guid}" if text is None else text
    digest = f"digest-{guid}" if digest is None else digest
    return Pair(guid=guid, tag=tag, text=text, image=Path(f"{guid}.jpg"), image_digest=digest)
