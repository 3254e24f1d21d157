"""Recognise image files by their content, and name files that are not images."""

from contextlib import suppress
from functools import cache
from importlib import import_module

PHOTOGRAPHS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Tried first, since they need only a few of Pillow's modules."""
REFUSED = frozenset({"EPS", "WMF", "MPEG", "GRIB", "HDF5", "BUFR", "IPTC", "GBR", "XVTHUMB"})
"""Formats of Pillow that run other programs, need readers of their own, or hold no picture."""
HEIF_EXTRA = "pi_heif"
SUFFIX_NAMES = (
    ".jpg .jpeg .jpe .jfif .png .apng .webp .gif .bmp .dib .tif .tiff .mpo .avif .avifs .heic .heics .heif .heifs .hif"
    " .jp2 .j2c .j2k .jpc .jpf .jpx .ico .icns .cur .tga .icb .vda .vst .ppm .pgm .pbm .pnm .pfm .psd .qoi .pcx .dcx"
    " .dds .sgi .bw .rgb .rgba .ras .xbm .xpm .blp .fit .fits .flc .fli .ftc .ftu .im .msp .pcd .pxr"
)
SUFFIXES = frozenset(SUFFIX_NAMES.split())
"""Suffixes of image files, in lower case: those of Pillow's formats, and of photographs that an extra reads."""
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
"""What a file is by its first bytes, where it is no image."""


@cache
def all_formats() -> tuple[str, ...]:
    """Return names of all formats to open; Pillow looks at the first bytes and ignores the file's suffix."""
    from PIL import Image

    with suppress(ImportError):  # an extra; `foreign_kind` names the files that need it
        import_module(HEIF_EXTRA).register_heif_opener()
    Image.init()
    return (*PHOTOGRAPHS, *sorted(set(Image.OPEN) - set(PHOTOGRAPHS) - REFUSED))


def foreign_kind(raw: bytes) -> str:
    """Return what a file is if Pillow cannot open it, and advice if there is any."""
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
