"""`mmsent split`: the file it writes, what it prints, and what it refuses."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmsent_cli.commands.app import app
from mmsent_cli.data.split import read_split
from tests.data.builders import TAGS, write_lab


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMSENT_DATA", raising=False)
    monkeypatch.setenv("MMSENT_CACHE", str(tmp_path / "cache"))
    folder = write_lab(tmp_path / "lab", {str(number): TAGS[number % 3] for number in range(60)})
    for guid in ("3", "7"):
        (folder / "data" / f"{guid}.txt").write_text("@ann the very same words http://t.co/1")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["split", "--data", "lab", *arguments])


def assert_refused(result, reported):
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert reported in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 3  # a notice, the error, the hint


def test_writes_the_default_file_and_keeps_near_duplicates_together():
    assert run().exit_code == 0
    split = read_split(Path("splits/grouped-42.json"))
    assert len(split.train) + len(split.val) == 60
    assert ("3" in split.train) == ("7" in split.train)


def test_prints_the_result_as_json():
    result = run("--json", "--split-seed", "7", "--val-size", "0.25", "--out", "mine.json")
    values = json.loads(result.stdout)
    split = read_split(Path("mine.json"))
    assert (split.seed, split.val_size) == (7, 0.25)
    assert values["digest"] == split.digest
    assert (values["train"], values["val"]) == (len(split.train), len(split.val)) == (45, 15)
    assert values["val_counts"] == dict.fromkeys(TAGS, 5)
    assert (values["groups"], values["grouped_pairs"], values["conflicting_groups"]) == (1, 2, 1)


def test_writes_folds():
    result = run("--folds", "4", "--json")
    values = json.loads(result.stdout)
    assert [sum(counts.values()) for counts in values["fold_counts"]] == [15, 15, 15, 15]
    held = [read_split(Path(values["path"]), fold).val for fold in (1, 2, 3, 4)]
    assert len({guid for val in held for guid in val}) == 60


def test_an_existing_file_needs_force():
    run("--split-seed", "1", "--out", "mine.json")
    before = Path("mine.json").read_bytes()
    assert_refused(run("--split-seed", "2", "--out", "mine.json"), "mine.json exists already")
    assert Path("mine.json").read_bytes() == before
    assert run("--split-seed", "2", "--out", "mine.json", "--force").exit_code == 0
    assert read_split(Path("mine.json")).seed == 2


@pytest.mark.parametrize("name", ["x.parquet", "x.CSV", "x.xlsx", "splits/x.txt"])
def test_a_name_of_another_kind_of_file_is_refused(name):
    before = sorted(Path().iterdir())
    assert_refused(run("--out", name), f"--out {name}: a split cannot be written as a")
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("strategy", ["plain-80-20", "plain-90-10"])
def test_plain_strategies_are_named_in_the_file(strategy):
    assert run("--strategy", strategy).exit_code == 0
    assert read_split(Path(f"splits/{strategy}-42.json")).strategy == strategy


def test_plain_folds_are_refused():
    assert_refused(run("--folds", "5", "--strategy", "plain-80-20"), "--strategy plain-80-20")


def test_bad_data_ends_with_file_and_remedy_and_no_split(folder):
    (folder / "data/5.jpg").write_bytes(b"")
    result = run()
    assert_refused(result, "5.jpg")
    assert "--on-bad drop" in result.stderr
    assert not Path("splits").exists()


def test_dropped_pairs_are_told_and_not_in_the_split(folder):
    (folder / "data/5.jpg").write_bytes(b"")
    result = run("--on-bad", "drop")
    assert "5: dropped" in result.stderr
    split = read_split(Path("splits/grouped-42.json"))
    assert "5" not in split.train + split.val


def test_a_split_with_other_settings_has_its_own_default_file():
    for options in ((), ("--limit", "30"), ("--val-size", "0.5"), ("--folds", "3"), ("--split-seed", "1")):
        assert run(*options).exit_code == 0
    splits = {path.stem: read_split(path, 1 if "folds" in path.stem else None) for path in Path("splits").iterdir()}
    sizes = {name: len(split.train + split.val) for name, split in splits.items()}
    usual = "grouped-42"
    assert sizes == {
        usual: 60,
        "grouped-1": 60,
        f"{usual}-3-folds": 60,
        f"{usual}-limit-30": 30,
        f"{usual}-val-0.5": 60,
    }
    assert len(splits[f"{usual}-val-0.5"].val) == 30
