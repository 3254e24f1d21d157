"""`check` finds what was put into a data set, lists it whole by guid, and agrees with what training accepts."""

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from mmsent_cli import api
from mmsent_cli.checks.inputs import open_readers
from mmsent_cli.config import DataConfig, Facts, ModelConfig, RuntimeConfig, SplitConfig, TrainConfig, resolve_model
from mmsent_cli.data.split import apply_split
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError, DataError, MmsentError, WeightsUnavailable
from mmsent_cli.next_steps import next_commands
from mmsent_cli.training.plan import plan_run
from tests.commands.running import mmsent, succeed
from tests.data.builders import TAGS, image_bytes, write_lab

LIGHT = {"encoders": "light", "image_size_px": 32, "max_length_tokens": 12}
pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """60 good pairs and 4 to predict. Each text has nine words of its own, each image 48 x 40 pixels."""
    monkeypatch.chdir(tmp_path)
    folder = write_lab(tmp_path / "lab", {str(n): TAGS[n % 3] for n in range(1, 61)}, ("101", "102", "103", "104"))
    for path in (folder / "data").glob("*.txt"):
        path.write_text(" ".join(f"word{path.stem}" for _ in range(9)) + " common here")
        path.with_suffix(".jpg").write_bytes(image_bytes(int(path.stem), (48, 40)))
    return folder / "data"


def checked(*arguments, **settings):
    """The outcomes of a check by name."""
    result = api.check(*arguments or ("lab",), **{**LIGHT, **settings}).result
    return {one.check: one for one in result.checks}, result


def guids(outcome):
    return [pair.guid for pair in outcome.pairs]


def copy(folder, source, target, text=True, image=True):
    """Give a pair the text and the image of another one."""
    for suffix in [".txt"] * text + [".jpg"] * image:
        (folder / f"{target}{suffix}").write_bytes((folder / f"{source}{suffix}").read_bytes())


def test_good_pairs_pass_every_check(lab):
    found, result = checked()
    levels = {name: one.level for name, one in found.items() if one.level != "ok"}
    # 60 words that occur once are unknown to a vocabulary of frequent ones, and 12 validation pairs say little
    assert set(levels) <= {"class sizes", "split", "unknown tokens"}
    assert (result.can_train, result.pairs, result.usable, result.to_predict) == (True, 60, 60, 4)
    assert result.counts == dict.fromkeys(TAGS, 20)
    assert result.image_kinds == {"JPEG": 60}
    assert result.encodings == {"ascii": 60}
    assert {one.name: one.median for one in result.distributions} == pytest.approx(
        {"words": 11, "characters": 74, "tokens of light": 11, "image width, px": 48, "image height, px": 40}
        | {"image file, KB": next(o.median for o in result.distributions if o.name == "image file, KB")}
    )


