"""Data sets of the field as they are published, lists of the lab layout as people write them, and image files."""

import unicodedata
from io import BytesIO

import pytest
from PIL import Image, PngImagePlugin

from mmsent_cli.config import DataConfig
from mmsent_cli.data.check import decide_encoding, iter_unlabelled, load_labelled, open_unlabelled
from mmsent_cli.data.images import SUFFIXES, all_formats, decode_image, verify_image
from mmsent_cli.data.lab import NO_MAJORITY, mvsa_judgement, mvsa_words
from mmsent_cli.data.layouts import locate
from mmsent_cli.data.tags import OPPOSITE
from mmsent_cli.errors import DataError
from tests.data.builders import image_bytes, picture, ten_tags, write_lab


def load(path, **config):
    needs = config.pop("needs", ("text", "image"))
    return load_labelled(DataConfig(data=str(path), **config), path.parent / "cache", needs=needs)


def predicted(path, **config):
    settings, notes = DataConfig(data=str(path), **config), []
    source = locate(str(path))
    _, pairs = open_unlabelled(source, settings, decide_encoding(source, settings, path.parent), None, notes)
    return list(pairs), notes


@pytest.mark.parametrize(
    ("row", "sentiment"),
    [
        ("1\tpositive,positive", "positive"),
        ("1\tneutral,negative", "negative"),
        ("1\tpositive,negative", OPPOSITE),
        ("1\tpositive,positive\tpositive,neutral\tneutral,neutral", "positive"),
        ("1\tpositive,neutral\tnegative,neutral\tneutral,neutral", NO_MAJORITY),
        ("1\tnegative,positive\tnegative,positive\tneutral,neutral", OPPOSITE),
    ],
)
def test_judgements_of_mvsa_are_merged(row, sentiment):
    assert mvsa_judgement(mvsa_words(row.split(","))[1:]) == sentiment


@pytest.mark.parametrize("annotators", [1, 3])
def test_mvsa_is_read_as_published_and_its_rows_are_counted(tmp_path, annotators):
    folder = write_lab(tmp_path / "mvsa", ten_tags())
    (folder / "train.txt").unlink()
    lines = ["ID\t" + "\t".join(["text,image"] * annotators)]
    lines += [f"{guid}\t" + "\t".join([f"{tag},neutral"] * annotators) for guid, tag in ten_tags().items()]
    lines[1] = "1\t" + "\t".join(["positive,negative"] * annotators)
    (folder / "labelResultAll.txt").write_bytes("\r\n".join(lines).encode())
    dataset = load(folder)
    assert {pair.guid: pair.tag for pair in dataset.pairs} == {g: t for g, t in ten_tags().items() if g != "1"}
    assert any(
        "10 rows: 9 used, 1 skipped (1 with opposite judgements), 0 with errors" in note for note in dataset.notes
    )
    (folder / "labelResultAll.txt").write_text("ID\ttext,image\n1\tpositive\n")
    with pytest.raises(DataError, match=r"labelResultAll\.txt:2"):
        load(folder)


def test_the_aspect_tables_of_twitter_are_read(tmp_path):
    (tmp_path / "twitter2015_images").mkdir()
    (tmp_path / "twitter2015").mkdir()
    lines = ["index\t#1 Label\t#2 ImageID\t#3 String\t#3 String"]
    for n in range(6):
        (tmp_path / f"twitter2015_images/{n}.jpg").write_bytes(image_bytes(n))
        lines.append(f'{n}\t{n % 3}\t{n}.jpg\t" $T$ wins again\tTeam {n}')
    path = tmp_path / "twitter2015/train.tsv"
    path.write_text("\n".join(lines))
    dataset = load(path)
    assert dataset.labels == ("negative", "neutral", "positive")
    assert dataset.pairs[1].text == 'Team 1: " Team 1 wins again' and dataset.pairs[1].tag == "neutral"
    assert dataset.pairs[1].image == tmp_path / "twitter2015_images/1.jpg"
    assert load(path, label_map=("0=bad", "1=fair", "2=good")).labels == ("bad", "fair", "good")


LISTS = {
    "tabs": "guid\ttag\n{}",
    "quotes": '"guid","tag"\n{}',
    "index": ",guid,tag\n{}",
    "other order": "tag;guid\n{}",
    "other names": "ID,Label,comment\n{}",
}


@pytest.mark.parametrize("form", LISTS)
def test_lists_are_read_by_their_header(tmp_path, form):
    folder = write_lab(tmp_path / "lab", ten_tags())
    row = {"tabs": "{0}\t{1}", "quotes": '"{0}","{1}"', "index": "9,{0},{1}", "other order": "{1};{0}"}
    rows = "\n".join(row.get(form, "{0},{1},x").format(*item) for item in ten_tags().items())
    (folder / "train.txt").write_text(LISTS[form].format(rows))
    assert {pair.guid: pair.tag for pair in load(folder).pairs} == ten_tags()


