"""Texts become token ids, images become pixels."""

import numpy as np

from mmsent_cli.encoders.inputs import ImageInputs, TextInputs, build_vocabulary, word_tokenizer
from tests.data.builders import image_bytes


def text_inputs(words=("good", "day", "#sun"), length=128, cleaning=()):
    return TextInputs(word_tokenizer(words), 0, length, cleaning)


def test_words_are_found_whatever_their_case_and_unknown_ones_are_one():
    good, unknown, tag = text_inputs().arrays(["Good DAY", "bad day", "#sun!"])
    assert good.tolist() == [2, 3]
    assert unknown.tolist() == [1, 3]
    assert tag.tolist() == [4, 1]
    assert good.dtype == np.int32


def test_an_empty_text_is_one_padding_token():
    assert [ids.tolist() for ids in text_inputs().arrays(["", "   "])] == [[0], [0]]


def test_long_texts_are_cut_and_short_ones_are_not_padded():
    short, long = text_inputs(length=5).arrays(["good", "good " * 50])
    assert (len(short), len(long)) == (1, 5)


def test_settings_include_all_that_changes_the_ids():
    settings = [
        text_inputs(**how).settings() for how in ({}, {"words": ("x",)}, {"length": 9}, {"cleaning": ("urls",)})
    ]
    assert len({str(one) for one in settings}) == 4
    assert text_inputs().settings() == text_inputs().settings()


def test_the_vocabulary_is_the_frequent_words_in_a_fixed_order():
    texts = ["b a c", "a b", "A d", "http://x a"]
    assert build_vocabulary(texts, (), max_words=10, min_count=2) == ("a", "/", "b")
    assert build_vocabulary(texts, (), max_words=1, min_count=1) == ("a",)
    assert build_vocabulary(texts, ("urls",), 10, 1) == ("a", "b", "c", "d")


def test_images_are_squares_of_bytes_channels_first():
    pixels, same = ImageInputs(40).arrays([image_bytes(1, (80, 60)), image_bytes(1, (80, 60))])
    assert pixels.shape == (3, 40, 40)
    assert pixels.dtype == np.uint8
    assert (pixels == same).all()
    assert ImageInputs(40).settings() != ImageInputs(41).settings()
