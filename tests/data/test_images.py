"""Images: what is refused and why, and that every kind of picture becomes the right square."""

import contextlib
import warnings
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmsent_cli.data.image_paths import OTHER_FOLDER, OTHER_SPELLING, find_image
from mmsent_cli.data.images import (
    HEIC_BRANDS,
    NO_END,
    _eight_bits,
    _loaded,
    decode_image,
    decode_whole,
    foreign_kind,
    image_pixels,
    repair,
    verify_image,
)
from mmsent_cli.data.images import image_bytes as stored_bytes
from mmsent_cli.errors import DataError
from tests.data.builders import huge_png, image_bytes, picture

BAD = {
    "zero bytes": (b"", "empty"),
    "text": (b"Just a tweet, renamed to .jpg\n", "not an image"),
    "truncated jpeg": (image_bytes(size=(200, 150))[:-2000], "truncated"),
    "truncated png": (image_bytes(size=(200, 150), kind="PNG")[:-2000], ""),
    "truncated webp": (image_bytes(size=(200, 150), kind="WEBP")[:-500], ""),
    "header alone": (image_bytes()[:30], ""),
    "huge png": (huge_png(), "30000 x 30000"),
}


@pytest.mark.parametrize(
    ("brand", "kind"),
    [*((brand, "HEIC") for brand in HEIC_BRANDS), (b"avif", "AVIF"), (b"avis", "AVIF"), (b"isom", "video")],
)
def test_a_file_in_boxes_is_named_by_its_brand(brand, kind):
    assert kind in foreign_kind(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0more")
    assert kind not in foreign_kind(b"\0\0\0\x18free" + brand + b"\0\0\0\0more")


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"\n<!DOCTYPE html>", "web page"),
        (b"<HTML>", "web page"),
        (b"<svg xmlns", "SVG"),
        (b'<?xml version="1.0"?>\n<svg', "SVG"),
        (b'<?xml version="1.0"?>\n<rss', "not an image"),
    ],
)
def test_a_file_of_text_is_named_by_its_beginning(raw, kind):
    assert kind in foreign_kind(raw)


def test_grey_values_of_more_than_eight_bits_are_scaled():
    """By their own range, or by that of 16 bits: 32,768 of 65,535 are 127.502 of 255."""
    assert _eight_bits(Image.fromarray(np.array([[1.0, 2.2, 3.0]], dtype=np.float32))).tolist() == [[0, 153, 255]]
    assert _eight_bits(Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.uint16))).tolist() == [[0, 128, 255]]
    assert _eight_bits(Image.fromarray(np.array([[7, 7]], dtype=np.int32))).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("files", "name", "found"),
    [
        (["a.PNG"], "a", "a.PNG"),
        (["A.Jpg"], "a.jpg", "A.Jpg"),
        (["a.jpg.png"], "a.jpg", None),  # not the image that was meant
        (["a.jpg", "a.png"], "a", None),
        (["a.doc"], "a", None),
    ],
)
def test_an_image_is_found_by_a_name_without_suffix_or_in_other_case(tmp_path, files, name, found):
    for file in files:
        (tmp_path / file).touch()
    assert find_image(tmp_path / name) == (found and (tmp_path / found, OTHER_SPELLING))


def test_an_image_without_its_end_or_with_a_bad_text_is_repaired():
    """A JPEG ends with two bytes, a PNG with twelve; a text chunk stands before the pixels."""
    jpeg, png = (image_bytes(3, (60, 40), kind) for kind in ("JPEG", "PNG"))
    for lacking in (1, 2):
        assert repair(jpeg[:-lacking], _loaded) == (jpeg, NO_END)
    assert repair(jpeg[:-400], _loaded) == (b"", "")
    assert repair(png[:-12], _loaded) == repair(png[:-5], _loaded) == (png, NO_END)
    for kind in (b"tEXt", b"iCCP"):
        text = (4).to_bytes(4, "big") + kind + b"evil" + b"sum?"
        assert repair(png[:33] + text + png[33:], _loaded) == (png, "")
    assert repair(image_bytes(3, (60, 40), "BMP")[:-9], _loaded) == (b"", "")


