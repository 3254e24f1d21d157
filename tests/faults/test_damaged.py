"""Damaged checkpoints, images, tables and texts: refused in two lines or read, and never a traceback."""

import json
import os
import pickle
import random
import re
import resource
import shutil
import time
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from mmsent_cli import api
from mmsent_cli.charsets.corpus import known_codec
from mmsent_cli.data.images import verify_image
from mmsent_cli.errors import CheckpointError, MmsentError
from mmsent_cli.training.checkpoints import read_checkpoint
from tests.commands.running import QUICK, mmsent, small_lab, succeed
from tests.data.builders import TAGS, image_bytes, picture

ENOUGH_SECONDS = 30
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
CODECS = (
    "utf-8",
    "utf-16",
    "utf-32",
    "gb18030",
    "big5",
    "shift_jis",
    "euc_kr",
    "cp1251",
    "koi8_r",
    "cp1252",
    "iso8859_8",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A trained model's folder."""
    folder = tmp_path_factory.mktemp("model")
    small_lab(folder / "lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("mmsent_cli.finished_run.run_files", lambda *_, **__: {"report.html": "a page"})
        values = succeed("train", "--data", "lab", *QUICK, "--epochs", 1, "--json")
    return folder / values["run"]


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("sprung"),))


def require_refused(path):
    """A checkpoint is refused in two lines, and nothing in it is executed."""
    result = mmsent("predict", "--text", "a", "--checkpoint", path)
    assert result.exit_code == 1, (path, result.output)
    assert isinstance(result.exception, SystemExit), (path, result.exception)
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["error", "hint"]
    assert not Path("sprung").exists()


