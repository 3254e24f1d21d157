"""Several processes train one model: every pair counts once, and the metrics are those of one process."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmsent_cli.compute import processes
from mmsent_cli.features.table import EpochBatches
from mmsent_cli.model import Logits
from mmsent_cli.training.loss import Loss
from mmsent_cli.training.metrics import _in_order
from tests.commands.running import small_lab
from tests.training.builders import ONE_PROCESS, QUICK, tiny_batch, tiny_table

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("pairs", [24, 25, 7])
@pytest.mark.parametrize("is_training", [True, False])
def test_every_pair_comes_once_in_as_many_batches_for_each_process(pairs, count, is_training):
    table = tiny_table(train=pairs, val=pairs)
    parts = [[*EpochBatches(table, 4, 0, is_training, (number, count))] for number in range(count)]
    rows = [row for part in parts for batch in part for row in batch if row >= 0]
    assert sorted(rows) == sorted(table.train if is_training else table.val)
    if is_training:
        assert {len(part) for part in parts} == {-(-pairs // 4)}


@pytest.mark.parametrize("kind", ["none", "balanced"])
def test_the_mean_of_the_parts_is_the_loss_of_the_whole_batch(kind):
    """Three processes share four pairs, two of which lack a modality; the third has a filler in addition."""
    config = replace(QUICK, class_weights=kind, label_smoothing=0.1)
    batch, draws = tiny_batch(), torch.Generator().manual_seed(0)
    logits = [torch.randn(4, 3, generator=draws) for _ in range(3)]

    def loss(accelerator):
        return Loss(config, [0, 0, 1, 2, 2, 2], 3, 0.3, accelerator)

    whole = loss(ONE_PROCESS)(Logits(*logits), batch)
    weights = []
    for total in (None, True):

        def reduce(own, _, total=total):
            weights.append(own)
            return torch.stack(weights[:3]).sum(dim=0) if total else own

        rule = loss(SimpleNamespace(num_processes=3, device=ONE_PROCESS.device, reduce=reduce))
        parts = []
        for rows in ([0, 3], [1], [2, 0]):
            target = batch.target[rows].clone()
            target[1:] = -1 if rows == [2, 0] else target[1:]
            part = batch._replace(present=batch.present[rows], target=target)
            parts.append(rule(Logits(*(each[rows] for each in logits)), part))
    torch.testing.assert_close(torch.stack(parts).mean(), whole)


def test_rows_of_several_processes_are_joined_in_their_order():
    rows = torch.arange(11)
    batches = [rows[:4], rows[4:8], rows[8:10], rows[10:]]
    for count in (1, 2, 3):
        parts = [[part for batch in batches if len(part := batch[number::count])] for number in range(count)]
        if count > 1:  # all batches but the last are full
            parts = [[b[number::count] for b in (rows[:6], rows[6:])] for number in range(count)]
        np.testing.assert_array_equal(_in_order(parts), rows.numpy())


@pytest.mark.parametrize(
    ("device", "backend", "own"), [("cpu", "gloo", None), ("cuda:1", "nccl", torch.device("cuda:1"))]
)
def test_nccl_is_told_the_gpu_of_its_process(monkeypatch, device, backend, own):
    asked = []
    monkeypatch.setattr(processes, "_may_join", True)
    monkeypatch.setattr(processes, "count", lambda: 2)
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda name, timeout, device_id: asked.append((name, device_id))
    )
    processes.join(device)
    assert asked == [(backend, own)]


def start_by_accelerate(folder, *arguments):
    """Start `mmsent train` in two processes on a CPU, as docs/train.md has it."""
    port = str(20_000 + os.getpid() % 10_000)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    line = [*launch, "--main_process_port", port, "-m", "mmsent_cli", "train", *map(str, arguments)]
    rest = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    return subprocess.run(line, cwd=folder, env={**os.environ, **rest}, capture_output=True, text=True, check=False)


def start(folder, count, *arguments):
    """Start `mmsent train` as a launcher of `count` processes does."""
    port = str(20_000 + os.getpid() % 10_000)
    line = [sys.executable, "-m", "mmsent_cli", "train", *map(str, arguments)]
    rest = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    places = [{"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": str(count)} for number in range(count)]
    master = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        subprocess.Popen(
            line,
            cwd=folder,
            env={**os.environ, **rest, **({**place, **master} if count > 1 else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in places
    ]


@pytest.fixture
def options(tmp_path, weights_dir):
    """A training without dropout, whose random masks differ from process to process."""
    small_lab(tmp_path / "lab")
    frozen = ("--encoders", "bert-resnet18", "--weights-dir", weights_dir, "--offline", "--image-size-px", 32)
    rest = (
        "--freeze-text",
        "all",
        "--freeze-image",
        "all",
        "--batch-size",
        5,
        "--device",
        "cpu",
        "--precision",
        "fp32",
    )
    return (
        "--data",
        "lab",
        *frozen,
        *rest,
        "--head-dropout",
        "0,0",
        "--modality-dropout",
        0,
        "--precision",
        "fp32",
        "--accumulation-steps",
        2,
    )


def test_a_launcher_that_started_one_process_is_noted(monkeypatch):
    """`accelerate launch --cpu --num_processes 2` sets an address and no number of processes."""
    for name in ("WORLD_SIZE", "MASTER_PORT", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    assert processes.launcher_note() == ""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    assert processes.launcher_note() == "", "one process was asked for"
    monkeypatch.setenv("MASTER_PORT", "29500")
    assert "--multi_gpu" in processes.launcher_note()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert processes.launcher_note() == ""


@pytest.mark.real
@pytest.mark.parametrize("launcher", ["torchrun", "accelerate"])
def test_two_processes_train_the_model_of_one(tmp_path, options, launcher):
    results = []
    for count in (1, 2):
        if count == 2 and launcher == "accelerate":
            answer = start_by_accelerate(tmp_path, *options, "--epochs", 2, "--json")
            assert answer.returncode == 0, answer.stderr
            results.append(json.loads(answer.stdout))
            continue
        answers = [process.communicate() for process in start(tmp_path, count, *options, "--epochs", 2, "--json")]
        assert [answer[0] == "" for answer in answers] == [False, True][:count], answers
        results.append(json.loads(answers[0][0]))
    one, two = results
    assert one["train_pairs"] == two["train_pairs"]
    for before, after in zip(one["history"], two["history"], strict=True):
        for name in ("train_loss", "train_objective", "val_loss", "accuracy", "macro_f1"):
            assert after[name] == pytest.approx(before[name], rel=1e-4), name
    assert len([*(tmp_path / "runs").glob("2*")]) == 2
    assert not [*tmp_path.glob("runs/2*/.*")]


@pytest.mark.real
def test_a_killed_process_ends_the_other_one_and_the_run_can_be_resumed(tmp_path, options):
    first, second = start(tmp_path, 2, *options, "--epochs", 10_000)
    deadline = time.monotonic() + 60
    while not [*tmp_path.glob("runs/2*/last.pt")] and time.monotonic() < deadline:
        time.sleep(0.1)
    second.kill()
    _, told = first.communicate(timeout=30)
    second.communicate()
    assert first.returncode == 1, told
    error, hint = told.splitlines()[-2:]
    assert error.startswith("error: ") and "--resume" in hint
    (run,) = tmp_path.glob("runs/2*")
    (again,) = start(tmp_path, 1, "--resume", run.name)
    lines = len((run / "metrics.jsonl").read_text().splitlines())
    while len((run / "metrics.jsonl").read_text().splitlines()) <= lines and time.monotonic() < deadline + 60:
        time.sleep(0.1)
    again.terminate()  # a shell may have started the tests with Ctrl-C ignored
    again.communicate()
    assert len((run / "metrics.jsonl").read_text().splitlines()) > lines
