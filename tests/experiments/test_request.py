"""An experiment's beginning, what it is taken up again from, and what it is repeated from."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mmsent_cli.config import to_dict
from mmsent_cli.config.command_settings import CompareSettings
from mmsent_cli.data.split import digest_of, make_folds, write_split
from mmsent_cli.errors import CheckpointError, ConfigError, MmsentError
from mmsent_cli.experiments.request import (
    find_experiment,
    find_request,
    read_request,
    resume_experiment,
    start_experiment,
)
from mmsent_cli.run_folders import Run
from mmsent_cli.run_time import EARLIER
from mmsent_cli.training.plan import plan_run
from mmsent_cli.training.run_folder import require_same_plan, resume_run, start_run
from tests.commands.running import small_lab
from tests.experiments.tuning import PAIRS, small_config, small_plan

SETTINGS = CompareSettings(fusions=("gmu", "concat"), seeds=2)


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return small_plan(tmp_path_factory.mktemp("start") / "lab")


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def begun(plan, runs):
    """An experiment that has just begun."""
    return start_experiment(plan, "compare-fusions", SETTINGS, runs, {"checkpoint": "a.pt", "split": None})


def resume(run, runs, command="compare-fusions"):
    opened = resume_experiment(run.name, command, runs)
    return opened.plan, opened.settings, opened.run


def change(path, *names, to):
    """Change one value of a JSON file."""
    content = json.loads(path.read_text())
    part = content
    for name in names[:-1]:
        part = part[name]
    part[names[-1]] = to
    path.write_text(json.dumps(content))


def test_a_folder_says_what_the_experiment_was_told(begun, plan):
    assert "-compare-fusions-light" in begun.name
    names = {path.name for path in begun.folder.iterdir()}
    assert names == {"config.json", "environment.json", "experiment.json", "split.json"}
    request_read = read_request(begun.path("experiment.json"))
    assert (request_read.command, request_read.subject) == ("compare-fusions", {"checkpoint": "a.pt", "split": None})
    assert request_read.config() == plan.given
    assert request_read.config().model.head_hidden is None
    assert request_read.settings == {"fusions": ["gmu", "concat"], "baseline": "concat", "seeds": 2}
    assert begun.read_json("config.json") == to_dict(plan.config)
    assert not begun.has_progress


def test_what_is_taken_up_again_is_what_was_begun(begun, plan, runs):
    again, settings, run = resume(begun, runs)
    assert (settings, run.folder) == (SETTINGS, begun.folder)
    assert (again.given, again.config, again.split) == (plan.given, plan.config, plan.split)
    assert again.variant("early").model.head_hidden == (256,)


def test_the_split_is_the_one_written_down(begun, plan, runs):
    other = replace(plan.split, train=plan.split.val, val=plan.split.train)
    begun.path("split.json").unlink()
    write_split(replace(other, digest=digest_of(other.train, other.val)), begun.path("split.json"), force=False)
    again, _, _ = resume(begun, runs)
    assert (again.split.train, again.split.val) == (other.train, other.val)


def test_a_fold_of_a_split_file_is_taken_up_again(tmp_path, runs):
    lab = small_lab(tmp_path / "lab", PAIRS)
    dataset = small_plan(lab).dataset
    folds = make_folds(dataset.pairs, dataset.labels, 3, seed=1)
    write_split(folds, tmp_path / "folds.json", force=False)
    config = small_config(lab)
    asked = replace(config, split=replace(config.split, split=str(tmp_path / "folds.json"), fold=2))
    plan = plan_run(asked)
    run = start_experiment(plan, "compare-fusions", SETTINGS, runs)
    (tmp_path / "folds.json").unlink()
    again, _, _ = resume(run, runs)
    assert again.split == plan.split
    assert set(again.split.val) == set(folds[1].val)


def test_a_folder_that_was_killed_while_it_was_set_up_is_completed(begun, runs):
    environment = json.loads(begun.path("environment.json").read_text())
    begun.path("environment.json").unlink()
    later = time.time() + 1000
    os.utime(begun.path("config.json"), (later, later))
    resume(begun, runs)
    completed = json.loads(begun.path("environment.json").read_text())
    assert 900 < completed.pop(EARLIER) < 1100
    assert completed == environment


@pytest.mark.parametrize(
    ("file", "names", "value", "different"),
    [
        ("config.json", ("model", "encoders"), "clip", "encoders"),
        ("config.json", ("model", "head_hidden"), [9], "head_hidden"),
        ("config.json", ("fit", "epochs"), 9, "epochs"),
        ("config.json", ("data", "labels"), ["a", "b"], "labels"),
        ("environment.json", ("device",), "cuda", "device"),
        ("environment.json", ("precision",), "bf16", "precision"),
        ("environment.json", ("engine",), "another", "engine"),
    ],
)
def test_an_experiment_does_not_go_on_as_another(begun, runs, file, names, value, different):
    """What was left to choose may come out differently now; arms of both kinds cannot be compared."""
    change(begun.path(file), *names, to=value)
    with pytest.raises(ConfigError, match=f"settings, data or device have changed: {different}$") as caught:
        resume(begun, runs)
    assert f"mmsent compare-fusions --config {begun.folder}" in caught.value.hint


def test_an_experiment_of_the_same_plan_goes_on(begun, plan):
    require_same_plan(plan, begun, "compare-fusions")


def test_what_is_finished_is_not_taken_up_again(begun, runs):
    other = shutil.copytree(begun.folder, runs / "20260101-000000-other")
    begun.write_json("result.json", {})
    with pytest.raises(ConfigError, match=f"{begun.name} is finished") as caught:
        resume(begun, runs)
    assert other.name in caught.value.hint, "the only unfinished run"


def test_an_experiment_goes_on_under_its_own_command(begun, plan, runs):
    with pytest.raises(ConfigError, match="a run of mmsent compare-fusions") as caught:
        resume(begun, runs, "augment-compare")
    assert caught.value.hint.endswith(f"mmsent compare-fusions --resume {begun.folder}")
    with pytest.raises(ConfigError, match="a run of mmsent compare-fusions") as caught:
        resume_run(begun.name, runs)
    assert caught.value.hint.endswith(f"mmsent compare-fusions --resume {begun.folder}")
    training = start_run(plan, runs)
    with pytest.raises(ConfigError, match="a run of mmsent train") as caught:
        resume(training, runs)
    assert caught.value.hint.endswith(f"mmsent train --resume {training.folder}")


def test_no_such_experiment(begun, runs, tmp_path):
    with pytest.raises(CheckpointError, match="nope") as caught:
        find_experiment("nope", "compare-fusions", runs)
    assert begun.name in caught.value.hint
    with pytest.raises(CheckpointError, match="not a run folder"):
        find_experiment(str(tmp_path), "compare-fusions", runs)
    assert find_experiment("latest", "compare-fusions", runs)[0].folder == begun.folder


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"command": "compare-fusions"}', b"\xff", b"3"])
def test_a_damaged_file_is_named(begun, runs, content):
    begun.path("experiment.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"experiment\.json is not the record"):
        find_experiment(begun.name, "compare-fusions", runs)
    with pytest.raises(ConfigError, match=r"experiment\.json is not the record"):
        find_request(begun.folder)


def test_an_experiment_is_found_to_be_repeated(begun, tmp_path):
    request_read = read_request(begun.path("experiment.json"))
    assert find_request(begun.folder) == find_request(begun.path("experiment.json")) == request_read
    assert find_request(begun.path("config.json")) is None
    training = Path(shutil.copytree(begun.folder, tmp_path / "training"))
    (training / "experiment.json").unlink()
    assert find_request(training) is find_request(tmp_path / "nothing") is None


def test_an_experiment_that_cannot_say_what_it_was_told_leaves_no_folder(plan, runs, monkeypatch):
    write = Run.write

    def refuse(self, name, content):
        if name == "experiment.json":
            raise MmsentError("the disk is full", "free some space")
        return write(self, name, content)

    monkeypatch.setattr(Run, "write", refuse)
    with pytest.raises(MmsentError, match="the disk is full"):
        start_experiment(plan, "compare-fusions", SETTINGS, runs)
    assert list(runs.iterdir()) == []
