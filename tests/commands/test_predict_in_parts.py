"""`mmsent predict --engine ray`: the same predictions in parts, and what is left after a process is killed."""

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from mmsent_cli.errors import ConfigError, DataError
from mmsent_cli.inference.scale import predict as module
from mmsent_cli.inference.scale.folder import IDENTITY, remove_folder
from mmsent_cli.inference.scale.predict import Cluster, _connect, _require_answer, _share, open_cluster
from mmsent_cli.inference.scale.worker import FILE, PartPredictor, PartReader, Surveyor
from tests.commands.running import assert_refused, mmsent, small_lab, succeed

ROOT = Path(__file__).parents[2]
CHUNK_ROWS = 16
"""Instead of 256, as the rows of a part are a multiple of it."""
ROWS = 2 * CHUNK_ROWS + 8
"""Three parts of at most 16 rows."""


class OneProcess(Cluster):
    """The work of a cluster in this process, from the last file to the first. It is lost after `lives` parts."""

    lives = 1_000_000

    def survey(self, job, description):
        yield from map(Surveyor(job, description), self._files(job))

    def predict(self, job):
        predictor = PartPredictor(job)
        for file in self._files(job):
            for row in PartReader(job)(file):
                if not row["answer"]:
                    OneProcess.lives -= 1
                    if OneProcess.lives < 0:
                        raise KeyboardInterrupt
                yield predictor(row)

    def _files(self, job):
        return [{FILE: file} for file in reversed(range(len(job.sources)))]


