"""`mmsent ablate`: which checkpoint and pairs, files and JSON, resuming, refusals, and what it leaves as it was."""

import csv
import json
import shlex
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

from mmsent_cli.config.command_settings import AblateSettings
from mmsent_cli.data.split import read_split
from mmsent_cli.progress import ModelBegun, Stage, Step
from tests.commands.running import (
    QUICK,
    assert_refused,
    interrupted,
    mmsent,
    run_folders,
    small_lab,
    succeed,
    without_source,
)

SIDES, METHODS = ("text", "image"), ("zero", "mean", "permuted", "missing")
ARMS = ["both", *(f"{side} only, {method}" for method in METHODS for side in SIDES)]
RETRAINED = [*ARMS, "text only, retrained", "image only, retrained"]
ISSUE_KEYS = {"name", "accuracy", "macro_f1", "interval"}
FILES = {
    "ablation.png",
    "config.json",
    "contributions.png",
    "encoder_runs.json",
    "environment.json",
    "experiment.json",
    "predictions.csv",
    "report.html",
    "result.json",
    "split.json",
    "tables",
}


@pytest.fixture(scope="module")
def finished(trained):
    """An ablation of the trained run that nothing disturbed: its JSON and its folder; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(trained.parents[1])
        values = succeed("ablate", "--checkpoint", trained, "--runs-dir", "ablations", "--json")
    return values, trained.parents[1] / values["run"]


@pytest.fixture
def ready(tmp_path, monkeypatch, trained):
    """A copy of the trained run in `runs`, and its data in `lab`."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained.parent, "runs", symlinks=True)
    return small_lab(tmp_path / "lab")


@pytest.fixture
def interrupt(monkeypatch):
    """Press Ctrl-C at the n-th event of a kind."""
    return partial(interrupted, monkeypatch)


def ablate(*arguments):
    return succeed("ablate", *arguments, "--json")


def figures(values):
    """A result without where and how long."""
    return {name: value for name, value in values.items() if name not in ("run", "seconds")}


def training(runs="runs"):
    """The training run among the runs."""
    (found,) = [path for path in run_folders(Path(runs)) if (path / "best_model.pt").is_file()]
    return found


