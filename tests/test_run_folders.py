"""Runs: folders that are never reused, `latest`, finding runs and checkpoints."""

import json
import os
from pathlib import Path

import pytest

from mmsent_cli.config import RuntimeConfig, TrainConfig, to_dict
from mmsent_cli.errors import CheckpointError, MmsentError
from mmsent_cli.results import Prediction
from mmsent_cli.run_folders import (
    Run,
    create_run,
    discard_run,
    find_checkpoint,
    find_finished,
    find_run,
    follow,
    latest_note,
    own_config,
    remove_unfinished,
    unfinished_note,
)


@pytest.fixture(params=["link", "text file"])
def runs(request, tmp_path, monkeypatch):
    """A runs folder on a system with links, and on one without."""
    if request.param == "text file":

        def refuse(*_):
            raise OSError("links are not allowed")

        monkeypatch.setattr(Path, "symlink_to", refuse)
    return tmp_path / "runs"


def make(runs, name="light-concat"):
    run = create_run(runs, "train", name)
    run.write_json("config.json", {})
    return run


def test_two_runs_of_one_second_have_two_folders_and_latest_is_the_newer(runs):
    made = [make(runs) for _ in range(3)]
    assert len({run.name for run in made}) == 3
    for spec in (None, "latest", str(runs / "latest")):
        assert find_run(spec, runs).folder == made[-1].folder
    for run in made:
        assert find_run(run.name, runs).folder == find_run(str(run.folder), Path("elsewhere")).folder == run.folder
    assert not [path for path in runs.iterdir() if path.name.startswith(".")]


def test_a_name_becomes_a_file_name(tmp_path):
    run = create_run(tmp_path, "train", "hf:some/../thing né_2-X")
    assert run.folder.parent == tmp_path
    assert run.name.endswith("-train-hf-some-thing-né_2-X")
    assert not create_run(tmp_path, "check", "").name.endswith("-")


def test_a_discarded_run_gives_latest_back(runs):
    first, second = make(runs), make(runs)
    discard_run(second)
    assert find_run(None, runs).folder == first.folder
    discard_run(first)
    assert list(runs.iterdir()) == []


def test_a_run_that_is_not_there(runs):
    for spec in (None, "latest", "nope"):
        with pytest.raises(CheckpointError, match=str(runs)) as caught:
            find_run(spec, runs)
        assert "mmsent train" in caught.value.hint
    run = make(runs)
    with pytest.raises(CheckpointError) as caught:
        find_run("nope", runs)
    assert run.name in caught.value.hint


def test_latest_may_point_to_a_run_that_was_deleted(runs):
    run = make(runs)
    (run.folder / "config.json").unlink()
    run.folder.rmdir()
    with pytest.raises(CheckpointError):
        find_run(None, runs)


@pytest.mark.parametrize("is_broken", [True, False])
@pytest.mark.parametrize("spec", [None, "latest", "runs/latest"])
def test_without_a_good_link_the_newest_run_is_found_by_time(runs, tmp_path, monkeypatch, spec, is_broken):
    monkeypatch.chdir(tmp_path)
    older, newer, gone = [make(runs) for _ in range(3)]
    for run in (older, newer):
        run.write("best_model.pt", b"")
        run.write_json("result.json", {})
    if is_broken:
        (gone.folder / "config.json").unlink()
        gone.folder.rmdir()
    else:
        discard_run(gone)
        (runs / "latest").unlink()
    assert find_run(spec, Path("runs")).folder.resolve() == newer.folder
    assert find_checkpoint(spec, Path("runs")).resolve() == newer.path("best_model.pt")


def test_a_checkpoint_in_its_run_has_the_configuration_of_the_run(tmp_path):
    config, checkpoint = TrainConfig(runtime=RuntimeConfig(device="cpu")), tmp_path / "best_model.pt"
    for name, content in (("config.json", to_dict(config)), ("split.json", {})):
        assert own_config(checkpoint) is None
        Run(tmp_path).write_json(name, content)
    assert own_config(checkpoint) == config


def test_every_way_to_name_a_checkpoint(runs, tmp_path, monkeypatch):
    older, newer = make(runs), make(runs)
    for run in (older, newer):
        for name in ("best_model.pt", "last.pt", "result.json"):
            run.write(name, b"")
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint(None, runs) == newer.path("best_model.pt")
    assert find_checkpoint("last.pt", runs) == newer.path("last.pt")
    (runs / "latest").unlink()
    (runs / "latest").write_text(f"{older.name}\n")  # as on a system without links
    assert follow(runs / "latest") == find_run(None, runs).folder == older.folder
    assert find_checkpoint(None, runs) == older.path("best_model.pt")
    assert follow(older.path("result.json")) is None
    assert find_checkpoint(older.name, runs) == older.path("best_model.pt")
    assert find_checkpoint(str(older.folder), runs) == older.path("best_model.pt")
    assert find_checkpoint(str(older.path("last.pt")), runs) == older.path("last.pt")
    Path("last.pt").write_bytes(b"")
    assert find_checkpoint("last.pt", runs) == Path("last.pt")
    for spec in ("nope.pt", "nope/nope.pt", str(tmp_path)):
        with pytest.raises(CheckpointError):
            find_checkpoint(spec, runs)