def test_everything_wrong_is_found_and_listed_by_guid(lab):
    (lab / "1.jpg").write_bytes(image_bytes(1)[:300])
    (lab / "2.jpg").write_bytes(b"<!doctype html>")
    (lab / "3.jpg").unlink()
    (lab / "4.txt").write_text(" \n")
    for guid in "5678":
        (lab / f"{guid}.txt").write_text("very long " * 10 + guid)
    copy(lab, 13, 10)
    copy(lab, 13, 16)
    copy(lab, 19, 20, text=False)
    (lab / "22.txt").write_text("")
    (lab / "23.txt").write_bytes("gut gemacht \ufffd".encode())
    Image.new("RGB", (200, 40)).save(lab / "24.jpg")
    frames = [Image.new("RGB", (48, 40), color) for color in ("red", "blue")]
    (lab / "25.jpg").unlink()
    frames[0].save(lab / "25.gif", save_all=True, append_images=frames[1:])
    (lab / "26.jpg").write_bytes(image_bytes(26, (20, 48)))
    (lab / "99.txt").write_text("nobody lists it")
    copy(lab, 30, 101)
    copy(lab, 31, 102, image=False)
    (lab / "103.jpg").write_bytes(b"no image")
    with (lab.parent / "train.txt").open("a") as lines:
        lines.write("1,neutral\n61,netural\n,positive\n")
    found, result = checked()
    assert not result.can_train
    assert {name: guids(found[name]) for name in ("broken images", "missing images", "missing texts")} == {
        "broken images": ["1", "2"],
        "missing images": ["3"],
        "missing texts": ["4", "22"],
    }
    assert found["rows"].level == "error"
    assert len(found["rows"].pairs) == 3
    assert any("netural" in pair.detail and "neutral" in pair.detail for pair in found["rows"].pairs)
    assert (guids(found["cut texts"]), found["cut texts"].level) == (["5", "6", "7", "8"], "warning")
    assert found["cut texts"].pairs[0].detail == "21 tokens"
    assert sorted(guids(found["exact duplicates"])) == ["10", "13", "16"]
    assert sorted(guids(found["near-duplicates"])) == ["10", "13", "16", "19", "20"]
    assert {(pair.guid, pair.tag) for pair in found["conflicting labels"].pairs} == {
        ("19", "neutral"), ("20", "positive")
    }  # fmt: skip
    assert {pair.group for pair in found["near-duplicates"].pairs} == {"1", "2"}
    assert guids(found["long images"]) == ["24"]
    assert guids(found["image formats"]) == ["25"]
    assert result.image_kinds == {"JPEG": 54, "GIF": 1}
    assert guids(found["small images"]) == ["26"]
    assert found["small images"].level == "ok"
    assert guids(found["unlisted files"]) == ["99"]
    assert [(pair.guid, pair.detail) for pair in found["overlap"].pairs] == [
        ("101", "text and image"), ("102", "text or image")
    ]  # fmt: skip
    assert guids(found["pairs to predict"]) == ["103"]
    assert (result.pairs, result.usable) == (63, 55)
    assert result.rows == {"read": 63, "used": 55, "skipped": 0, "refused": 8}
    assert any("63 rows: 55 used, 0 skipped, 8 with errors" in note for note in result.notes)
    assert found["usable pairs"].message.startswith("55 of 63 ")
    with pytest.raises(DataError, match="3 of 63 rows have errors"):
        api.train("lab", **LIGHT)


@pytest.mark.parametrize(
    ("row", "following"), [("", ["--on-bad drop"]), ("1,neutral\n", ["--on-bad drop"]), ("200,odd\n", [])]
)
def test_the_next_command_is_left_out_where_it_would_not_help(lab, row, following):
    (lab / "2.jpg").write_bytes(b"<!doctype html>")
    with (lab.parent / "train.txt").open("a") as lines:
        lines.write(row)
    run = api.check("lab", **LIGHT)
    assert not run.result.can_train
    assert [line.partition(" --on-bad")[1].strip() + " drop" for line in next_commands(run, run.result)] == following


def test_the_lists_are_files_of_the_run(lab):
    (lab / "3.jpg").unlink()
    (lab / "7.jpg").write_bytes(b"{}")
    run = api.check("lab", **LIGHT)
    broken = pd.read_csv(run.path("pairs_to_check/broken-images.csv"), dtype=str)
    assert broken.loc[0, ["guid", "tag"]].tolist() == ["7", TAGS[7 % 3]]
    assert "JSON" in broken.loc[0, "detail"]
    assert pd.read_csv(run.path("pairs_to_check/missing-images.csv"))["guid"].tolist() == [3]
    assert not run.path("pairs_to_check/missing-texts.csv").exists()
    table = run.to_frame().set_index("check")
    assert table.loc["broken images", ["level", "pairs"]].tolist() == ["error", 1]
    assert run.to_frame("pairs").query("check == 'missing images'")["guid"].tolist() == ["3"]


def spoil_image(lab):
    (lab / "1.jpg").write_bytes(b"no image")


def spoil_row(lab):
    with (lab.parent / "train.txt").open("a") as lines:
        lines.write("62,\n")


def one_class(lab):
    lines = (lab.parent / "train.txt").read_text().replace("negative", "neutral").replace("positive", "neutral")
    (lab.parent / "train.txt").write_text(lines)