def test_the_pixels_of_an_image_are_counted_from_its_header():
    assert image_pixels(image_bytes(size=(30, 20))) == 600
    with pytest.raises(ValueError, match="not an image"):
        image_pixels(b"Just a tweet")


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_alike_by_both_functions(name, tmp_path):
    raw, reported = BAD[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reason = verify_image(raw)
    assert reason and reported in reason
    path = tmp_path / "bad.jpg"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"bad\.jpg") as caught:
        decode_image(path, 32)
    assert reported in caught.value.message


@pytest.mark.parametrize(("kind", "why"), [("EPS", "is a PostScript drawing"), ("PDF", "is a PDF document")])
def test_formats_that_run_programs_are_no_images(kind, why, tmp_path):
    """A name that ends in .jpg does not help."""
    path = tmp_path / "bad.jpg"
    picture(1, (32, 32)).save(path, kind)
    assert (verify_image(path.read_bytes()) or "").startswith(why)
    with pytest.raises(DataError, match=rf"bad\.jpg {why}"):
        decode_image(path, 32)


def test_an_opened_image_keeps_the_bytes_of_its_file(tmp_path):
    for kind in ("PPM", "PNG", "BMP"):
        path = tmp_path / f"image.{kind}"
        picture(1).save(path, kind)
        raw = stored_bytes(Image.open(path))
        assert raw == path.read_bytes()
        assert (np.asarray(Image.open(BytesIO(raw))) == np.asarray(picture(1))).all()


def test_a_missing_file_is_an_expected_failure(tmp_path):
    with pytest.raises(DataError, match=r"none\.jpg"):
        decode_image(tmp_path / "none.jpg", 32)


def test_the_limit_is_by_pixels_and_a_large_photograph_passes():
    assert verify_image(huge_png(8001)) == "is 8001 x 8001 pixels, more than 64 million"
    assert verify_image(saved(Image.new("L", (8000, 7999)), "JPEG")) is None


@pytest.mark.parametrize("size_px", [32, 224])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_every_format_becomes_a_square_of_rgb(kind, size_px):
    array = decode_image(image_bytes(3, (90, 60), kind), size_px)
    assert array.shape == (size_px, size_px, 3)
    assert array.dtype == np.uint8
    assert array.flags.writeable


def test_a_picture_in_memory_becomes_a_png_the_right_way_up():
    image = picture(1, (30, 20))
    pixels = np.asarray(image)
    for tag, turned in ((1, pixels), (6, np.rot90(pixels, -1))):
        image.getexif()[0x0112] = tag
        assert np.array_equal(np.asarray(Image.open(BytesIO(stored_bytes(image)))), turned)


@pytest.mark.parametrize("folder", ["table/photos", "table/tweets_images", "tweets-image"])
def test_an_image_is_found_in_a_folder_of_images_near_the_table(tmp_path, folder):
    (tmp_path / "table").mkdir()
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "a.jpg").touch()
    assert find_image(tmp_path / "table" / "a.jpg") == (tmp_path / folder / "a.jpg", OTHER_FOLDER)


def test_a_large_photograph_is_decoded_at_twice_the_size_and_then_reduced():
    raw = image_bytes(3, (512, 384))
    image = Image.open(BytesIO(raw))
    image.draft(None, (64, 64))
    expected = image.resize((32, 32), Image.Resampling.BICUBIC, reducing_gap=2.0)
    assert np.array_equal(decode_image(raw, 32), np.asarray(expected))


def test_a_whole_image_is_reduced_as_pillow_reduces_it():
    image = picture(3, (240, 160))
    image.thumbnail((30, 30), reducing_gap=2.0)
    assert np.array_equal(decode_whole(image_bytes(3, (240, 160), "PNG"), 30), np.asarray(image))


