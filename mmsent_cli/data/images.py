"""Recognise, repair and check image files, and decode them to square RGB arrays.

Chosen: bicubic resizing, since CLIP and EfficientNet-Lite were trained on bicubic images. `reducing_gap=2` makes it
several times faster on large photographs, without a visible difference. A large JPEG is decoded at half, a quarter or
an eighth of its size (`draft`), but not below twice the target size. The whole image is resized to a square without a
crop, as in the published BERT + ResNet18 setup, since the sentiment may show at the edge.
"""

import struct
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from mmsent_cli.data.pairs import ImageSource
from mmsent_cli.errors import DataError
from mmsent_cli.files import read_plain

if TYPE_CHECKING:
    import numpy as np

PHOTOGRAPHS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Formats that are tried first, since they need only a few of Pillow's modules."""
REFUSED = frozenset({"EPS", "WMF", "MPEG", "GRIB", "HDF5", "BUFR", "IPTC", "GBR", "XVTHUMB"})
"""Formats of Pillow that are not read: they run other programs, need other readers, or contain no picture."""
HEIF_EXTRA = "pi_heif"
SUFFIX_NAMES = (
    ".jpg .jpeg .jpe .jfif .png .apng .webp .gif .bmp .dib .tif .tiff .mpo .avif .avifs .heic .heics .heif .heifs .hif"
    " .jp2 .j2c .j2k .jpc .jpf .jpx .ico .icns .cur .tga .icb .vda .vst .ppm .pgm .pbm .pnm .pfm .psd .qoi .pcx .dcx"
    " .dds .sgi .bw .rgb .rgba .ras .xbm .xpm .blp .fit .fits .flc .fli .ftc .ftu .im .msp .pcd .pxr"
)
SUFFIXES = frozenset(SUFFIX_NAMES.split())
"""Suffixes of image files, in lower case: the formats of Pillow, and the formats that an optional package reads."""
NO_IMAGE = "is not an image"
HEIF_HINT = ": pip install '.[heif]', or "
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
FOREIGN = (
    (b"\x00\x05\x16\x07", "is a companion file of macOS, not the picture"),
    (b"version https://git-lfs", "is a pointer of Git LFS: run git lfs pull"),
    (b"%PDF", "is a PDF document, not an image"),
    (b"%!PS", "is a PostScript drawing: save it as PNG"),
    (b"\xff\x0a", "is a JPEG XL image: save it as JPEG or PNG"),
    (b"\x00\x00\x00\x0cJXL ", "is a JPEG XL image: save it as JPEG or PNG"),
    (b"PK\x03\x04", "is an archive, not an image"),
    (b"\x1f\x8b", "is a compressed file, not an image"),
    (b"{", "is a JSON text, not an image"),
)
"""Descriptions of files that are no images, by their first bytes."""


@cache
def all_formats() -> tuple[str, ...]:
    """Return the names of all formats that are opened. Pillow finds the format from the first bytes of a file."""
    from PIL import Image

    with suppress(ImportError):  # an optional package; `foreign_kind` describes files that need it
        import_module(HEIF_EXTRA).register_heif_opener()
    Image.init()
    return (*PHOTOGRAPHS, *sorted(set(Image.OPEN) - set(PHOTOGRAPHS) - REFUSED))


def foreign_kind(raw: bytes) -> str:
    """Describe a file that Pillow cannot open, with advice if there is any."""
    start = raw[:64].lstrip()
    if raw[4:8] == b"ftyp" and raw[8:12] in HEIC_BRANDS:
        has_reader = "HEIF" in all_formats()
        return f"is a HEIC image{' that is damaged: ' if has_reader else HEIF_HINT}save it as JPEG"
    if raw[4:8] == b"ftyp" and raw[8:12] in (b"avif", b"avis"):
        return "is an AVIF image, which this Pillow does not read: install a newer one, or save it as JPEG"
    if raw[4:8] == b"ftyp":
        return "is a video, not an image"
    if start.lower().startswith((b"<!doctype html", b"<html")):
        return "is a web page, not an image: the download gave an error page"
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in raw[:1000]):
        return "is an SVG drawing: save it as PNG"
    return next((kind for mark, kind in FOREIGN if raw.startswith(mark)), NO_IMAGE)


JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})
"""Chunks (parts) of a PNG file that contain no pixels. Pillow limits the size of these chunks."""
PROBE = bytes(range(1, 200))
NO_END = "has no end marker; all pixels are there"


def repair(raw: bytes, decode: Callable[[bytes, int], Any]) -> tuple[bytes, str]:
    """Return repaired bytes of an image, and a note on the repair. The bytes are empty if pixels are missing.

    Args:
        raw: the bytes of a file that cannot be decoded.
        decode: a function that decodes bytes. Its second argument is the size in pixels to which a JPEG may be reduced.
    """
    if raw.startswith(JPEG_START) and is_complete_jpeg(raw, decode):
        return _without_half_marker(raw) + JPEG_END, NO_END
    if raw.startswith(PNG_START):
        return _plain_png(raw)
    return b"", ""


