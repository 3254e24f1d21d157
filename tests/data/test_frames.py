"""A DataFrame is one more source: the same checks, the same pairs, whatever its images are."""

from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mmsent_cli.config import DataConfig
from mmsent_cli.data.check import decide_encoding, iter_unlabelled, load_labelled
from mmsent_cli.data.frames import frame_of, raw_texts
from mmsent_cli.data.images import decode_image
from mmsent_cli.data.layouts import frame_source, labelled_rows
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import DataError
from tests.data.builders import TAGS, image_bytes, make_pair, picture


def digest(raw: bytes) -> str:
    return blake2b(raw, digest_size=16).hexdigest()


def labelled(images) -> pd.DataFrame:
    count = len(images)
    return pd.DataFrame(
        {"text": [f"text {n}" for n in range(count)], "image": images, "tag": [TAGS[n % 3] for n in range(count)]}
    )


def load(frame, tmp_path, **settings):
    return load_labelled(DataConfig(**settings), tmp_path / "cache", source=frame_source(frame))


def stream(frame, tmp_path, **settings):
    config, source = DataConfig(**settings), frame_source(frame)
    return list(iter_unlabelled(source, config, decide_encoding(source, config, tmp_path)))


def test_paths_and_bytes_are_the_same_pairs(tmp_path):
    raws = [image_bytes(number) for number in range(6)]
    paths = [tmp_path / f"{number}.jpg" for number in range(6)]
    for path, raw in zip(paths, raws, strict=True):
        path.write_bytes(raw)
    from_paths = load(labelled([paths[0], *map(str, paths[1:])]), tmp_path)
    from_bytes = load(labelled([bytearray(raws[0]), memoryview(raws[1]), *raws[2:]]), tmp_path)
    assert [pair.image for pair in from_paths.pairs] == paths
    assert [pair.image for pair in from_bytes.pairs] == raws
    for dataset in (from_paths, from_bytes):
        assert dataset.notes[0] == "data: a DataFrame of 6 rows"
        assert [pair.image_digest for pair in dataset.pairs] == list(map(digest, raws))
        assert [pair.guid for pair in dataset.pairs] == list("012345")
        assert [pair.text for pair in dataset.pairs] == [f"text {number}" for number in range(6)]
        assert dataset.labels == TAGS


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1", "P", "CMYK", "YCbCr", "HSV", "F", "I", "I;16", "RGBa"])
def test_a_pil_image_becomes_a_file_without_loss(tmp_path, mode):
    image = picture(3).convert("RGBA").convert(mode) if mode == "RGBa" else picture(3).convert("L").convert(mode)
    image = image if mode in ("I;16", "F", "I", "RGBa") else picture(3).convert(mode)
    (pair,) = stream(pd.DataFrame({"image": [image], "text": ["a"]}), tmp_path)
    assert isinstance(pair.image, bytes) and pair.image_digest == digest(pair.image)
    stored = Image.open(BytesIO(pair.image))
    if mode in ("RGB", "RGBA", "L", "LA", "1", "P", "I;16"):
        assert stored.mode == mode and (np.asarray(stored) == np.asarray(image)).all()
    assert decode_image(pair.image, 32).shape == (32, 32, 3)