RED = {"RGB": (200, 30, 30), "RGBA": (200, 30, 30, 255), "CMYK": (55, 225, 225, 0), "L": 90, "LA": (90, 255), "1": 255}


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("L", "JPEG"), ("LA", "PNG"), ("1", "PNG"), ("P", "PNG")],
)
def test_colour_modes_keep_their_colour(mode, kind):
    plain = Image.new("RGB", (40, 40), RED["RGB"])
    image = plain.convert("P") if mode == "P" else Image.new(mode, (40, 40), RED[mode])
    expected = {"L": (90, 90, 90), "LA": (90, 90, 90), "1": (255, 255, 255)}.get(mode, RED["RGB"])
    raw = saved(image, kind)
    assert verify_image(raw) is None
    tolerance = 30 if mode == "P" else 3  # the web palette has steps of 51
    assert np.abs(decode_image(raw, 32).astype(int) - expected).max() <= tolerance


def test_sixteen_bit_grey_is_scaled_and_not_clipped():
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (256, 1))
    array = decode_image(saved(Image.fromarray(ramp), "PNG"), 256)
    assert array[:, 0].max() <= 2 and array[:, -1].min() >= 253
    assert np.abs(array[0, :, 0].astype(int) - np.arange(256)).max() <= 2


def test_transparency_becomes_white():
    raw = saved(Image.new("RGBA", (20, 20), (0, 0, 0, 0)), "PNG")
    assert (decode_image(raw, 32) == 255).all()


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (30, 30), colour) for colour in ("black", "white", "white")]
    for kind in ("GIF", "PNG", "WEBP"):
        raw = saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert verify_image(raw) is None
        assert decode_image(raw, 32).max() <= 3


@pytest.mark.parametrize("tag", range(1, 9))
def test_exif_orientation_is_applied(tag):
    upright = Image.new("RGB", (64, 64), "black")
    upright.paste("white", (0, 0, 32, 32))  # top left
    upright.paste("red", (32, 0, 64, 32))  # top right
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = tag
    stored = upright.transpose(undo[tag]) if tag in undo else upright
    array = decode_image(saved(stored, "JPEG", exif=exif, quality=95), 64)
    assert array[8, 8].min() > 240
    assert array[8, 56, 0] > 200 and array[8, 56, 1] < 60
    assert array[56].max() < 60


def test_unreadable_exif_says_nothing():
    raw = saved(picture(), "JPEG", exif=b"Exif\0\0" + b"\xff" * 40)
    assert verify_image(raw) is None
    assert decode_image(raw, 32).shape == (32, 32, 3)


def test_the_square_is_near_the_plain_resize_for_small_and_large_sources():
    gradient = np.add.outer(np.arange(900), np.arange(1200))[..., None] * np.array([0.12, 0.1, 0.05])
    image = Image.fromarray(gradient.astype(np.uint8))
    for size in ((1200, 900), (300, 225), (50, 40)):
        raw = saved(image.resize(size), "JPEG", quality=95)
        plain = np.asarray(Image.open(BytesIO(raw)).resize((224, 224), Image.Resampling.BICUBIC)).astype(int)
        assert np.abs(decode_image(raw, 224) - plain).mean() < 1.5


def test_the_same_bytes_give_the_same_array():
    raw = image_bytes(5, (700, 500))
    assert (decode_image(raw, 224) == decode_image(raw, 224)).all()


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]),
    cut=st.integers(0, 600),
    changes=st.dictionaries(st.integers(0, 2000), st.integers(0, 255), max_size=8),
)
def test_damaged_bytes_are_refused_or_decoded_and_never_crash(kind, cut, changes):
    raw = bytearray(image_bytes(1, (24, 16), kind))
    raw = raw[: len(raw) - cut]
    for place, value in changes.items():
        if place < len(raw):
            raw[place] = value
    reason = verify_image(bytes(raw))
    if reason is None:
        with contextlib.suppress(DataError):
            assert decode_image(bytes(raw), 32).shape == (32, 32, 3)
    else:
        assert isinstance(reason, str)