@pytest.mark.parametrize("place", ["file", "file/runs"])
def test_a_place_where_no_run_can_be_made(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(MmsentError) as caught:
        create_run(tmp_path / place, "train", "x")
    assert str(tmp_path / place) in caught.value.message
    assert "--runs-dir" in caught.value.hint


def test_files_of_a_run(tmp_path):
    run = Run(tmp_path)
    assert not run.is_finished
    prediction = Prediction(guid="ü", tag="a", probabilities={"a": 1.0})
    run.write_lines("lines.jsonl", [prediction, {"guid": "b"}])
    run.write_json("result.json", prediction)
    assert run.is_finished
    assert run.read_json("result.json") == {"guid": "ü", "tag": "a", "probabilities": {"a": 1.0}, "missing": ""}
    lines = (tmp_path / "lines.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["guid"] for line in lines] == ["ü", "b"]


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff"])
def test_a_damaged_file_of_a_run_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(MmsentError, match=r"config\.json"):
        Run(tmp_path).read_json("config.json")


def test_a_discarded_run_gives_latest_to_the_newest_of_several(runs):
    first, second, third = (make(runs) for _ in range(3))
    discard_run(third)
    assert find_run(None, runs).folder == second.folder
    discard_run(first)
    assert find_run("latest", runs).folder == second.folder


def test_eleven_runs_of_one_second_keep_their_order(runs):
    made = [make(runs) for _ in range(12)]
    (runs / "latest").unlink()
    assert find_run(None, runs).folder == made[-1].folder
    discard_run(made[-1])
    assert find_run(None, runs).folder == made[-2].folder


def test_behind_an_experiment_the_newest_training_has_the_checkpoint(runs):
    older, newer, experiment = (make(runs) for _ in range(3))
    assert find_run(None, runs).folder == experiment.folder
    experiment.write_json("experiment.json", {})
    experiment.write_json("result.json", {})
    with pytest.raises(CheckpointError, match="no trained model"):
        find_checkpoint(None, runs)
    for run in (older, newer):
        run.write("best_model.pt", b"")
        run.write_json("result.json", {})
    assert find_checkpoint(None, runs) == newer.path("best_model.pt")
    experiment.write("best_model.pt", b"")
    assert find_checkpoint("latest", runs) == experiment.path("best_model.pt")


@pytest.mark.parametrize("spec", [None, "latest", "best_model.pt", "runs/latest"])
def test_an_unfinished_run_is_no_newest_run_but_can_be_named(runs, tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    finished, unfinished = make(runs), make(runs)
    for run in (finished, unfinished):
        run.write("best_model.pt", b"")
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(None, runs)
    assert f"mmsent train --resume {unfinished.folder}" in caught.value.hint
    with pytest.raises(CheckpointError, match="no run and no file called nope"):
        find_checkpoint("nope", runs)
    finished.write_json("result.json", {})
    assert find_checkpoint(spec, Path("runs")).resolve() == finished.path("best_model.pt")
    assert find_run("latest", runs).folder == unfinished.folder, "to resume"
    assert find_finished("latest", runs).folder == find_finished(finished.name, runs).folder == finished.folder
    named = find_checkpoint(unfinished.name, runs)
    assert named == unfinished.path("best_model.pt")
    assert unfinished.name in unfinished_note(named) and not unfinished_note(finished.path("best_model.pt"))
    assert not unfinished_note(tmp_path / "best_model.pt"), "in no run"


def test_a_mistyped_run_is_answered_with_the_runs_there_are(runs):
    made = [make(runs) for _ in range(2)]
    for run in made:
        for name in ("best_model.pt", "result.json"):
            run.write(name, b"")
    for named in made:
        with pytest.raises(CheckpointError, match="no run and no file called nope") as caught:
            find_checkpoint("nope", runs)
        assert made[0].name in caught.value.hint
        assert ("runs are" in caught.value.hint) == (named is made[0])
        discard_run(made[1])


def test_the_hint_names_the_three_newest_runs_the_newest_first(runs):
    made = [make(runs, f"light-{number}") for number in range(5)]
    with pytest.raises(CheckpointError) as caught:
        find_run("nope", runs)
    assert caught.value.hint == f"the newest runs are {', '.join(run.name for run in made[:1:-1])}"


def test_the_hint_names_similar_runs(runs):
    made = [make(runs, f"light-{number}") for number in range(5)]
    for typed in ("light-3", f"{made[3].name}x", made[3].name[:-2]):
        with pytest.raises(CheckpointError, match="there is no run") as caught:
            find_run(typed, runs)
        assert "did you mean" in caught.value.hint and made[3].name in caught.value.hint


def test_the_hint_for_a_checkpoint_names_no_run_without_a_model(runs):
    trained, checked = make(runs, "light"), make(runs, "check")
    trained.write("best_model.pt", b"")
    for wanted in ("nope", checked.name[:-3]):
        with pytest.raises(CheckpointError) as caught:
            find_checkpoint(wanted, runs)
        assert trained.name in caught.value.hint and checked.name not in caught.value.hint


@pytest.mark.parametrize("find", [find_finished, find_checkpoint])
def test_a_mistyped_file_is_no_mistyped_run(runs, tmp_path, monkeypatch, find):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers.csv").write_text("guid,tag")
    with pytest.raises(CheckpointError, match=r"answer\.csv does not exist") as caught:
        find("answer.csv", runs)
    assert "answers.csv" in caught.value.hint
    named = runs / "bert-v1.5"
    named.mkdir(parents=True)
    (named / "best_model.pt").write_bytes(b"")
    found = find(named.name, runs)
    assert named == (found.folder if isinstance(found, Run) else found.parent)


@pytest.mark.parametrize("find", [find_run, find_finished, find_checkpoint])
@pytest.mark.parametrize("name", ["a" * 300, "\u00e9" * 130, "/".join(["b" * 200] * 30)])
def test_a_name_that_is_too_long_is_an_error(runs, find, name):
    with pytest.raises(CheckpointError, match="too long"):
        find(name, runs)


def test_progress_is_a_finished_epoch_fold_or_arm(tmp_path):
    for number, name in enumerate((None, "last.pt", "folds/fold-1.pt", "arms/gmu-0.json", "config.json")):
        run = Run(tmp_path / str(number))
        if name:
            run.path(name).parent.mkdir(parents=True)
            run.write(name, b"")
        assert run.has_progress == (name not in (None, "config.json"))


def foreign_latest(runs, kind):
    """Something called `latest` that is not mmsent's."""
    latest = runs / "latest"
    if kind == "folder":
        latest.mkdir()
        (latest / "config.json").write_text("{}")
    elif kind == "pipe":
        os.mkfifo(latest)
    else:
        latest.write_text("a poem\nof two lines" if kind == "text" else "no/name")
    return latest.lstat().st_ino


@pytest.mark.parametrize("kind", ["folder", "pipe", "text", "path"])
def test_a_latest_that_is_not_mmsents_is_left_alone_and_the_newest_run_is_found_by_time(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    runs = Path("runs")
    runs.mkdir()
    inode = foreign_latest(runs, kind)
    first, second = make(runs), make(runs)
    assert (runs / "latest").lstat().st_ino == inode
    assert str(second.folder) in latest_note(second.folder)
    for spec in (None, "latest", "runs/latest"):
        assert find_run(spec, runs).folder == second.folder
    discard_run(second)
    assert find_run(None, runs).folder == first.folder
    discard_run(first)
    assert [path.name for path in runs.iterdir()] == ["latest"]
    if kind == "folder":  # all that is left of the runs, as in a container's image
        assert find_run(None, runs).folder == runs / "latest"


@pytest.mark.parametrize("target", ["latest", "nothing", "../elsewhere"])
def test_a_latest_that_leads_nowhere_is_replaced(tmp_path, target):
    (tmp_path / "latest").symlink_to(target)
    run = make(tmp_path)
    assert find_run("latest", tmp_path).folder == run.folder
    assert (tmp_path / "latest").resolve() == run.folder.resolve()
    assert latest_note(run.folder) == ""


def test_the_folder_of_a_run_appears_with_its_first_files(tmp_path):
    def fill(run):
        run.write_json("config.json", {})
        assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
        assert find_checkpoint_fails(tmp_path)

    run = create_run(tmp_path, "train", "x", fill)
    assert (run.folder / "config.json").is_file()

    def fail(run):
        run.write_json("config.json", {})
        raise MmsentError("no", "hint")

    with pytest.raises(MmsentError):
        create_run(tmp_path, "train", "x", fail)
    assert {path.name for path in tmp_path.iterdir()} == {"latest", run.name}


def find_checkpoint_fails(runs):
    with pytest.raises(CheckpointError):
        find_run(None, runs)
    return True


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    run = make(tmp_path)
    names = []
    for name in (".config.json.0f0f0f0f", ".notes", ".config.json.mine", "arms"):
        names.append(run.folder / name)
    for path in names[:-1]:
        path.touch()
    names[-1].mkdir()
    (names[-1] / ".a.npz.12345678").touch()
    remove_unfinished(run)
    assert {path.name for path in run.folder.iterdir()} == {"config.json", ".notes", ".config.json.mine", "arms"}
    assert list(names[-1].iterdir()) == []