def is_complete_jpeg(raw: bytes, decode: Callable[[bytes, int], Any]) -> bool:
    """Return True if a JPEG without its end marker has all its pixels.

    The decoder fills missing pixels from the bytes that follow the file. So the file is decoded several times, with
    other bytes after it each time. If pixels are missing, the pictures differ.
    """
    body = _without_half_marker(raw)
    try:
        pictures = [decode(body + rest + JPEG_END, 1 << 30).tobytes() for rest in (b"", PROBE, PROBE[::-1])]
    except (OSError, SyntaxError, ValueError):
        return False
    return len(set(pictures)) == 1


def _without_half_marker(raw: bytes) -> bytes:
    return raw.removesuffix(b"\xff")


def _plain_png(raw: bytes) -> tuple[bytes, str]:
    """Return a PNG without texts and color profile, and a note if the end marker was missing and is added."""
    parts, at, has_end = [PNG_START], len(PNG_START), False
    while at + 8 <= len(raw) and not has_end:
        size, kind = int.from_bytes(raw[at : at + 4], "big"), raw[at + 4 : at + 8]
        end = at + 12 + size
        has_end = kind == b"IEND" and end <= len(raw)
        if end <= len(raw) and kind not in TEXTS and not has_end:
            parts.append(raw[at:end])
        at = end
    return b"".join([*parts, PNG_END]), "" if has_end else NO_END


MAX_PIXELS = 64_000_000
BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, struct.error, zlib.error),
    *(TypeError, AttributeError, AssertionError, MemoryError, NotImplementedError),
)
"""Exceptions that Pillow's decoders raise on damaged bytes."""

PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_loading = Lock()
"""A lock: Pillow reads pixels when they are first used, and two rows may share an image."""

REDUCING_GAP = 2.0
EXIF_ORIENTATION = 0x0112
REMEDY = "replace the file; or use --on-bad drop to leave the pair out, or --on-bad blank to leave out only the image"


def decode_image(source: Path | bytes, size_px: int) -> "np.ndarray":
    """Decode an image to an RGB square.

    The image is rotated by its EXIF tag. Transparent parts become white. Only the first frame of an animation is used.

    Args:
        source: the path of an image file, or its bytes.
        size_px: the side of the square in pixels.

    Returns:
        uint8 array [size_px, size_px, 3]; the same bytes always give the same array.

    Raises:
        DataError: the file does not exist, is not an image, is truncated, or has more than `MAX_PIXELS`.
    """
    import numpy as np
    from PIL import Image

    def resized(rgb: Any) -> Any:
        return rgb.resize((size_px, size_px), Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)

    return np.array(_decode(source, size_px, resized))  # a copy, since torch requires writable arrays


def decode_whole(source: Path | bytes, longest_px: int) -> "np.ndarray":
    """Decode an image without changing its proportions. Its longer side is reduced to `longest_px` or less.

    Returns:
        uint8 array [height, width, 3].

    Raises:
        DataError: see `decode_image`.
    """
    import numpy as np

    def reduced(rgb: Any) -> Any:
        rgb.thumbnail((longest_px, longest_px), reducing_gap=REDUCING_GAP)
        return rgb

    return np.array(_decode(source, longest_px, reduced))


def _decode(source: Path | bytes, size_px: int, resize: Callable[[Any], Any]) -> Any:
    """Decode, rotate and resize an image to RGB. A JPEG is decoded at a size of at least twice `size_px`."""
    name = "the image" if isinstance(source, bytes) else str(source)
    try:
        raw = source if isinstance(source, bytes) else read_plain(source)
        image, _ = _load(raw, int(size_px * REDUCING_GAP))
        return resize(_upright(image, _rgb(image)))
    except BROKEN as error:
        raise DataError(f"{name} {_reason(error)}", REMEDY) from error


def image_bytes(source: ImageSource) -> bytes:
    """Return the bytes of an image file, or of a PIL image.

    If a PIL image was opened from a file and not yet decoded, the bytes of its file are returned. Any other PIL image
    is rotated by its EXIF tag and encoded as PNG, without loss.

    Raises:
        OSError: the file cannot be read.
        ValueError: the PIL image cannot be used.
    """
    if isinstance(source, bytes):
        return source
    if isinstance(source, Path):
        return read_plain(source)
    try:
        with _loading:
            if (raw := _undecoded_file(source)) is not None:
                return raw
            source.load()
        image = _upright(source, source)
        image = image if image.mode in PNG_MODES else _rgb(image)
        buffer = BytesIO()
        image.save(buffer, "PNG", compress_level=1)
    except BROKEN as error:
        raise ValueError(_reason(error)) from error
    return buffer.getvalue()