def test_an_ablation_writes_its_run_and_its_json(finished, trained):
    values, folder = finished
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads((folder / "result.json").read_text()) == figures(values)
    assert [arm["name"] for arm in values["arms"]] == ARMS
    assert all(arm.keys() >= ISSUE_KEYS for arm in values["arms"])
    assert (values["checkpoint"], values["trained_by"]) == ("best_model.pt", trained.name)
    assert values["source"] == f"validation pairs of {trained.name}"
    assert "on these same pairs, so the accuracy with both is optimistic" in (folder / "report.html").read_text()
    reported = json.loads((trained / "result.json").read_text())
    both = values["arms"][0]
    assert (both["accuracy"], both["macro_f1"]) == (reported["accuracy"], reported["macro_f1"])
    assert values["val_pairs"] == reported["val_pairs"]
    with (folder / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["guid", "tag", *ARMS]
    for arm in values["arms"]:
        assert sum(row["tag"] == row[arm["name"]] for row in rows) / len(rows) == arm["accuracy"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f"mmsent ablate --checkpoint {trained}/best_model.pt --emap-pairs {AblateSettings().emap_pairs}<" in page


def test_a_table_for_people_and_only_json_on_stdout(ready):
    shown = mmsent("ablate")
    assert shown.exit_code == 0, shown.output
    assert all(method in shown.stdout for method in METHODS)
    result = mmsent("ablate", "--json")
    assert json.loads(result.stdout)["fusion"] == "weighted"
    assert "\x1b" not in result.output


def test_the_newest_training_run_is_meant_when_an_experiment_is_newer(ready):
    """The job as the card has it: train, ablate, predict, with nothing else said."""
    best = str(training() / "best_model.pt")
    for how in ((), ("--checkpoint", "best_model.pt"), ("--checkpoint", "latest"), ("--checkpoint", training().name)):
        assert ablate(*how)["trained_by"] == training().name
    newest = Path("runs/latest").resolve()
    assert (newest / "experiment.json").is_file() and not (newest / "best_model.pt").exists()
    for how in ((), ("--checkpoint", "best_model.pt"), ("--checkpoint", "latest")):
        values = succeed("predict", "--data", "lab", *how, "--out", "out.csv", "--force", "--json")
        assert values["checkpoint"] == best
    last = succeed("predict", "--data", "lab", "--checkpoint", "last.pt", "--out", "out.csv", "--force", "--json")
    assert last["checkpoint"] == str(training() / "last.pt")
    newer = succeed("train", "--data", "lab", *QUICK, "--epochs", 1, "--fusion", "concat", "--json")["run"]
    assert ablate()["trained_by"] == Path(newer).name


def test_only_experiments_and_no_model(work):
    succeed("compare-fusions", "--data", "lab", *QUICK, "--epochs", 1, "--fusions", "concat", "--seeds", 1)
    for command in (("ablate",), ("predict", "--data", "lab", "--out", "out.csv")):
        assert_refused(mmsent(*command), "no trained model", "train a model first")


def test_a_checkpoint_named_through_latest_stays_the_same_when_latest_moves_on(ready, interrupt):
    """`latest` points to the ablation itself as soon as there is one."""
    for name in ("runs/latest/best_model.pt", "runs/latest"):
        Path("runs/latest").unlink()
        Path("runs/latest").symlink_to(training().name)
        stopped = interrupt(Stage, 3, "ablate", "--checkpoint", name, "--cache-dir", f"cold-{len(name)}")
        assert stopped.exit_code == 130, stopped.output
        newest = Path("runs/latest").resolve()
        told = f"mmsent ablate --resume {newest}"
        assert stopped.stderr.splitlines()[-1].endswith(told)
        values = ablate("--resume", "latest")
        assert (Path(values["run"]).name, values["trained_by"]) == (newest.name, training().name)


def test_retrained_models_beside_the_rest(ready):
    values = ablate("--retrain", "--emap-pairs", 2)
    assert [arm["name"] for arm in values["arms"]] == RETRAINED
    assert values["emap"]["pairs"] == 2
    assert sorted(path.name for path in Path(values["run"], "arms").glob("*.json")) == [
        "image-only-seed-0.json",
        "text-only-seed-0.json",
    ]


def test_an_interrupted_ablation_goes_on_to_the_same_end(ready, interrupt):
    """Ctrl-C in the training of the second model."""
    stopped = interrupt(Step, 3, "ablate", "--retrain")
    assert stopped.exit_code == 130
    (run,) = [path for path in run_folders() if path != training()]
    assert stopped.stderr.splitlines()[-1].endswith(f"mmsent ablate --resume {run.absolute()}")
    values = ablate("--resume", run.name)
    whole = ablate("--retrain")
    assert Path(values["run"]).resolve() == run.resolve()
    assert (run / "result.json").read_bytes() == (Path(whole["run"]) / "result.json").read_bytes()


def test_what_cannot_be_resumed(ready, interrupt):
    interrupt(ModelBegun, 1, "ablate", "--retrain")
    (run,) = [path for path in run_folders() if path != training()]
    for options in (("--retrain",), ("--checkpoint", "best_model.pt"), ("--split", "s.json"), ("--data", "lab")):
        assert_refused(mmsent("ablate", "--resume", "latest", *options), "--resume")
    assert_refused(
        mmsent("train", "--resume", "latest"), "a run of mmsent ablate", f"mmsent ablate --resume {run.absolute()}"
    )
    assert_refused(mmsent("compare-fusions", "--resume", run.name), "a run of mmsent ablate")
    ablate("--resume", "latest")
    assert_refused(mmsent("ablate", "--resume", "latest"), run.name, "finished")


def spoil(path, **parts):
    torch.save({**torch.load(path, weights_only=True), **parts}, path)


def test_checkpoints_that_cannot_be_ablated_leave_no_run(ready):
    """Fault 5 of the published course systems among them: an untrained network."""
    best = training() / "best_model.pt"
    shutil.copy(best, "alone.pt")
    whole = best.read_bytes()
    before = run_folders()
    assert_refused(mmsent("ablate", "--checkpoint", "alone.pt"), "alone.pt", "--data")
    assert_refused(mmsent("ablate", "--checkpoint", "nope.pt"), "nope.pt")
    spoil(best, epoch=0)
    assert_refused(mmsent("ablate"), str(best), "untrained", "train a model first")
    for content in (b"", b"words", whole[:2000]):
        best.write_bytes(content)
        assert_refused(mmsent("ablate"), str(best), "mmsent train")
    best.write_bytes(whole)
    (training() / "config.json").write_text("{")
    assert_refused(mmsent("ablate"), "config.json")
    assert run_folders() == before


def test_a_model_of_one_modality_has_nothing_to_take_away(work):
    succeed("train", "--data", "lab", *QUICK, "--epochs", 1, "--fusion", "text-only")
    assert_refused(mmsent("ablate"), "text-only", "reads text and image")
    assert len(run_folders()) == 1


@pytest.fixture
def other(tmp_path):
    """Other labelled pairs."""
    return small_lab(tmp_path / "other", 24)


def test_other_pairs_whole_or_one_side_of_a_split(ready, other):
    shutil.copy(training() / "best_model.pt", "alone.pt")
    for checkpoint in ("alone.pt", "best_model.pt"):
        values = ablate("--checkpoint", checkpoint, "--data", "other")
        assert (values["val_pairs"], "every labelled pair" in values["source"]) == (24, True)
        assert any("too high" in note for note in values["notes"])
    succeed("split", "--data", "other", "--out", "split.json")
    side = ablate("--checkpoint", "alone.pt", "--data", "other", "--split", "split.json", "--retrain")
    assert side["val_pairs"] == len(read_split(Path("split.json")).val) < 24
    assert [arm["name"] for arm in side["arms"]] == RETRAINED
    few = ablate("--data", "other", "--limit", 6)
    assert few["val_pairs"] == 6


def test_options_about_the_data_need_data(ready, other):
    before = run_folders()
    for options in (("--split", "split.json"), ("--limit", 6), ("--on-bad", "drop")):
        assert_refused(mmsent("ablate", *options), "--data")
    assert_refused(mmsent("ablate", "--data", "other", "--retrain"), "--retrain", "--split")
    assert_refused(mmsent("ablate", "--data", "nowhere"), "nowhere")
    assert_refused(mmsent("ablate", "--emap-pairs", 1), "--emap-pairs 1")
    assert run_folders() == before
    assert Path("runs/latest").resolve() == training().resolve()


@pytest.mark.parametrize(
    "options",
    [
        ("--data", "other", "--on-bad", "drop", "--emap-pairs", 5, "--cache-dir", "its own"),
        ("--data", "other", "--split", "split.json", "--retrain", "--precision", "bf16", "--offline"),
    ],
)
def test_the_repeat_command_of_the_page_repeats_it(ready, other, monkeypatch, options):
    told = []
    monkeypatch.setattr("mmsent_cli.finished_run.run_files", lambda _, parts: told.append(parts.command) or {})
    succeed("split", "--data", "other", "--out", "split.json")
    first = ablate(*options)
    command = shlex.split(told[0])
    assert command[:2] == ["mmsent", "ablate"]
    again = ablate(*command[2:])
    assert without_source(figures(again)) == without_source(figures(first))
    subjects = [
        json.loads((Path(values["run"]) / "experiment.json").read_text())["subject"] for values in (first, again)
    ]
    for subject in subjects:
        subject["runtime"].pop("cache_dir")
    assert subjects[0] == subjects[1]


def test_the_runs_own_arithmetic_and_cache_are_used(work, tmp_path, monkeypatch):
    """So that the whole model gets the figures that its run reported, and nothing is encoded again."""
    trained = ("--epochs", 1, "--precision", "bf16", "--cache-dir", "store", "--device", "cpu")
    reported = succeed("train", "--data", "lab", *QUICK, *trained, "--json")
    monkeypatch.setenv("MMSENT_CACHE", str(tmp_path / "untouched"))
    values = ablate()
    assert not Path("untouched").exists()
    environment = json.loads((Path(values["run"]) / "environment.json").read_text())
    assert environment["precision"] == "bf16"
    assert values["arms"][0]["accuracy"] == reported["accuracy"]
    given = ablate("--precision", "fp32")
    assert json.loads((Path(given["run"]) / "environment.json").read_text())["precision"] == "fp32"
    assert list(Path("store/features").iterdir())