def single_pair_of_a_class(lab):
    lines = (lab.parent / "train.txt").read_text().replace("negative", "neutral").splitlines()
    (lab.parent / "train.txt").write_text("\n".join([*lines[:-1], "60,negative"]))


def nothing(lab):
    pass


@pytest.mark.parametrize(
    ("spoil", "settings", "on_bad"),
    [
        (nothing, {}, "stop"),
        (spoil_image, {}, "stop"),
        (spoil_image, {}, "drop"),
        (spoil_image, {}, "blank"),
        (spoil_image, {"fusion": "text-only"}, "stop"),
        (spoil_row, {}, "stop"),
        (spoil_row, {}, "drop"),
        (spoil_row, {}, "blank"),
        (one_class, {}, "stop"),
        (single_pair_of_a_class, {}, "stop"),
        (nothing, {"val_size": 0.01}, "stop"),
        (nothing, {"labels": ("negative", "neutral", "positive", "mixed")}, "stop"),
        (nothing, {"split": "split.json"}, "drop"),
    ],
)
def test_check_passes_exactly_if_training_would_start(lab, spoil, settings, on_bad):
    if "split" in settings:
        api.split("lab", out="split.json")
        (lab.parent / "train.txt").write_text("".join((lab.parent / "train.txt").open().readlines()[:40]))
    spoil(lab)
    of = {
        kind: {name: value for name, value in settings.items() if name in kind.__dataclass_fields__}
        for kind in (SplitConfig, ModelConfig, DataConfig)
    }
    config = TrainConfig(
        data=DataConfig(data="lab", on_bad=on_bad, **of[DataConfig]),
        split=SplitConfig(**of[SplitConfig]),
        model=ModelConfig(**{**LIGHT, **of[ModelConfig]}),
        runtime=RuntimeConfig(engine="torch", precision="fp32"),
    )
    try:
        plan = plan_run(config)
        apply_split(plan.split, plan.dataset.pairs)
        starts = True
    except MmsentError:
        starts = False
    _, result = checked(on_bad=on_bad, **settings)
    assert result.can_train is starts


def test_an_unusable_pair_is_a_warning_where_it_is_dropped_and_nothing_where_it_is_not_needed(lab):
    spoil_image(lab)
    levels = {
        name: checked(**settings)[0]["broken images"].level
        for name, settings in {"stop": {}, "drop": {"on_bad": "drop"}, "text": {"fusion": "text-only"}}.items()
    }
    assert levels == {"stop": "error", "drop": "warning", "text": "ok"}


def test_a_table_and_a_frame_are_checked_too(lab):
    rows = [
        {"guid": str(n), "text": f"word {n}", "image": f"lab/data/{n}.jpg", "tag": TAGS[n % 3]} for n in range(1, 31)
    ]
    rows[3]["image"], rows[4]["image"] = "lab/data/none.jpg", "https://x.org/1.jpg"
    rows[5]["text"], rows[6]["tag"] = "", None
    frame = pd.DataFrame(rows)
    frame.to_csv("pairs.csv", index=False)
    by_table, result = checked("pairs.csv")
    assert guids(by_table["missing images"]) == ["4", "5"]
    assert guids(by_table["broken images"]) == []
    assert guids(by_table["missing texts"]) == ["6"]
    assert (result.pairs, result.usable, result.to_predict) == (29, 26, 1)
    by_frame, _ = checked(frame.dropna(subset="tag"))
    assert guids(by_frame["missing images"]) == ["4", "5"]


def test_the_character_set_is_an_error_where_it_is_undecided(lab):
    (lab / "1.txt").write_bytes(b"gr\xfc\xdfe")
    found, result = checked()
    assert (found["character set"].level, result.can_train) == ("error", False)
    found, result = checked(encoding="latin-1")
    assert (found["character set"].level, result.can_train) == ("ok", True)