def _undecoded_file(image: Any) -> bytes | None:
    """Return the bytes of a PIL image's file, if its pixels were not read yet and so were not changed; else None."""
    from PIL.ImageFile import ImageFile

    if not isinstance(image, ImageFile) or not image.tile or image.fp is None or image.format not in all_formats():
        return None
    position = image.fp.tell()
    image.fp.seek(0)
    raw = image.fp.read()
    image.fp.seek(position)
    return raw


def verify_image(raw: bytes, remarks: list[str] | None = None) -> str | None:
    """Return the reason why an image cannot be used; None if it can be used.

    The image is decoded at its smallest scale (about 1 ms).

    Args:
        raw: the bytes of the file.
        remarks: receives notes on unusual files that have all their pixels.
    """
    try:
        _, remark = _load(raw, 1)
    except BROKEN as error:
        return _reason(error)
    if remark and remarks is not None:
        remarks.append(remark)
    return None


def _load(raw: bytes, gap_px: int) -> tuple[Any, str]:
    """Decode an image. A JPEG may be reduced, but not below `gap_px`.

    Return the image, and a remark if the file was repaired.
    """
    try:
        return _loaded(raw, gap_px), ""
    except BROKEN as error:
        repaired, remark = repair(raw, _loaded)
        if not repaired:
            raise
        try:
            return _loaded(repaired, gap_px), remark
        except BROKEN:
            raise error from None


def _loaded(raw: bytes, gap_px: int) -> Any:
    image = open_image(raw)
    image.draft(None, (gap_px, gap_px))
    image.load()
    return image


def image_pixels(raw: bytes) -> int:
    """Return the number of pixels of an image from its header. No pixel is decoded.

    Raises:
        ValueError: the file is not an image, or has more than `MAX_PIXELS`.
    """
    try:
        image = open_image(raw)
    except BROKEN as error:
        raise ValueError(_reason(error)) from error
    return image.width * image.height


def open_image(raw: bytes) -> Any:
    """Open an image and read its header. Raises ValueError for an image with too many pixels."""
    Image = _pillow()
    if not raw:
        raise ValueError("is empty (zero bytes)")
    try:
        image = _identify(raw)
    except Image.UnidentifiedImageError as error:
        raise ValueError(foreign_kind(raw)) from error
    if image.width * image.height > MAX_PIXELS:
        limit = MAX_PIXELS // 1_000_000
        raise ValueError(f"is {image.width} x {image.height} pixels, more than {limit} million")
    return image


def _identify(raw: bytes) -> Any:
    """Open an image. The format is found from the content, not from the file name."""
    Image = _pillow()
    try:
        return Image.open(BytesIO(raw), formats=PHOTOGRAPHS)
    except Image.UnidentifiedImageError:
        return Image.open(BytesIO(raw), formats=all_formats())


@cache
def _pillow() -> Any:
    """Return Pillow's Image module, configured once."""
    from PIL import Image

    # Our pixel limit replaces Pillow's, which is higher and only gives a warning. EXIF warnings are not needed.
    Image.MAX_IMAGE_PIXELS = None
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    return Image


def _rgb(image: Any) -> Any:
    """Convert the first frame to RGB from any color mode."""
    from PIL import Image

    if image.mode[0] in "IF":
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    paper = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(paper, layer).convert("RGB")


def _eight_bits(image: Any) -> "np.ndarray":
    """Scale grey values of more than 8 bits to 0 … 255.

    A 16-bit image is scaled from the full range of 16 bits. Any other image is scaled from the range of its own values.
    """
    import numpy as np

    grey = np.nan_to_num(np.asarray(image, dtype=np.float64))
    low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else (grey.min(), grey.max())
    return ((grey - low) / max(high - low, 1e-9) * 255).round().astype(np.uint8)


def _upright(image: Any, rgb: Any) -> Any:
    """Rotate or flip an image by its EXIF orientation. An unreadable tag is ignored."""
    from PIL import Image

    turns = Image.Transpose
    by_tag = (turns.FLIP_LEFT_RIGHT, turns.ROTATE_180, turns.FLIP_TOP_BOTTOM, turns.TRANSPOSE)
    by_tag += (turns.ROTATE_270, turns.TRANSVERSE, turns.ROTATE_90)  # tags 2 to 8; 1 is upright
    try:
        tag = image.getexif().get(EXIF_ORIENTATION, 1)
    except BROKEN:
        tag = 1
    return rgb.transpose(by_tag[tag - 2]) if tag in range(2, 9) else rgb


def _reason(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if "truncated" in text.lower():
        return "is truncated"
    return text if text.startswith("is ") else f"cannot be read: {text}"
