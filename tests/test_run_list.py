"""The list of runs: what is read, how it is ranked, and what may be deleted."""

import datetime
import json
import locale
import os
import shutil
from pathlib import Path

import pytest
from sklearn.metrics import f1_score

from mmsent_cli import runs
from mmsent_cli.errors import CheckpointError, ConfigError
from mmsent_cli.reports.small_results import runs_grids
from mmsent_cli.run_folders import Run
from mmsent_cli.run_list import find_listed, list_runs, remove_run
from tests.commands.running import QUICK, assert_refused, mmsent, small_lab, succeed

CONFUSION = [[8, 2], [3, 7]]


def make_run(folder, name, accuracy=None, split="aa", data="lab", seed=0, **result):
    """A run folder; unfinished without an accuracy."""
    run = folder / name
    run.mkdir(parents=True)
    model = {"encoders": "light", "fusion": "concat"}
    (run / "config.json").write_text(json.dumps({"data": {"data": data}, "model": model, "fit": {"seed": seed}}))
    (run / "split.json").write_text(json.dumps({"splits": [{"digest": split}]}))
    if accuracy is not None:
        best = {"accuracy": accuracy, "macro_f1": 0.7, "interval": [0.5, 0.9], "confusion": CONFUSION}
        (run / "result.json").write_text(json.dumps({"best": best, "seconds": 90, **result}))
    return run


@pytest.fixture
def folder(tmp_path):
    runs = tmp_path / "runs"
    make_run(runs, "20250101-000000-train-light-concat", 0.75)
    make_run(runs, "20250102-000000-train-light-concat", 0.80, seed=1)
    make_run(runs, "20250103-000000-train-light-concat", 0.99, split="bb")
    make_run(runs, "20250104-000000-train-light-concat")
    make_run(runs, "20250105-000000-train-light-concat", 0.9, data="other")
    (runs / "mine").mkdir()
    (runs / "latest").symlink_to("20250102-000000-train-light-concat")
    (runs / "20250106-000000-train-broken").mkdir()
    return runs


def test_runs_are_listed_the_newest_first_and_ranked_within_one_split_of_one_data(folder):
    rows = list_runs(folder).runs
    assert [row.name[:8] for row in rows] == [f"2025010{day}" for day in (5, 4, 3, 2, 1)]
    assert [(row.rank, row.ranked) for row in rows] == [(None, 0), (None, 0), (None, 0), (1, 2), (2, 2)]
    first = rows[-1]
    assert (first.when, first.command, first.model, first.seed) == ("2025-01-01 00:00:00", "train", "light concat", 0)
    assert (first.accuracy, first.accuracy_interval, first.minutes) == (0.75, (0.5, 0.9), 1.5)
    size = sum(path.stat().st_size for path in (folder / first.name).iterdir())
    assert first.megabytes == pytest.approx(size / 1e6)
    assert not rows[1].is_finished and rows[1].accuracy is None


def test_the_interval_of_macro_f1_follows_from_the_confusion(folder):
    low, high = list_runs(folder).runs[-1].macro_f1_interval
    true, predicted = [0] * 10 + [1] * 10, [0] * 8 + [1] * 2 + [0] * 3 + [1] * 7
    assert low < f1_score(true, predicted, average="macro") < high


def test_the_time_of_an_older_run_is_that_from_its_name_to_its_result(folder):
    """An older run recorded no seconds; a result older than the run, as after a change of the clock, took none."""
    begun = datetime.datetime(2025, 1, 1).timestamp()
    result = folder / "20250101-000000-train-light-concat" / "result.json"
    result.write_text('{"seconds": null}')
    for seconds, minutes in ((150, 2.5), (-60, 0)):
        os.utime(result, (begun + seconds, begun + seconds))
        assert list_runs(folder).runs[-1].minutes == minutes


def test_evaluations_show_their_metrics_experiments_none_and_folds_are_ranked_by_all_splits(tmp_path):
    evaluated, compared, *trained = (
        make_run(tmp_path, f"2025010{day}-000000-{command}-light-concat", accuracy)
        for day, command, accuracy in (
            (5, "evaluate", None),
            (4, "compare-fusions", 0.9),
            (3, "train", 0.7),
            (2, "train", 0.6),
            (1, "train", 0.7),
            (0, "train", 0.5),
        )
    )
    metrics = {"accuracy": {"value": 0.6, "interval": [0.4, 0.8]}, "macro_f1": {"value": 0.5, "interval": [0.3, 0.7]}}
    (evaluated / "result.json").write_text(json.dumps(metrics))
    (compared / "experiment.json").write_text('{"command": "compare-fusions"}')
    for run, digests in zip(trained, ("ab", "ab", "ab", "ba"), strict=True):
        (run / "split.json").write_text(json.dumps({"splits": [{"digest": digest} for digest in digests]}))
        result = json.loads((run / "result.json").read_text())
        (run / "result.json").write_text(json.dumps({"metrics": result.pop("best"), "accuracy": 0.1, **result}))
    rows = list_runs(tmp_path).runs
    shown = [(row.command, row.accuracy, row.macro_f1, row.rank, row.ranked) for row in rows]
    assert shown == [
        ("evaluate", 0.6, 0.5, None, 0),
        ("compare-fusions", None, None, None, 0),
        ("train", 0.7, 0.7, 1, 3),
        ("train", 0.6, 0.7, 3, 3),
        ("train", 0.7, 0.7, 1, 3),
        ("train", 0.5, 0.7, None, 0),
    ]
    assert (rows[0].accuracy_interval, rows[0].macro_f1_interval) == ((0.4, 0.8), (0.3, 0.7))