def test_checkpoints_of_another_kind_are_refused(model, tmp_path, monkeypatch, count):
    monkeypatch.chdir(tmp_path)
    content = torch.load(model / "best_model.pt", weights_only=True)
    other = {name: torch.zeros(3) for name in content["state"]}
    spoilt = {
        "pickled payload": {**content, "labels": Trap()},
        "other schema": {"epoch": 3, "model_state_dict": content["state"]},
        "later version": {**content, "version": 99},
        "other weights": {**content, "state": other},
        "other frozen weights": {**content, "frozen": {"text": "0", "image": "0"}},
    }
    for name, value in spoilt.items():
        torch.save(value, f"{name}.pt")
        require_refused(f"{name}.pt")
    Path("pickle.pt").write_bytes(pickle.dumps(Trap()))
    Path("lfs.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    for name in ("pickle.pt", "lfs.pt"):
        require_refused(name)
    count("checkpoints of another kind, refused", len(spoilt) + 2)


def test_truncated_checkpoints_are_refused(model, tmp_path, monkeypatch, rounds, count):
    monkeypatch.chdir(tmp_path)
    raw, places = (model / "best_model.pt").read_bytes(), min(50, 5 * rounds)
    for number in range(places):
        Path("cut.pt").write_bytes(raw[: len(raw) * number // places])
        require_refused("cut.pt")
    count("truncated checkpoints, refused", places)


def same(one, other):
    """Whether two contents of checkpoints are equal."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    return one == other


def test_flipped_bits_in_checkpoints_are_refused_or_change_nothing(model, tmp_path, monkeypatch, rounds, count):
    monkeypatch.chdir(tmp_path)
    raw, chance = (model / "best_model.pt").read_bytes(), random.Random(0)
    content = torch.load(model / "best_model.pt", weights_only=True)
    for _ in range(min(200, 20 * rounds)):
        flipped = bytearray(raw)
        flipped[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        Path("flipped.pt").write_bytes(flipped)
        try:
            assert same(read_checkpoint(Path("flipped.pt")), content)
            count("flipped bits in checkpoints, in padding: the same content")
        except CheckpointError as error:
            assert error.hint
            count("flipped bits in checkpoints, refused")


def decoded(raw):
    """The image if it passes the check, as an encoder decodes it."""
    start, problem = time.monotonic(), verify_image(raw)
    assert problem is None or (isinstance(problem, str) and "\n" not in problem)
    if not problem:
        Image.open(BytesIO(raw)).convert("RGB")
    assert time.monotonic() - start < ENOUGH_SECONDS


def test_truncated_images(rounds, count):
    for kind in KINDS:
        raw = image_bytes(1, (120, 80), kind)
        steps = min(100, 20 * rounds)
        for number in range(steps):
            decoded(raw[: len(raw) * number // steps])
            count("truncated images")


def mutated(raw, chance):
    """Bytes with a few of them changed, left out, doubled or swapped."""
    changed = bytearray(raw)
    for _ in range(chance.randrange(1, 8)):
        at, length = chance.randrange(len(changed) + 1), chance.randrange(1, 40)
        match chance.randrange(5):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case 3:
                changed[at:at] = chance.choice(
                    (b'"', b"'", b",", b"\t", b"\n", b"\r", b"\0", b"\xff", b"[", b"{", b";")
                )
            case 4:
                changed[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
    return bytes(changed)


def test_mutated_images(rounds, count):
    chance = random.Random(1)
    for number in range(min(500, 60 * rounds)):
        kind = KINDS[number % len(KINDS)]
        decoded(mutated(image_bytes(number, (40, 30), kind), chance))
        count("mutated images")


def tables(folder):
    """Small tables and lists in every form that is read, as bytes by name."""
    rows = [(str(number), f'text, of "{number}"; é', f"data/{number}.jpg", TAGS[number % 3]) for number in range(1, 13)]
    records = [dict(zip(("guid", "text", "image", "tag"), row, strict=True)) for row in rows]
    csv = "guid,text,image,tag\n" + "".join(f'{a},"{b.replace(chr(34), chr(34) * 2)}",{c},{d}\n' for a, b, c, d in rows)
    tsv = "guid\ttext\timage\ttag\n" + "".join("\t".join(row).replace('"', "") + "\n" for row in rows)
    return {
        "pairs.csv": csv.encode(),
        "utf16/pairs.csv": csv.encode("utf-16"),
        "gbk/pairs.csv": csv.replace("é", "情感").encode("gb18030"),
        "tab/pairs.csv": tsv.encode(),
        "pairs.jsonl": "".join(json.dumps(record) + "\n" for record in records).encode(),
        "lab/train.txt": ("guid,tag\n" + "".join(f"{row[0]},{row[3]}\n" for row in rows)).encode(),
        "lab/test_without_label.txt": b"guid,tag\n101,null\n102,null\n103,null\n",
    }


def read_both(path, **settings):
    """Read the labelled and the unlabelled pairs of a source, or be refused; each problem is listed once."""
    for labelled in (True, False):
        try:
            pairs = api.read_pairs(path, labelled=labelled, **settings)
            assert all(pair.text or pair.image for pair in pairs)
        except MmsentError as error:
            assert error.message and error.hint
            rows = re.findall(r"[\w.]+:\d+: ", error.message)
            assert len(rows) == len(set(rows)), error.message


def test_mutated_tables_and_lists(tmp_path, rounds, count):
    lab, chance, start = small_lab(tmp_path / "lab", pairs=12), random.Random(2), time.monotonic()
    shutil.copytree(lab / "data", tmp_path / "data")
    whole = tables(tmp_path)
    for number in range(min(2000, 60 * rounds)):
        name = list(whole)[number % len(whole)]
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        raw = mutated(whole[name], chance)
        path.write_bytes(raw)
        try:
            read_both(lab if path.parent == lab else path, on_bad=chance.choice(("stop", "drop", "blank")))
        except Exception as error:
            raise AssertionError(f"{name}: {raw!r}") from error
        path.write_bytes(whole[name])
        count("mutated tables and lists")
    assert time.monotonic() - start < ENOUGH_SECONDS * max(1, rounds)


def test_a_path_that_no_file_can_have(tmp_path, count):
    """Found by mutated tables: an absolute path whose folder has a name longer than 255 bytes."""
    (tmp_path / "pairs.csv").write_text(
        f"guid,text,image,tag\n1,a,/{'x' * 300}/{'y' * 300}.jpg,positive\n2,b,b.jpg,negative\n"
    )
    for on_bad in ("stop", "drop", "blank"):
        read_both(tmp_path / "pairs.csv", on_bad=on_bad)
    count("paths that no file can have")


LETTERS = {
    "gb18030": "今天真好，",
    "big5": "今天真好，",
    "shift_jis": "今日は良い。",
    "euc_kr": "오늘은 좋다 ",
    "cp1251": "добрый день ",
    "koi8_r": "добрый день ",
    "iso8859_8": "יום טוב ",
    "cp1252": "très bon café ",
}


def test_texts_of_every_length_in_every_character_set(tmp_path, rounds, count):
    sizes = (0, 1, 2, 3, 1000, 65_537, 1_000_000)
    for number, codec in enumerate(CODECS[: 3 + 3 * rounds]):
        assert known_codec(codec)
        folder = small_lab(tmp_path / codec)
        letters = LETTERS.get(codec, "今天 très добрый ")
        for place, size in enumerate(sizes, 1):
            raw = (letters * (size // len(letters.encode(codec)) + 2)).encode(codec)[: max(size, 0)]
            (folder / "data" / f"{place}.txt").write_bytes(raw)
        shuffled = random.Random(number).randbytes(5000)
        (folder / "data" / "9.txt").write_bytes(shuffled)
        for settings in ({}, {"encoding": codec}):
            read_both(folder, on_bad="blank", **settings)
            count("corpora with texts of 0 to 1 MB")
        api.inspect_encoding(folder)
        shutil.rmtree(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1.5 * 2**20, "kilobytes"


def test_the_texts_are_predicted_whatever_they_are(model, tmp_path, monkeypatch, count):
    monkeypatch.chdir(tmp_path)
    folder = small_lab(tmp_path / "lab")
    contents = (b"\0" * 10_000, os.urandom(100_000), b"x" * 1_000_000, "\u202e\u200b\ufeff".encode() * 100, b"\xff\xfe")
    for place, raw in zip(("101", "102", "103", "1", "2"), contents, strict=True):
        (folder / "data" / f"{place}.txt").write_bytes(raw)
    picture(5).save(folder / "data" / "101.png")
    result = mmsent("predict", "--data", "lab", "--checkpoint", model, "--out", "out.csv", "--on-bad", "blank")
    assert result.exit_code in (0, 1), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    count("predictions of texts of any bytes", len(contents))
