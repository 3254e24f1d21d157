"""Bad input: two lines that name the file and the remedy, exit code 1, and nothing written."""

import os
import pickle
import shutil
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import torch

from mmsent_cli.encoders.weights import source
from tests.commands.running import QUICK, assert_refused, mmsent, run_folders, same_weights, small_lab, succeed, weights
from tests.data.builders import huge_png, image_bytes

TRAIN = ("train", "--data", "lab", *QUICK, "--epochs", 1)
PREDICT = ("predict", "--data", "lab", "--out", "out.csv")


def remove(name):
    return lambda lab: (lab / name).unlink()


def put(name, content):
    return lambda lab: (lab / name).write_bytes(content)


def add_line(name, line):
    return lambda lab: (lab / name).write_text((lab / name).read_text() + line + "\n")


def cut_header(name):
    return lambda lab: (lab / name).write_text((lab / name).read_text().partition("\n")[2])


def empty_folder(lab):
    shutil.rmtree(lab)
    lab.mkdir()


CUT_JPEG = image_bytes(1, (200, 200))[:900]
BROKEN_IMAGES = {
    "zero bytes": (b"", "zero bytes"),
    "truncated": (CUT_JPEG, "truncated"),
    "a text renamed": (b"just words\n", "not an image"),
    "30,000 x 30,000": (huge_png(), "30000 x 30000 pixels"),
}
ON_BAD = "--on-bad"

BAD_FOR_TRAINING = {
    "missing image": (remove("data/3.jpg"), "3.jpg", ON_BAD),
    "missing text": (remove("data/3.txt"), "3.txt", ON_BAD),
    "empty text": (put("data/3.txt", b" \n"), "3.txt", ON_BAD),
    **{name: (put("data/3.jpg", raw), "3.jpg", why, ON_BAD) for name, (raw, why) in BROKEN_IMAGES.items()},
    "unknown tag": (add_line("train.txt", "101,glad"), "train.txt:20", "glad", "--labels"),
    "duplicate guid": (add_line("train.txt", "3,positive"), "train.txt:20", "duplicate guid 3"),
    "bad row": (add_line("train.txt", "101"), "train.txt:20", "guid,tag"),
    "missing header": (cut_header("train.txt"), "train.txt:1", "guid,tag"),
    "empty list": (put("train.txt", b""), "train.txt", "guid,tag"),
    "one class": (put("train.txt", b"guid,tag\n1,positive\n2,positive\n"), "two or more classes"),
    "empty folder": (empty_folder, "lab", "--data"),
    "no folder": (shutil.rmtree, "lab", "check the path"),
}

BAD_FOR_PREDICTING = {
    **{name: (put("data/102.jpg", raw), "102.jpg", why, ON_BAD) for name, (raw, why) in BROKEN_IMAGES.items()},
    "nothing of a pair": (lambda lab: [path.unlink() for path in lab.glob("data/102.*")], "102", ON_BAD),
    "duplicate guid": (add_line("test_without_label.txt", "102,null"), "test_without_label.txt:5", "duplicate"),
    "missing header": (cut_header("test_without_label.txt"), "test_without_label.txt:1", "guid,tag"),
    "empty folder": (empty_folder, "lab", "no text files"),
    "no folder": (shutil.rmtree, "lab", "check the path"),
}


@pytest.fixture
def with_run(work, trained):
    """A finished run in `runs`, beside the lab layout."""
    shutil.copytree(trained.parent, "runs", symlinks=True)
    return work


@pytest.mark.parametrize("case", BAD_FOR_TRAINING)
def test_training_is_refused(work, case):
    spoil, *reported = BAD_FOR_TRAINING[case]
    spoil(work)
    assert_refused(mmsent(*TRAIN), *reported)
    assert not Path("runs").exists()


@pytest.mark.parametrize("case", BAD_FOR_PREDICTING)
def test_prediction_is_refused(with_run, case):
    spoil, *reported = BAD_FOR_PREDICTING[case]
    spoil(with_run)
    assert_refused(mmsent(*PREDICT), *reported)
    assert {path.name for path in Path().iterdir()} <= {"lab", "runs"}


def test_the_nearest_folder_of_a_mistyped_path_is_named(work):
    """Each part of a path may be the mistyped one."""
    small_lab(work.parent / "student/lab")
    for typed, base in (("studen/lab", work.parent), ("student/lap", work.parent / "student")):
        assert_refused(mmsent("check", "--data", typed), f"{base} has no", str(work.parent / "student/lab"))
    assert_refused(mmsent("check", "--data", "zzz/lab"), f"{work.parent} has no 'zzz'")


def test_a_mistyped_preset_is_told(work):
    assert_refused(mmsent("train", "--preset", "fats", "--data", "lab"), "did you mean fast?")


@pytest.mark.parametrize("command", [TRAIN, PREDICT])
def test_an_unreadable_folder(with_run, monkeypatch, command):
    scan = os.scandir

    def refuse(path="."):
        if Path(path).name == "lab":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        assert_refused(mmsent(*command), "lab", "permission")
    assert len(run_folders()) == 1
    assert not Path("out.csv").exists()