def test_runs_can_be_sorted(folder):
    assert [row.accuracy for row in list_runs(folder, "accuracy").runs] == [0.99, 0.9, 0.8, 0.75, None]
    assert runs(sort="size", runs_dir=folder).to_frame()["megabytes"].is_monotonic_decreasing
    with pytest.raises(ConfigError, match="colour"):
        list_runs(folder, "colour")


def test_an_empty_place_has_no_runs(tmp_path):
    assert list_runs(tmp_path / "nowhere").runs == ()


@pytest.mark.parametrize("name", ["mine", "20250106-000000-train-broken", "."])
def test_what_is_no_run_is_never_deleted(folder, name):
    with pytest.raises(CheckpointError):
        remove_run(find_listed(str(folder / name), folder))
    with pytest.raises(CheckpointError):
        remove_run(Run(folder / name))
    assert (folder / name).is_dir()


def test_a_link_to_a_run_elsewhere_is_not_followed(folder, tmp_path):
    elsewhere = make_run(tmp_path / "elsewhere", "20250101-000000-train-x", 0.5)
    link = folder / "20250107-000000-train-x"
    link.symlink_to(elsewhere)
    with pytest.raises(CheckpointError):
        remove_run(Run(link))
    assert (elsewhere / "config.json").is_file()


def test_the_command_lists_shows_and_removes(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    values = succeed("runs", "--sort", "accuracy", "--json")
    assert values["runs"][0]["accuracy"] == 0.99
    lines = mmsent("runs", "--csv").stdout.splitlines()
    assert lines[0].startswith("name,when,command") and len(lines) == 6
    assert "20250104" in mmsent("runs").stdout
    assert json.loads(mmsent("runs", "show", "latest", "--json").stdout)["seed"] == 1
    assert_refused(mmsent("runs", "rm", "latest"), "--yes")
    assert mmsent("runs", "rm", "latest", "20250101-000000-train-light-concat", "--yes").exit_code == 0
    assert len(list_runs(folder).runs) == 3
    assert Path("runs/latest").resolve().name.startswith("2025010")
    assert_refused(mmsent("runs", "rm", "mine", "--yes"), "not a run folder")
    assert Path("runs/mine").is_dir()
    shutil.rmtree("runs")
    assert "no run" in mmsent("runs").stdout


@pytest.mark.parametrize("command", ["check", "compare-fusions"])
def test_the_time_of_a_run_is_the_one_that_it_showed(tmp_path, monkeypatch, command):
    """Of a command too whose result holds no time."""
    monkeypatch.chdir(tmp_path)
    small_lab(tmp_path / "lab")
    options = (
        ("--encoders", "light") if command == "check" else (*QUICK, "--epochs", 1, "--fusions", "gmu", "--seeds", 1)
    )
    seconds = succeed(command, "--data", "lab", *options, "--json")["seconds"]
    assert list_runs(Path("runs")).runs[0].minutes == pytest.approx(seconds / 60, abs=1e-4)


def test_the_split_is_shown_in_words_and_the_state_in_a_column(folder, monkeypatch):
    run = folder / "20250101-000000-train-light-concat"
    digests = [{"digest": name, "train": ["1"] * 3, "val": ["2"], "seed": 42} for name in "abcde"]
    (run / "split.json").write_text(json.dumps({"splits": digests[:1]}))
    assert list_runs(folder).runs[-1].split_words == "3 training and 1 validation pairs, seed 42"
    (run / "split.json").write_text(json.dumps({"splits": digests}))
    assert list_runs(folder).runs[-1].split_words == "5 folds, seed 42"
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "split": {"split_seed": 7}}))
    (run / "split.json").write_text(json.dumps({"splits": [{"train": ["1", "2"], "val": ["3"]}]}))
    assert list_runs(folder).runs[-1].split_words == "2 training and 1 validation pairs, seed 7"
    (grid,) = runs_grids(list_runs(folder))
    state = grid.columns.index("State")
    assert [row[state] for row in grid.rows].count("unfinished") == 1


def test_data_are_named_alike_however_they_were_given(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab").mkdir()
    make_run(folder, "20250107-000000-train-light-concat", 0.9, data=str(tmp_path / "lab"))
    for day, data in ((8, ""), (9, ["lab"]), (10, 5)):
        make_run(folder, f"202501{day:02}-000000-train-light-concat", 0.9, data=data)
    assert [row.data for row in list_runs(folder).runs][:5] == ["", "", "", "lab", "other"]


@pytest.mark.parametrize("content", ["[1]", "3", "{", "\x00"])
def test_a_damaged_file_of_a_run_hides_no_other_run(folder, content):
    for name in ("config.json", "result.json", "split.json", "experiment.json"):
        (folder / "20250102-000000-train-light-concat" / name).write_text(content)
    rows = list_runs(folder).runs
    assert [(row.when[:10], row.accuracy) for row in rows[-2:]] == [("2025-01-02", None), ("2025-01-01", 0.75)]


def test_the_files_of_a_run_are_utf8_whatever_the_encoding_of_the_machine(tmp_path):
    run = make_run(tmp_path, "20250101-000000-train-light-concat", 0.75)
    run.joinpath("config.json").write_text('{"data": {"data": "été"}}', encoding="utf-8")
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C")
        (row,) = list_runs(tmp_path).runs
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    assert row.data == "été"