def test_a_pil_image_of_a_file_looks_as_the_file_does(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(1, (64, 32)).save(tmp_path / "turned.jpg", quality=95, exif=exif)
    frame = pd.DataFrame({"image": [tmp_path / "turned.jpg", Image.open(tmp_path / "turned.jpg")], "text": "a"})
    file, opened = stream(frame, tmp_path)
    assert isinstance(file.image, Path) and isinstance(opened.image, bytes)
    difference = decode_image(file.image, 32).astype(int) - decode_image(opened.image, 32)
    assert np.abs(difference).max() <= 1


def test_one_opened_image_may_stand_in_many_rows(tmp_path):
    (tmp_path / "a.jpg").write_bytes(image_bytes(1, (300, 200)))
    image = Image.open(tmp_path / "a.jpg")
    pairs = stream(pd.DataFrame({"text": [str(n) for n in range(40)], "image": [image] * 40}), tmp_path)
    assert len({pair.image_digest for pair in pairs}) == 1


def test_the_guid_column_or_the_index_or_the_row_number_names_a_pair(tmp_path):
    frame = labelled([image_bytes(n) for n in range(3)])
    frame.index = pd.Index(["x", "y", "z"])
    assert [pair.guid for pair in load(frame, tmp_path).pairs] == ["x", "y", "z"]
    frame["name"] = [7.0, 8.0, 9.0]
    assert [pair.guid for pair in load(frame, tmp_path, guid_column="name").pairs] == ["7", "8", "9"]
    repeated = pd.concat([frame, frame])
    assert [pair.guid for pair in load(repeated, tmp_path).pairs] == list("012345")
    with pytest.raises(
        DataError, match=r"3 of 6 rows have errors: DataFrame:4: duplicate guid 7 \(first used in DataFrame:1\)"
    ):
        load(repeated, tmp_path, guid_column="name")


def test_every_kind_of_missing_cell_is_missing(tmp_path):
    nothing = [None, float("nan"), pd.NA, pd.NaT, ""]
    raw = image_bytes()
    frame = pd.DataFrame({"text": [*nothing, *["a"] * 5], "image": [*[raw] * 5, *nothing]}, dtype=object)
    pairs = stream(frame, tmp_path)
    assert [pair.text for pair in pairs] == [None] * 5 + ["a"] * 5
    assert [pair.image for pair in pairs] == [raw] * 5 + [None] * 5


def test_rows_are_predicted_whatever_their_tag(tmp_path):
    assert [pair.tag for pair in stream(labelled([image_bytes()] * 3), tmp_path)] == [None] * 3


def test_rows_without_a_tag_are_not_trained_on(tmp_path):
    frame = labelled([image_bytes(n) for n in range(6)])
    frame.loc[5, "tag"] = None
    assert len(load(frame, tmp_path).pairs) == 5


def test_class_numbers_are_labels(tmp_path):
    frame = labelled([image_bytes(n) for n in range(4)]).assign(tag=[0, 1, 0, 1])
    assert load(frame, tmp_path).labels == ("0", "1")


def test_bad_images_follow_the_policy(tmp_path):
    (tmp_path / "cut.png").write_bytes(image_bytes(size=(200, 150), kind="PNG")[:-2000])
    bad = [b"no image", tmp_path / "none.jpg", Image.open(tmp_path / "cut.png"), None]
    frame = labelled([image_bytes(n) for n in range(6)] + bad)
    with pytest.raises(DataError, match=r"4 of 10 pairs.*DataFrame:7 is not an image.*none\.jpg.*DataFrame:9"):
        load(frame, tmp_path)
    dataset = load(frame, tmp_path, on_bad="drop")
    assert len(dataset.pairs) == 6 and [line.split(":")[0] for line in dataset.problems] == [
        f"pair {n}" for n in range(6, 10)
    ]
    assert [pair.image for pair in load(frame, tmp_path, on_bad="blank").pairs[6:]] == [None] * 4


def test_bad_rows_are_named(tmp_path):
    frame = labelled([image_bytes(), [3], image_bytes()]).assign(text=["a", "b", ["c"]])
    with pytest.raises(
        DataError, match=r"DataFrame:2: the image has the type list.*DataFrame:3: the text has the type list"
    ):
        load(frame, tmp_path)


def test_missing_columns_are_named(tmp_path):
    frame = labelled([image_bytes()] * 3).rename(columns={"tag": "verdict"})
    with pytest.raises(DataError, match="DataFrame has no column 'tag'; its columns are text, image, verdict"):
        load(frame, tmp_path)
    assert load(frame, tmp_path, tag_column="verdict").labels == TAGS
    assert load(frame.rename(columns={"verdict": "Label"}), tmp_path).labels == TAGS


def test_a_modality_that_is_needed_must_have_a_column():
    source = frame_source(labelled([image_bytes()] * 3).drop(columns="image"))
    assert [row.image for row in labelled_rows(source, DataConfig())] == [None] * 3
    with pytest.raises(DataError, match="no column 'image'"):
        labelled_rows(source, DataConfig(), needs=("image",))


def test_halves_of_characters_are_counted(tmp_path):
    (pair,) = stream(pd.DataFrame({"text": ["cut \ud83d"], "image": [image_bytes()]}, dtype=object), tmp_path)
    assert pair.text == "cut \ufffd" and pair.replaced == 1


def test_texts_of_a_frame_are_inspected_as_they_are():
    """Rows count from 1, empty cells are left out, and half a character cannot be encoded."""
    cells = [b"caf\xe9", "\u00e9", "", None, 7.0, "cut \ud83d"]
    texts, is_decoded = raw_texts(pd.DataFrame({"text": cells}, dtype=object), DataConfig())
    assert texts == [
        ("DataFrame:1", b"caf\xe9"),
        ("DataFrame:2", "\u00e9".encode()),
        ("DataFrame:5", b"7"),
        ("DataFrame:6", b"cut ?"),
    ]
    assert not is_decoded
    named = DataConfig(text_column="words")
    assert raw_texts(pd.DataFrame({"words": ["a"]}), named) == ([("DataFrame:1", b"a")], True)
    for frame, what in (
        (pd.DataFrame({"text": ["a"]}), "'words'"),
        (pd.DataFrame({"words": [["a"]]}), "has the type list"),
    ):
        with pytest.raises(DataError, match=what):
            raw_texts(frame, named)


def test_pairs_become_a_frame_with_the_columns_of_the_settings():
    pairs = [make_pair("a", "positive"), Pair(guid="b", tag=None, text=None, image=None)]
    frame = frame_of(pairs, DataConfig(guid_column="id", text_column="words", image_column="file", tag_column="mood"))
    assert list(frame.columns) == ["id", "words", "file", "mood"]
    assert frame.values.tolist() == [["a", pairs[0].text, pairs[0].image, "positive"], ["b", None, None, None]]