@pytest.fixture
def ready(tmp_path, monkeypatch, trained):
    """A copy of the trained run, and a table `pairs.csv` of three parts; Ray is replaced by this process."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained.parent, "runs", symlinks=True)
    small_lab(tmp_path / "lab")
    write_table("pairs.csv", range(ROWS))
    monkeypatch.setattr(module, "require_extra", lambda *_: None)
    monkeypatch.setattr(module, "open_cluster", lambda *_: contextlib.nullcontext(OneProcess(1, 1, 0)))
    monkeypatch.setattr(OneProcess, "lives", 1_000_000)
    monkeypatch.setattr("mmsent_cli.config.command_settings.CHUNK_ROWS", CHUNK_ROWS)
    monkeypatch.setattr("mmsent_cli.features.pipeline.CHUNK_BATCHES", 1)
    return tmp_path


def write_table(path, numbers):
    with Path(path).open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["guid", "text", "image", "origin"])
        words = ("a gloomy day", "so good", "it is what it is", "")
        rows.writerows(
            (f"p{number}", words[number % 4] * (1 + number % 5), f"lab/data/{1 + number % 18}.jpg", number // 100)
            for number in numbers
        )


def predict(*arguments, data="pairs.csv"):
    return succeed("predict", "--data", data, *arguments, "--json")


def in_parts(*arguments, **more):
    return predict("--engine", "ray", "--part-rows", CHUNK_ROWS, *arguments, **more)


def left_over(out="out.csv"):
    return sorted(path.name for path in Path(f".{out}.parts").glob("part-*"))


@pytest.mark.parametrize(
    ("out", "options"),
    [
        ("csv", ("--probabilities", "--keep", "origin", "--abstain-below", 0.4)),
        ("jsonl", ("--keep", "origin")),
    ],
)
def test_one_file_has_the_bytes_of_the_plain_engine(ready, out, options):
    plain, parts = predict("--out", f"plain.{out}", *options), in_parts("--out", f"out.{out}", *options)
    assert Path(f"out.{out}").read_bytes() == Path(f"plain.{out}").read_bytes()
    same = ("pairs", "counts", "abstained", "threshold", "missing_text", "missing_image", "replaced_characters")
    assert {name: parts[name] for name in same} == {name: plain[name] for name in same}
    assert set(plain["notes"]) - set(parts["notes"]) == set()
    assert not list(Path().glob(".out*"))


def test_a_folder_of_parts_has_the_rows_of_all_files_in_order(ready):
    import pyarrow.parquet as parquet

    write_table("b-10.csv", range(26, ROWS))
    write_table("b-9.csv", range(26))
    pairs = in_parts("--out", "answers", "--keep", "origin", data="b-*.csv")["pairs"]
    predict("--out", "plain.jsonl", "--keep", "origin")
    found = parquet.read_table("answers").to_pylist()
    names = [path.name for path in sorted(Path("answers").glob("part-*"))]
    assert [len(parquet.read_table(f"answers/{name}")) for name in names] == [16, 10, 14]
    for row, line in zip(found, Path("plain.jsonl").read_text().splitlines(), strict=True):
        plain = json.loads(line)
        assert (row["guid"], row["label"], row["origin"]) == (plain["guid"], plain["label"], plain["origin"])
        for label, share in plain["probabilities"].items():
            assert row[f"probability_{label}"] == pytest.approx(share, abs=1e-6)
    assert pairs == len(found) == ROWS


@pytest.mark.parametrize("lives", [0, 2])
def test_finished_parts_are_kept(ready, monkeypatch, lives):
    monkeypatch.setattr(OneProcess, "lives", lives)
    assert mmsent(
        "predict", "--data", "pairs.csv", "--engine", "ray", "--part-rows", CHUNK_ROWS, "--out", "out.csv"
    ).exit_code
    before = {name: Path(f".out.csv.parts/{name}").stat().st_mtime_ns for name in left_over()}
    assert len(before) == lives
    monkeypatch.setattr(OneProcess, "lives", 3 - lives)
    notes = in_parts("--out", "out.csv", "--resume")["notes"]
    assert OneProcess.lives == 0
    assert any(f"{lives} of them by an earlier process" in note for note in notes) == bool(lives)
    predict("--out", "plain.csv")
    assert Path("out.csv").read_bytes() == Path("plain.csv").read_bytes()


def test_a_damaged_part_is_predicted_again(ready, monkeypatch):
    monkeypatch.setattr(OneProcess, "lives", 2)
    mmsent("predict", "--data", "pairs.csv", "--engine", "ray", "--part-rows", CHUNK_ROWS, "--out", "out.csv")
    path = Path(".out.csv.parts", left_over()[0])
    path.write_bytes(path.read_bytes()[:-20])
    monkeypatch.setattr(OneProcess, "lives", 2)
    assert in_parts("--out", "out.csv", "--resume")["pairs"] == ROWS


@pytest.mark.parametrize("change", ["rows", "settings", "nothing there"])
def test_what_cannot_be_resumed(ready, monkeypatch, change):
    how = ("predict", "--data", "pairs.csv", "--engine", "ray", "--part-rows", CHUNK_ROWS, "--out", "out.csv")
    monkeypatch.setattr(OneProcess, "lives", 1 if change != "nothing there" else 0)
    if change != "nothing there":
        mmsent(*how)
    monkeypatch.setattr(OneProcess, "lives", 9)
    if change == "rows":
        write_table("pairs.csv", range(1, ROWS))
    more = ("--on-bad", "drop") if change == "settings" else ()
    assert_refused(mmsent(*how, "--resume", *more), "leave out --resume")
    if change != "nothing there":
        assert_refused(mmsent(*how), "prediction into out.csv was interrupted", "--resume", "--force")
        assert len(left_over()) == 1, "nothing is lost"
    assert succeed(*how, "--force", "--json")["pairs"] == ROWS - (change == "rows"), "begun again"


def test_bad_rows_and_images_stop_it_in_two_lines(ready):
    how = ("predict", "--data", "pairs.csv", "--engine", "ray", "--out", "out.csv")
    Path("lab/data/3.jpg").write_bytes(b"no image")
    assert_refused(mmsent(*how), "p2", "--on-bad")
    values = in_parts("--out", "out.csv", "--on-bad", "blank")
    assert values["missing_image"] == len([number for number in range(ROWS) if number % 18 == 2 and number % 4 != 3])
    Path("pairs.csv").write_text("guid,text\na,b\na,c\n")
    assert_refused(mmsent(*how, "--force"), "duplicate guid")


@pytest.mark.parametrize("what", ["a file", "a folder", "other files", "a link"])
def test_only_a_folder_of_parts_is_replaced(ready, what):
    in_parts("--out", "answers")
    assert_refused(mmsent("predict", "--data", "pairs.csv", "--engine", "ray", "--out", "answers"), "--force")
    if what == "other files":
        Path("answers/mine.txt").write_text("mine")
    elif what == "a link":
        Path("answers").rename("real")
        Path("answers").symlink_to("real")
    else:
        shutil.rmtree("answers")
        Path("answers").write_text("mine") if what == "a file" else Path("answers").mkdir()
    before = sorted(Path().rglob("answers/*"))
    how = ("predict", "--data", "pairs.csv", "--engine", "ray", "--out", "answers", "--force")
    assert_refused(mmsent(*how), "answers")
    assert sorted(Path().rglob("answers/*")) == before


def test_the_folder_is_replaced_by_force(ready):
    in_parts("--out", "answers")
    write_table("pairs.csv", range(9))
    assert in_parts("--out", "answers", "--force")["pairs"] == 9
    assert [path.name for path in Path("answers").glob("part-*")] == ["part-00000-0000000.parquet"]
    with pytest.raises(ConfigError):
        remove_folder(Path("lab"))
    assert Path("lab").is_dir() and Path("answers", IDENTITY).is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--out", "out.csv", "--ray-workers", 2),
        ("--text", "a", "--engine", "ray"),
        ("--out", "-", "--engine", "ray"),
        ("--out", "out.csv", "--engine", "ray", "--part-rows", 100),
        ("--out", "out.csv", "--engine", "ray", "--keep", "guid"),
        ("--out", "out.csv", "--engine", "ray", "--ray-workers", -1),
    ],
)
def test_what_does_not_go_together(ready, arguments):
    assert_refused(mmsent("predict", "--data", "pairs.csv", *arguments))
    assert not Path("out.csv").exists() and not left_over()


def test_other_commands_do_not_take_the_engine(ready):
    assert_refused(mmsent("train", "--data", "lab", "--engine", "ray"), "predict")


def test_a_pattern_without_a_file(ready):
    with pytest.raises(DataError):
        module.locate_all("nothing-*.csv")
    assert [source.path.name for source in module.locate_all(str(ready / "pairs.cs[v]"))] == ["pairs.csv"]


@pytest.mark.parametrize(
    ("resources", "wanted", "device", "expected"),
    [
        ({"CPU": 16.0}, 0, "auto", (8, 2, 0)),
        ({"CPU": 2.0}, 2, "cpu", (2, 1, 0)),
        ({"CPU": 1.0}, 0, "auto", (1, 1, 0)),
        ({"CPU": 1.0}, 4, "auto", (4, 0.25, 0)),
        ({"CPU": 64.0, "GPU": 8.0}, 0, "auto", (8, 8, 1)),
        ({"CPU": 16.0, "GPU": 1.0}, 4, "cuda", (4, 4, 0.25)),
        ({"CPU": 16.0, "GPU": 1.0}, 0, "cpu", (8, 2, 0)),
    ],
)
def test_a_cluster_is_shared_by_gpus_or_cores(resources, wanted, device, expected):
    cluster = _share(resources, wanted, device)
    assert (cluster.workers, cluster._cpus, cluster._gpus) == expected


@pytest.mark.parametrize(("failures", "address", "starts"), [(2, None, 3), (3, None, 3), (1, "ray-head:1", 1)])
def test_ray_that_does_not_start_in_time_is_started_again(monkeypatch, failures, address, starts):
    """On this machine; a cluster that is not there is refused at once."""
    tried = []

    def init(**_):
        tried.append(address)
        if len(tried) <= failures:
            raise Exception("The current node timed out during startup.")  # as Ray raises it

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init, shutdown=lambda: None))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    expected = contextlib.nullcontext() if failures < starts else pytest.raises(ConfigError, match="timed out")
    with expected:
        _connect(address)
    assert len(tried) == starts


def start(*arguments):
    """Start `mmsent predict --engine ray` with two processes of its own."""
    line = [sys.executable, "-m", "mmsent_cli", "predict", "--data", "pairs.csv", "--out", "out.csv", "--probabilities"]
    ray = ["--engine", "ray", "--ray-workers", "2", "--part-rows", "256", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    return subprocess.Popen([*line, *ray], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("waited too long")


def predicting(since):
    """The processes of Ray that predict, and began after `since`."""
    names = [(each, " ".join(each.info["cmdline"] or ())) for each in psutil.process_iter(["cmdline", "create_time"])]
    return [each for each, name in names if "PartPredictor" in name and each.info["create_time"] >= since]


@pytest.mark.real
@pytest.mark.parametrize("lost", ["a worker", "the starting process"])
def test_killed_processes_lose_nothing_but_their_own_part(ready, lost):
    pytest.importorskip("ray")
    write_table("pairs.csv", range(5000))
    predict("--out", "plain.csv", "--probabilities")
    since = time.time() - 1
    process = start()
    wait_for(lambda: len(left_over()) >= 2)
    if lost == "a worker":
        wait_for(lambda: predicting(since))[0].kill()
    else:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kept = left_over()
        assert kept and not Path("out.csv").exists()
        wait_for(lambda: not predicting(since))
        process = start("--resume")
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert Path("out.csv").read_bytes() == Path("plain.csv").read_bytes()
    assert not left_over()


@pytest.mark.parametrize(
    ("address", "place"),
    [("ray-head:6379", ("ray-head", 6379)), ("ray://[::1]:10001", ("::1", 10001)), ("h:99999999", ("h", 99999999))],
)
def test_an_address_where_nothing_answers_is_an_error_at_once(monkeypatch, address, place):
    """Ray would try for minutes."""

    def refuse(where, timeout):
        assert where == place and timeout <= 10
        raise OverflowError if where[1] > 65535 else ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(ConfigError, match=re.escape(address)), open_cluster(address, 1, "cpu"):
        pass


@pytest.mark.parametrize("address", ["", "auto", "local"])
def test_an_address_without_a_port_is_left_to_ray(monkeypatch, address):
    monkeypatch.setattr(socket, "create_connection", None)
    _require_answer(address)