# Names and folders


def test_decomposed_names_are_found_and_hidden_files_are_no_pairs(tmp_path):
    for name in ("café", "naïve", "Ångström"):
        for suffix, content in (("txt", b"hello"), ("jpg", image_bytes())):
            (tmp_path / f"{unicodedata.normalize('NFD', name)}.{suffix}").write_bytes(content)
    for name in ("._1.jpg", "._1.txt", ".DS_Store", ".hidden.png", "Thumbs.db", "~$list.txt"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    pairs, _ = predicted(tmp_path)
    assert sorted(pair.guid for pair in pairs) == sorted(["café", "naïve", "Ångström"])
    assert all(pair.text == "hello" and pair.image for pair in pairs)
    (tmp_path / "test_without_label.txt").write_text("guid,tag\ncafé,null\n", encoding="utf-8")
    assert predicted(tmp_path)[0][0].image is not None


def test_images_alone_and_texts_alone_are_pairs(tmp_path):
    for folder, suffix in (("images", "jfif"), ("texts", "txt")):
        (tmp_path / folder).mkdir()
        for n in range(3):
            (tmp_path / folder / f"holiday {n}.{suffix}").write_bytes(image_bytes(n) if suffix != "txt" else b"sun")
    images, texts = predicted(tmp_path / "images")[0], predicted(tmp_path / "texts")[0]
    assert [pair.text for pair in images] == [None] * 3 and all(pair.image for pair in images)
    assert [pair.image for pair in texts] == [None] * 3 and all(pair.text for pair in texts)


@pytest.mark.parametrize("kept", ["text", "image"])
def test_one_modality_is_enough_where_the_fusion_needs_no_more(tmp_path, kept):
    for n in range(4):
        (tmp_path / f"{n}.jpg").write_bytes(image_bytes(n))
    cell = {"text": "word {}", "image": "{}.jpg"}[kept]
    path = tmp_path / "pairs.csv"
    path.write_text(f"guid,{kept},tag\n" + "".join(f"{n},{cell.format(n)},{'ab'[n % 2]}\n" for n in range(4)))
    with pytest.raises(DataError, match="has no column") as caught:
        load(path)
    assert f"--fusion {kept}-only" in caught.value.hint
    for needs in ((kept,), ()):
        assert [getattr(pair, kept) is not None for pair in load(path, needs=needs).pairs] == [True] * 4
    folder = write_lab(tmp_path / "lab", ten_tags())
    for lost in (folder / "data").glob("*.jpg" if kept == "text" else "*.txt"):
        lost.unlink()
    assert len(load(folder, needs=(kept,)).pairs) == 10


# Paths of images


def image_table(tmp_path, form):
    (tmp_path / "images").mkdir(exist_ok=True)
    for n in range(4):
        (tmp_path / f"images/{n}.JPG").write_bytes(image_bytes(n))
    path = tmp_path / "pairs.csv"
    path.write_text("guid,text,image,tag\n" + "".join(f"g{n},w {n},{form.format(n)},{'ab'[n % 2]}\n" for n in range(4)))
    return path


@pytest.mark.parametrize("form", ["images\\{}.JPG", "images/{}.jpg", "{}.JPG", "images/{}", ".\\images\\{}.jpg", "{}"])
def test_images_are_found_under_nearly_their_name(tmp_path, form):
    dataset = load(image_table(tmp_path, form))
    assert [pair.image for pair in dataset.pairs] == [tmp_path / f"images/{n}.JPG" for n in range(4)]
    assert any(note.startswith("4 images found") for note in dataset.notes)


def test_a_file_address_and_base64_are_images(tmp_path):
    import base64

    assert load(image_table(tmp_path, f"file://{tmp_path}/images/{{}}.JPG")).pairs[3].image == tmp_path / "images/3.JPG"
    rows = [
        f'g{n},w {n},"data:image/jpeg;base64,{base64.b64encode(image_bytes(n)).decode()}",{"ab"[n % 2]}' for n in (0, 1)
    ]
    (tmp_path / "b.csv").write_text("\n".join(["guid,text,image,tag", *rows]))
    assert [pair.image for pair in load(tmp_path / "b.csv").pairs] == [image_bytes(0), image_bytes(1)]


@pytest.mark.parametrize(
    ("form", "what"),
    [
        ("https://example.org/{}.jpg", "4 images are addresses"),
        ("s3://bucket/{}.jpg", "4 images are addresses"),
        ("D:\\pictures\\{}.jpg", "4 images are paths of another machine"),
        ("\\\\server\\share\\{}.jpg", "4 images are paths of another machine"),
        ("/nowhere/at/all/{}.jpg", "4 images are files that do not exist, such as /nowhere/at/all/0.jpg"),
    ],
)
def test_images_that_are_elsewhere_are_said_once(tmp_path, form, what):
    path = image_table(tmp_path, form)
    with pytest.raises(DataError) as caught:
        load(path)
    assert what in caught.value.message and caught.value.message.count(form.format(0)) == 1
    assert form.format(1) not in caught.value.message
    assert len(load(path, on_bad="blank").pairs) == 4


def test_an_image_that_all_pairs_share_groups_nothing(tmp_path):
    from mmsent_cli.data.split import groups_of

    folder = write_lab(tmp_path / "lab", {str(n): "ab"[n % 2] for n in range(12)})
    for path in (folder / "data").glob("*.jpg"):
        path.write_bytes(image_bytes(1))
    dataset = load(folder)
    assert len(set(groups_of(dataset.pairs))) == 12
    assert any("share one image" in note and "all pairs" in note for note in dataset.notes)
    for guid in ("3", "4", "5"):
        (folder / f"data/{guid}.jpg").write_bytes(image_bytes(2))
    assert len(set(groups_of(load(folder).pairs))) == 10


# Image files


SAVED = ["PPM", "TGA", "PCX", "ICO", "JPEG2000", "DDS", "ICNS", "AVIF", "SGI", "QOI", "MPO", "XBM", "GIF", "TIFF"]


@pytest.mark.parametrize("kind", SAVED)
def test_every_format_of_pillow_is_an_image(kind, tmp_path):
    if kind not in Image.SAVE and Image.init() and kind not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    image = picture(1, (32, 32)).convert("1" if kind == "XBM" else "RGB")
    buffer = BytesIO()
    image.save(buffer, kind)
    assert verify_image(buffer.getvalue()) is None
    assert decode_image(buffer.getvalue(), 32).shape == (32, 32, 3)


def test_the_suffixes_are_those_of_the_formats():
    opened = set(all_formats())
    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in opened}
    assert known - {".hif"} <= SUFFIXES


