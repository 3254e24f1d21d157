"""The sample keeps its promises: exact best accuracies, cues that can be read back, same bytes from the same seed."""

import csv
import io
import random
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from tools.sample import draw as sample
from tools.sample import image as sample_image
from tools.sample import text as sample_text

COMMITTED = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    sample.write_sample(folder, 60, 3)
    return folder


def rows(path):
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def decode(content):
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("gb18030")


def accuracy(pairs, view):
    known = {"text": lambda p: (p.text_cue, None), "image": lambda p: (None, p.image_cue)}
    cues = known.get(view, lambda p: (p.text_cue, p.image_cue))
    return sum(sample.bayes_tag(*cues(pair)) == pair.tag for pair in pairs) / len(pairs)


def test_each_table_row_is_a_distribution():
    tables = [sample.PRIOR, *sample.TEXT_CUES.values(), *sample.IMAGE_CUES.values()]
    assert [sum(row.values()) for row in tables] == [100] * 7


def test_best_accuracies_are_those_the_tables_give_by_enumeration():
    tags, cues = sample.PRIOR, sample.CUES
    both = 0
    for text in cues:
        for image in cues:
            both += max(tags[tag] * sample.TEXT_CUES[tag][text] * sample.IMAGE_CUES[tag][image] for tag in tags)
    text = sum(max(tags[tag] * sample.TEXT_CUES[tag][cue] for tag in tags) for cue in cues)
    image = sum(max(tags[tag] * sample.IMAGE_CUES[tag][cue] for tag in tags) for cue in cues)
    assert sample.bayes_accuracies() == {"text": text / 1e4, "image": image / 1e4, "both": both / 1e6, "majority": 0.6}
    assert sample.bayes_accuracies() == {"text": 0.75, "image": 0.75, "both": 0.9, "majority": 0.6}


def test_best_accuracies_hold_in_independent_draws():
    rng = random.Random(1)

    def draw(table):
        return rng.choices(list(table), list(table.values()))[0]

    pairs = []
    for _ in range(8_000):
        tag = draw(sample.PRIOR)
        text_cue, image_cue = draw(sample.TEXT_CUES[tag]), draw(sample.IMAGE_CUES[tag])
        pairs.append(sample.SamplePair(guid="1", tag=tag, text_cue=text_cue, image_cue=image_cue))
    for view in ("text", "image", "both"):
        assert accuracy(pairs, view) == pytest.approx(sample.bayes_accuracies()[view], abs=0.015)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_even_300_pairs_hold_the_stated_proportions(seed):
    pairs = sample.draw_pairs(300, seed)
    counts = Counter(pair.tag for pair in pairs)
    assert len(pairs) == len({pair.guid for pair in pairs}) == 300
    assert [round(counts[tag] / 300, 2) for tag in sample.PRIOR] == pytest.approx([0.30, 0.10, 0.60], abs=0.011)
    for view in ("text", "image", "both"):
        assert accuracy(pairs, view) == pytest.approx(sample.bayes_accuracies()[view], abs=0.011)


def cue_words(cue):
    vocabularies = (sample_text.ADJECTIVES, sample_text.VERBS, sample_text.TAILS, sample_text.HASHTAGS)
    return [phrase.lower() for vocabulary in vocabularies for phrase in vocabulary[cue]]


def test_each_text_shows_its_cue_and_no_other():
    taken: set[str] = set()
    for cue in sample.CUES:
        for number in range(200):
            text = decode(sample_text.write_text(cue, random.Random(number), taken)).lower()
            words = text.replace("@tea_and_toast", "")
            shown = {other for other in sample.CUES if any(word in words for word in cue_words(other))}
            assert shown == {cue}, text


def test_each_scene_shows_its_cue_in_its_colours():
    # Cheerful pictures are colourful and light, plain ones grey, gloomy ones dark: two numbers tell them apart.
    for cue, scenes in sample_image.SCENES.items():
        for number in range(20 * len(scenes)):
            picture = sample_image.draw_image(cue, random.Random(number))
            _, saturation, value = ImageStat.Stat(picture.convert("HSV")).mean
            seen = "gloomy" if value < 115 else "plain" if saturation < 62 else "cheerful"
            assert seen == cue, (number, saturation, value)


def test_layout_names_each_pair_once_and_each_has_both_files(written):
    labelled, test = rows(written / "train.txt"), rows(written / "test_without_label.txt")
    assert (len(labelled), len(test)) == (48, 12)
    assert {row["tag"] for row in test} == {"null"}
    assert [row["guid"] for row in rows(written / "test_tags.txt")] == [row["guid"] for row in test]
    guids = {row["guid"] for row in labelled + test}
    assert {path.name for path in (written / "data").iterdir()} == {
        f"{guid}{suffix}" for guid in guids for suffix in (".txt", ".jpg")
    }


def test_same_seed_writes_the_same_bytes_and_another_seed_others(written, tmp_path):
    sample.write_sample(tmp_path / "again", 60, 3)
    sample.write_sample(tmp_path / "other", 60, 4)
    names = [path.relative_to(written) for path in written.rglob("*") if path.is_file()]
    assert len(names) == 60 * 2 + 5
    assert all((tmp_path / "again" / name).read_bytes() == (written / name).read_bytes() for name in names)
    assert (tmp_path / "other" / "data" / "1.jpg").read_bytes() != (written / "data" / "1.jpg").read_bytes()


def test_committed_sample_is_what_the_generator_writes(tmp_path):
    sample.write_sample(tmp_path, 300, 0)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {path.relative_to(COMMITTED) for path in COMMITTED.rglob("*") if path.is_file()}
    assert len(written) == 605
    for name in written:
        ours, theirs = (tmp_path / name).read_bytes(), (COMMITTED / name).read_bytes()
        if name.suffix == ".jpg":  # another Pillow may round a pixel or pack the file differently
            ours, theirs = (Image.open(io.BytesIO(content)).resize((8, 8)).tobytes() for content in (ours, theirs))
            assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= 4, name
        else:
            assert ours == theirs, name


def test_committed_sample_is_small_and_its_encodings_are_mixed():
    files = [path for path in COMMITTED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000
    contents = [path.read_bytes() for path in (COMMITTED / "data").glob("*.txt")]
    telling = [content for content in contents if not content.isascii()]
    utf8 = [content for content in telling if decode(content).encode("utf-8") == content]
    assert len(telling) >= 100
    assert 0.05 <= len(utf8) / len(telling) <= 0.2
    assert all(decode(content).encode("gb18030") for content in telling)
    assert len({decode(content) for content in contents}) == 300
