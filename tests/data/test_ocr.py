"""Words that stand in an image are read, and kept as they were read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from mmsent_cli.data.images import decode_whole
from mmsent_cli.data.ocr import OcrText, describe_ocr, read_ocr


@pytest.fixture(scope="module")
def saying(tmp_path_factory):
    """A picture with two lines of large print."""
    image = Image.new("RGB", (360, 240), "white")
    draw = ImageDraw.Draw(image)
    for line, words in enumerate(("KEEP CALM", "AND SMILE")):
        draw.text((30, 50 + 80 * line), words, fill="black", font=ImageFont.load_default(48))
    path = tmp_path_factory.mktemp("ocr") / "saying.jpg"
    image.save(path)
    return path


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """A picture without words: a slow change of colour."""
    ramp = np.linspace(0, 255, 240, dtype=np.uint8)
    pixels = np.stack([np.tile(ramp, (160, 1)), np.full((160, 240), 90), np.tile(ramp[::-1], (160, 1))], axis=2)
    path = tmp_path_factory.mktemp("ocr") / "photograph.jpg"
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def test_large_print_is_read_line_by_line(saying):
    found = read_ocr(saying)
    assert found.text.upper().replace(" ", "") == "KEEPCALMANDSMILE"
    assert found.lines == 2
    assert 0.1 < found.area < 0.6


def test_a_picture_without_words_says_nothing(photograph):
    assert read_ocr(photograph) == OcrText()


def test_the_same_picture_reads_the_same(saying):
    assert read_ocr(saying) == read_ocr(saying)


@given(st.text(), st.integers(0, 99), st.floats(0, 1))
def test_what_was_read_survives_the_feature_store(text, lines, area):
    read = OcrText(text.encode("utf-8", "ignore").decode(), lines, area)
    assert OcrText.from_bytes(read.to_bytes()) == read


def test_the_reader_names_the_versions_that_decide_what_is_read():
    described = describe_ocr()
    assert {"rapidocr", "openvino", "side_px"} <= set(described)


def test_a_large_picture_keeps_its_proportions_and_a_small_one_its_size(saying):
    assert decode_whole(saying, 120).shape == (80, 120, 3)
    assert decode_whole(saying, 900).shape == (240, 360, 3)