def test_a_heic_image_is_read_or_named():
    heif = pytest.importorskip("pi_heif")
    assert heif and "HEIF" in all_formats()
    raw = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(400)
    assert "HEIC" in (verify_image(raw) or "")


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"<!DOCTYPE html><html>", "web page"),
        (b"<svg xmlns=''>", "SVG"),
        (b"\0\0\0\x18ftypmp42", "video"),
        (b"PK\3\4zip", "archive"),
    ],
)
def test_what_is_no_image_is_called_what_it_is(raw, what):
    assert what in (verify_image(raw + bytes(50)) or "")


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("cut", [1, 2])
def test_a_jpeg_without_its_end_is_used_and_a_truncated_one_is_not(progressive, cut):
    buffer = BytesIO()
    picture(1, (200, 150)).save(buffer, "JPEG", quality=95, progressive=progressive)
    raw, remarks = buffer.getvalue(), []
    assert verify_image(raw[:-cut], remarks) is None and len(remarks) == 1
    assert (decode_image(raw[:-cut], 64) == decode_image(raw, 64)).all()
    for lost in (40, 400, 4000):
        assert verify_image(raw[:-lost]) == "is truncated"


@pytest.mark.parametrize("kind", ["itxt", "ztxt", "profile", "no end"])
def test_a_png_with_long_texts_or_without_its_end_is_used(kind):
    image, notes, options = picture(1, (64, 48)), PngImagePlugin.PngInfo(), {}
    if kind == "itxt":
        notes.add_itxt("parameters", "a long prompt, " * 150_000, zip=True)
    elif kind == "ztxt":
        notes.add_text("parameters", "a long prompt, " * 150_000, zip=True)
    elif kind == "profile":
        options["icc_profile"] = bytes(3_000_000)
    buffer = BytesIO()
    image.save(buffer, "PNG", pnginfo=notes, **options)
    raw = buffer.getvalue()[:-12] if kind == "no end" else buffer.getvalue()
    assert verify_image(raw) is None
    assert (decode_image(raw, 32) == decode_image(image_bytes(1, (64, 48), "PNG"), 32)).all()


@pytest.mark.parametrize("suffix", ["gif", "bmp", "tif", "jfif", "avif", "webp", "ico", "ppm"])
def test_images_of_every_suffix_are_found_in_the_lab_layout(tmp_path, suffix):
    folder = write_lab(tmp_path / "lab", ten_tags(), ("20",))
    Image.init()
    (folder / "data/20.jpg").unlink()
    kind = Image.registered_extensions()[f".{suffix}"]
    (folder / f"data/20.{suffix}").write_bytes(image_bytes(3, (32, 32), kind))
    source = locate(str(folder))
    (pair,) = iter_unlabelled(source, DataConfig(), decide_encoding(source, DataConfig(), tmp_path))
    assert pair.image == folder / f"data/20.{suffix}"