def test_texts_that_an_english_encoder_cannot_read(lab):
    for number in range(1, 11):
        (lab / f"{number}.txt").write_text("今天天气很好啊 " * 3, encoding="utf-8")
    found, _ = checked(encoders="compact", max_length_tokens=20)
    assert guids(found["scripts"]) == [str(number) for number in range(1, 11)]
    assert found["scripts"].level == "warning"
    assert guids(found["cut texts"])[:10] == [str(number) for number in range(1, 11)]
    assert checked()[0]["scripts"].level == "ok"


@pytest.mark.parametrize(
    ("encoder", "offline", "starts"), [("resnet18", True, False), ("resnet18", False, True), ("light", False, False)]
)
def test_weights_that_are_nowhere_stop_a_training_unless_it_downloads_them(lab, monkeypatch, encoder, offline, starts):
    def missing(*_):
        raise WeightsUnavailable("no weights", "get them")

    monkeypatch.setattr("mmsent_cli.checks.inputs.build_image_encoder", missing)
    found, result = checked(image_encoder=encoder, offline=offline)
    assert result.can_train is starts
    assert found["weights"].level == ("warning" if starts else "error")
    assert "small images" not in found


def test_a_preset_brings_its_folds_and_the_tokenizers_of_its_probes(lab):
    found, result = checked(preset="fast", encoders=None, max_length_tokens=None, image_size_px=None)
    assert found["split"].message.startswith("5 folds")
    assert "cut texts" in found
    assert result.can_train


def test_only_the_text_encoders_of_probes_read_texts(tmp_path):
    model = resolve_model(ModelConfig(encoders="compact"), Facts(has_folds=True))
    model = replace(model, probes=("minilm", "image:efficientnet-lite0", "lexicon"))
    readers = open_readers(model, WeightSource(cache=tmp_path), ("text", "image"), [])
    assert list(readers.texts) == ["minilm", "minilm-layers"]
    assert (readers.image_size_px, readers.problems) == (224, [])


def test_optional_probes_are_looked_for_on_this_machine_alone(lab, monkeypatch):
    def choose(model, weights, progress):
        assert weights.offline
        return replace(model, probes=()), (f"{len(model.optional_probes)} are left out",)

    monkeypatch.setattr("mmsent_cli.checks.data.choose_probes", choose)
    _, result = checked(preset="best-hub", encoders=None, max_length_tokens=None, image_size_px=None)
    assert result.can_train
    assert "4 are left out" in result.notes


@pytest.mark.parametrize("policy", ["stop", "drop"])
def test_pairs_without_labels_are_checked_for_a_prediction(lab, policy):
    rows = [{"guid": n, "text": f"word {n}", "image": f"lab/data/{n}.jpg"} for n in range(1, 9)]
    rows[3]["image"], rows[4]["text"] = "lab/data/none.jpg", ""
    lines = [json.dumps(row) for row in rows]
    Path("posts.jsonl").write_text("\n".join([*lines[:6], lines[6][:20], *lines[7:]]))
    found, result = checked("posts.jsonl", on_bad=policy)
    level = "error" if policy == "stop" else "warning"
    assert {name: found[name].level for name in ("labels", "rows", "missing images", "missing texts")} == {
        "labels": "warning", "rows": level, "missing images": level, "missing texts": "ok"
    }  # fmt: skip
    assert (found["rows"].pairs[0].detail.partition(": ")[0], guids(found["missing images"])) == (
        "posts.jsonl:7",
        ["4"],
    )
    assert (result.can_train, result.labels, result.to_predict, result.usable) == (False, (), 8, 6)
    ended = mmsent("check", "--data", "posts.jsonl", "--encoders", "light", "--on-bad", policy)
    assert ended.exit_code == (policy == "stop")
    assert ("mmsent check" if policy == "stop" else "mmsent predict --on-bad drop") in ended.stdout


def test_what_cannot_be_read_at_all_is_refused_and_leaves_no_run(lab):
    for arguments, error in ((("nowhere",), DataError), (("lab/data",), DataError)):
        with pytest.raises(error):
            checked(*arguments)
    with pytest.raises(ConfigError):
        checked(folds=5)  # of encoders from scratch
    assert not Path("runs").exists()