def test_all_problems_are_told_at_once(work):
    for number in range(1, 8):
        put(f"data/{number}.jpg", b"")(work)
    assert_refused(mmsent(*TRAIN), "7 of 18", "1.jpg", "and 2 more")


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_line_ends_marks_and_spaces_are_no_errors(with_run, start):
    for name in ("train.txt", "test_without_label.txt"):
        lines = (with_run / name).read_text().splitlines()
        spaced = "\r\n".join(f" {line.replace(',', ' , ')} " for line in lines) + "\r\n\r\n"
        (with_run / name).write_bytes(start + spaced.encode())
    values = succeed(*TRAIN, "--json")
    assert values["train_pairs"] + values["val_pairs"] == 18
    assert succeed(*PREDICT, "--json")["pairs"] == 3


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("sprung"),))


def spoilt_checkpoints(good):
    content = torch.load(good, weights_only=True)
    torch.save({"state": {}}, "state.pt")
    torch.save([1, 2], "list.pt")
    torch.save({**content, "extra": Trap()}, "trap.pt")
    Path("trap.pickle").write_bytes(pickle.dumps(Trap()))
    torch.save({**content, "version": 99}, "later.pt")
    torch.save({**content, "state": {}}, "hollow.pt")
    torch.save({name: value for name, value in content.items() if name != "labels"}, "nameless.pt")
    torch.save({**content, "labels": ["a", "b"]}, "classes.pt")
    torch.save({**content, "model": {"colour": "red"}}, "strange.pt")
    Path("cut.pt").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    Path("empty.pt").write_bytes(b"")
    Path("words.pt").write_text("no checkpoint at all")


def test_checkpoints_of_a_wrong_kind(with_run, trained):
    spoilt_checkpoints(trained / "best_model.pt")
    names = [*sorted(path.name for path in Path().glob("*.pt")), "trap.pickle"]
    assert len(names) == 12
    for name in names:
        result = mmsent(*PREDICT, "--checkpoint", name)
        assert_refused(result, name, "mmsent train")
        assert not Path("out.csv").exists()
    assert not Path("sprung").exists()


def test_a_corrupt_feature_store_is_told_and_computed_anew(work, empty_cache):
    before = succeed(*TRAIN, "--json")
    assert not any("damaged" in note for note in before["notes"])
    for packed in Path(os.environ["MMSENT_CACHE"]).glob("features/*/*.bin"):
        raw = bytearray(packed.read_bytes())
        raw[len(raw) // 2] ^= 255
        packed.write_bytes(raw)
    after = succeed(*TRAIN, "--json")
    assert any("2 damaged" in note for note in after["notes"])
    assert same_weights(weights(before["run"]), weights(after["run"]))


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (("--encoders", "clip"), "clip"),
        (("--encoders", "bert-resnet18"), "bert-base-uncased"),
        (("--encoders", "light", "--text-encoder", "hf:no/such"), "no/such"),
        (("--encoders", "light", "--image-encoder", "hf:no/such"), "no/such"),
        (("--encoders", "light", "--image-encoder", "timm:resnet10t"), "resnet10t"),
    ],
)
def test_weights_that_cannot_be_had_offline(with_run, options, reported):
    (run,) = run_folders()
    assert_refused(mmsent("train", "--data", "lab", *options, "--offline"), reported, "--weights-dir")
    assert run_folders() == [run]
    assert Path("runs/latest").resolve() == run.resolve()


def test_a_hub_that_does_not_answer_is_noticed_in_time(work, monkeypatch):
    over = threading.Event()

    def silent(url, timeout):
        over.wait(30)
        raise TimeoutError

    monkeypatch.setattr(urllib.request, "urlopen", silent)
    monkeypatch.setattr(source, "TIMEOUT_SECONDS", 0.2)
    start = time.monotonic()
    assert_refused(mmsent("train", "--data", "lab", "--encoders", "clip"), "does not respond", "--weights-dir")
    over.set()
    assert time.monotonic() - start < 15
    assert not run_folders()


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (("--fusion", "sum"), "concat"),
        (("--encoders", "lihgt"), "did you mean light"),
        (("--freeze-text", "99"), "--freeze-text"),
        (("--head-hidden", "8", "--head-dropout", "0.1,0.2"), "--head-dropout"),
        (("--text-cleaning", "polish"), "lowercase"),
        (("--limit", 1), "--limit"),
        (("--val-size", 1.5), "--val-size"),
        (("--head-lr", "nan"), "--head-lr"),
        (("--device", "abacus"), "abacus"),
        (("--encoding", "klingon"), "klingon"),
        (("--split", "none.json"), "none.json"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_options_that_cannot_be_used(work, options, reported):
    assert_refused(mmsent(*TRAIN, *options), reported)
    assert not run_folders()


def test_an_error_cannot_change_a_terminal(work):
    result = mmsent("train", "--data", "no\x1b[31mfile")
    assert_refused(result, r"no\x1b[31mfile")
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("guid", ["a\nb", "a\x1b[31mb", "a\x07b"])
def test_a_guid_with_control_characters_is_refused_with_its_row(work, guid):
    Path("pairs.csv").write_text(f'guid,text,tag\n1,a,positive\n"{guid}",b,negative\n')
    result = mmsent("train", "--data", "pairs.csv", "--fusion", "text-only")
    assert_refused(result, "pairs.csv:3: the guid", repr(guid), "control characters")


@pytest.mark.parametrize("name", ["none.json", "lab", "pipe"])
def test_a_wrong_split_is_found_before_the_pairs_are_checked(work, name):
    os.mkfifo("pipe")
    result = mmsent(*TRAIN, "--split", name)
    assert_refused(result, f"cannot read the split {Path(name).absolute()}")
    assert "checking" not in result.stderr
