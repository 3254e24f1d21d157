"""The benchmark's own compute and inputs; no test asserts a time."""

import base64
import json
import re
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import plain
from benchmarks.inputs import make_pairs
from benchmarks.machine import flops
from benchmarks.rows_device import device_rows, utilisation
from benchmarks.rows_process import run, slowest_imports
from benchmarks.rows_serve import request_bodies, serve
from benchmarks.tables import PairCost, Row, duration, render
from mmsent_cli.config import DataConfig
from mmsent_cli.data.check import load_labelled
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.contract import Activations
from tests.encoders.cases import fresh
from tests.training.builders import IN_DIM, OUT_DIM, tiny_encoder

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
LABELLED = 240


def test_a_cpu_has_no_utilisation():
    with utilisation("cpu") as use:
        pass
    assert use() == ""


@pytest.mark.real
def test_every_line_of_the_table_for_a_gpu_runs_on_a_cpu(tmp_path):
    rows = device_rows(SAMPLE, tmp_path, 24, "cpu", is_small=True)
    assert len(rows) == 7
    assert [row.ratio is not None for row in rows].count(True) == 2


def test_a_request_holds_the_text_and_the_image_of_a_pair(tmp_path):
    bodies = [json.loads(body) for body in request_bodies(make_pairs(SAMPLE, tmp_path / "pairs", 3))]
    images = {path.read_bytes() for path in (SAMPLE / "data").glob("*.jpg")}
    assert len(bodies) == 3
    for body in bodies:
        assert len(body["text"]) > 5
        assert base64.b64decode(body["image"]) in images


@pytest.mark.real
@pytest.mark.enable_socket
def test_a_served_model_answers_all_clients_and_keeps_its_memory(tmp_path):
    rows = serve(SAMPLE, tmp_path, None, 600)
    memory = [[int(size) for size in re.findall(r"(\d+) MiB", row.note)] for row in rows]
    assert len(memory) == 3
    assert memory[-1][1] < 1.1 * memory[0][1]


def test_a_measured_part_is_scaled_by_pairs_epochs_and_models():
    cost = PairCost(train=0.5, val=0.25)
    assert cost.scaled(8, 4, epochs=1) == 5.0
    assert cost.scaled(8, 4, epochs=10, models=7) == 350.0


def test_the_ratio_says_how_many_times_as_long_the_plain_loop_takes():
    assert Row("a", ours=2.0, plain=500.0).ratio == 250.0
    assert Row("a", ours=2.0).ratio is None
    table = render([Row("slow", 2.0, 500.0, "why"), Row("near", 2.0, 1.0), Row("alone", 0.02)])
    cells = [line.split() for line in table.splitlines()[1:]]
    assert cells == [
        ["slow", "8.3", "min", "2.0", "s", "250", "why"],
        ["near", "1.0", "s", "2.0", "s", "0.50"],
        ["alone", "20", "ms"],
    ]


def test_durations_have_the_unit_that_suits_them():
    assert [duration(seconds) for seconds in (0.0123, 1, 99.94, 120)] == ["12 ms", "1.0 s", "99.9 s", "2.0 min"]


def test_repeated_pairs_are_whole_and_no_two_of_them_equal(tmp_path):
    folder = make_pairs(SAMPLE, tmp_path / "pairs", LABELLED + 30)
    dataset = load_labelled(DataConfig(data=str(folder)), tmp_path)
    assert len(dataset.pairs) == LABELLED + 30
    assert dataset.problems == ()
    first, again = dataset.pairs[0], dataset.pairs[LABELLED]
    assert first.tag == again.tag
    assert again.text == f"{(first.text or '').rstrip()} 1"
    assert len({pair.image_digest for pair in (first, again)}) == 2


def test_unlabelled_pairs_are_links(tmp_path):
    folder = make_pairs(SAMPLE, tmp_path / "pairs", LABELLED + 1, has_tags=False)
    first, again = (folder / "data" / f"{number}.jpg" for number in (0, LABELLED))
    assert first.samefile(again)
    assert len((folder / "test_without_label.txt").read_text().splitlines()) == LABELLED + 2


def test_operations_are_those_of_the_stored_stages():
    encoder = tiny_encoder("tiny").freeze(1)
    assert flops(encoder, Activations(torch.ones(5, IN_DIM))) == 2 * 5 * IN_DIM * OUT_DIM
    assert flops(encoder.freeze(0), Activations(torch.ones(5, IN_DIM))) == 0


def test_the_plain_loop_pads_every_text_and_trains_what_is_not_frozen(weights_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(plain, "PADDED_TOKENS", 64)  # as many as the small model has positions
    text, image = fresh("text", "bert", weights_dir).freeze(2), fresh("image", "light", weights_dir).freeze(2)
    loop = plain.PlainLoop(text, image)
    pairs = load_labelled(DataConfig(data=str(SAMPLE), limit=2 * plain.BATCH), tmp_path).pairs
    before = {name: tensor.clone() for name, tensor in text.state_dict().items()}
    seen = []
    text.stages[0].register_forward_pre_hook(lambda module, arguments: seen.append(tuple(arguments[0].shape)))
    cost = plain.measure(loop, pairs, batches=1)
    assert set(seen) == {(plain.BATCH, plain.PADDED_TOKENS)}
    assert len(seen) == 4  # a batch to warm up and one that counts, in training and in validation
    assert cost.train > 0
    assert cost.val > 0
    moved = {name.split(".")[1] for name, tensor in text.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved
    assert not moved & {"0", "1"}


def test_the_plain_loop_refuses_a_pair_without_image(weights_dir):
    loop = plain.PlainLoop(fresh("text", "bert", weights_dir), fresh("image", "light", weights_dir))
    with pytest.raises(ValueError, match="no image"):
        loop.encode([Pair(guid="1", tag=None, text="a", image=None)])


def test_a_child_is_measured_by_itself_and_a_failing_one_is_no_measurement():
    _, small = run([sys.executable, "-c", "pass"])
    _, large = run([sys.executable, "-c", "b'1' * 2**27"])
    assert large - small == pytest.approx(0.125, abs=0.05)
    with pytest.raises(RuntimeError):
        run([sys.executable, "-c", "raise SystemExit(3)"])


def test_imports_are_added_up_by_package():
    report = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:      1000 |       1000 |   torch._C\n"
        "import time:      2000 |       3000 | torch\n"
        "import time:      4000 |       4000 | rich.text\n"
    )
    assert slowest_imports(report) == "7 ms in all, rich 4, torch 3"