def test_the_command_exits_with_1_if_training_cannot_run(lab):
    quick = ("check", "--data", "lab", "--encoders", "light", "--image-size-px", 32)
    assert mmsent(*quick).exit_code == 0
    values = succeed(*quick, "--json")
    assert (values["can_train"], values["usable"], len(values["checks"])) == (True, 60, len(checked()[0]))
    spoil_image(lab)
    stopped = mmsent(*quick, "--json")
    assert stopped.exit_code == 1
    assert json.loads(stopped.stdout)["can_train"] is False
    assert mmsent(*quick, "--on-bad", "drop").exit_code == 0


def test_a_check_is_a_run_that_is_listed_and_no_model(lab):
    run = api.check("lab", **LIGHT)
    (row,) = api.runs().runs
    assert (row.command, row.is_finished, row.accuracy, row.data) == ("check", True, None, "lab")
    with pytest.raises(MmsentError):
        api.load()
    assert run.read_json("result.json")["can_train"] is True


def test_a_check_that_passes_suggests_the_training_it_was_made_for(lab):
    run = api.check("lab", **{**LIGHT, "on_bad": "drop", "val_size": 0.3})
    (line,) = next_commands(run, run.result)
    assert f" --data {lab.parent} " in line
    trained = succeed(*shlex.split(line)[1:], "--epochs", 1, "--batch-size", 8, "--json")
    assert (trained["train_pairs"], trained["val_pairs"]) == (42, 18)
    spoil_image(lab)
    stopped = api.check("lab", **LIGHT)
    (line,) = next_commands(stopped, stopped.result)
    assert line.startswith("mmsent check ") and line.endswith(" --on-bad drop")


def test_marks_become_plain_where_a_terminal_lacks_them(lab, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    code = "from mmsent_cli.reports.tables import out; out().print('✔ ok ⚠ ✘ é')"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=Path(__file__).parents[2])
    assert shown.stdout.decode().strip() == "+ ok ! x \\xe9"


def test_pairs_over_the_limit_are_told_as_in_a_training(tmp_path, session_cache):
    from mmsent_cli.api import check
    from mmsent_cli.config import DataConfig
    from mmsent_cli.data.check import load_labelled

    lab = write_lab(tmp_path / "lab", {str(number): TAGS[number % 3] for number in range(30)})
    checked = check(lab, encoders="light", limit=12, runs_dir=tmp_path / "runs").result.notes
    trained = load_labelled(DataConfig(data=str(lab), limit=12), tmp_path / "cache").notes
    accounts = [next(note for note in notes if note.startswith("train.txt")) for notes in (checked, trained)]
    assert accounts[0] == accounts[1]
    assert "30 rows: 12 used, 18 skipped" in accounts[0]


@pytest.mark.parametrize("header", ["guid,text,image", "guid,text,image,tag"])
def test_a_table_with_nothing_but_a_header_is_an_error(lab, header):
    Path("empty.csv").write_text(f"{header}\n")
    found, result = checked("empty.csv")
    assert (found["usable pairs"].level, result.to_predict) == ("error", 0)
    assert mmsent("check", "--data", "empty.csv", "--encoders", "light").exit_code == 1


def test_swapped_columns_are_also_named_without_labels(lab):
    Path("posts.csv").write_text("guid,text,image\n1,a.jpg,a text\n")
    with pytest.raises(DataError, match="swapped"):
        checked("posts.csv")


def test_pairs_to_predict_may_lack_an_image_but_not_name_a_file_that_is_not_there(lab):
    rows = ["1,a text,", "2,a text,null", "3,a text,gone.jpg", "4,,"]
    Path("posts.csv").write_text("\n".join(["guid,text,image", *rows]))
    found, _ = checked("posts.csv")
    assert [pair.guid for pair in found["missing images"].pairs] == ["3", "4"]
    assert "4 of 4 pairs lack their image, an error for 2 of them" in found["missing images"].message
    assert [pair.guid for pair in found["missing texts"].pairs] == ["4"]
