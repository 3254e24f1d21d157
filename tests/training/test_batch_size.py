"""`--auto-batch` after planted failures, `--compile`, and a scaler as for fp16 on a CPU."""

import gc
import json
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mmsent_cli.compute.device import Compute, make_accelerator
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.training.loop import Trainer
from tests.commands.running import QUICK, assert_refused, epochs_of, mmsent, small_lab, succeed
from tests.training.builders import LABELS, make_trainer, tiny_model, tiny_table, train
from tests.training.builders import QUICK as QUICK_FIT

pytestmark = pytest.mark.shared_cache


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A GPU that has room for batches of some size; collects the sizes that were tried."""
    monkeypatch.chdir(tmp_path)
    small_lab(tmp_path / "lab", pairs=30)
    step, tried = Trainer.try_step, []

    def limited(trainer):
        tried.append(trainer.config.batch_size)
        if trainer.config.batch_size > limited.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        step(trainer)

    monkeypatch.setattr(Trainer, "try_step", limited)
    limited.tried = tried
    gc.freeze()  # a collection after each size looks at the objects of that size alone
    return limited


def start(*more):
    return ("train", "--data", "lab", *QUICK[:-2], "--batch-size", 11, "--epochs", 2, *more)


@pytest.mark.parametrize(("fits", "batch_size", "steps"), [(11, 11, 1), (4, 3, 4)])
def test_the_batch_is_halved_until_it_fits_and_then_trains_as_if_it_were_given(room, undrawn, fits, batch_size, steps):
    room.room = fits
    result = succeed(*start("--auto-batch", "--json"))
    config = json.loads(Path(result["run"], "config.json").read_text())["fit"]
    assert (config["batch_size"], config["accumulation_steps"]) == (batch_size, steps)
    assert room.tried[-1] == batch_size
    own = ("--batch-size", batch_size, "--accumulation-steps", steps)
    same = succeed("train", "--data", "lab", *QUICK[:-2], *own, "--epochs", 2, "--json")
    assert epochs_of(result["run"]) == epochs_of(same["run"])


def test_not_even_one_pair(room):
    room.room = 0
    assert_refused(mmsent(*start("--auto-batch")), "a batch of 1 pair", "--device cpu")
    assert room.tried == [11, 6, 3, 2, 1]


def test_a_run_is_resumed_with_the_batch_that_was_found(room, undrawn, monkeypatch):
    room.room = 6
    fit = Trainer.fit

    def one_epoch(trainer, *arguments):
        yield next(epochs := fit(trainer, *arguments))
        del epochs
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "fit", one_epoch)
        mmsent(*start("--auto-batch"))
    room.room = 1
    tried = len(room.tried)
    result = succeed("train", "--resume", "latest", "--json")
    assert len(room.tried) == tried and len(result["history"]) == 2
    config = json.loads(Path(result["run"], "config.json").read_text())["fit"]
    assert (config["batch_size"], config["accumulation_steps"]) == (6, 2)


@pytest.mark.parametrize("more", [("--folds", 2, "--encoders", "compact"), ("--runs-dir", "other")])
def test_where_it_does_not_work(room, monkeypatch, more):
    if "--folds" not in more:
        monkeypatch.setattr("mmsent_cli.training.batch_size.processes", SimpleNamespace(count=lambda: 2))
    assert_refused(mmsent(*start("--auto-batch", *more)), "--auto-batch")


def test_the_step_that_is_tried_has_the_longest_texts():
    table = replace(tiny_table(), lengths=[1 + number % 24 for number in range(36)])
    trainer, seen = make_trainer(table=table), []
    trainer.model.register_forward_pre_hook(lambda model, arguments: seen.append(arguments[0].text.values))
    trainer.try_step()
    assert len(seen) == 1 and len(seen[0]) == 4
    assert 23 in [table.text.values[:, 0].tolist().index(value) for value in seen[0][:, 0].tolist()]
    assert trainer.optimizer.state, "the averages of the optimizer take memory too"


def test_a_compiled_model_trains_the_same(monkeypatch):
    compiled = []
    monkeypatch.setattr(
        torch, "compile", lambda model, dynamic: compiled.append(dynamic) or (lambda batch: model(batch))
    )
    found = {}
    for compiles in (False, True):
        accelerator = make_accelerator(Compute("cpu", "fp32"), 1)
        runtime = RuntimeConfig(compile=compiles)
        trainer = Trainer(tiny_model(), tiny_table(), LABELS, QUICK_FIT, 0.0, accelerator, runtime)
        found[compiles] = [result.train_loss for result in train(trainer)]
    assert found[True] == found[False] and compiled == [True]


def test_with_a_scaler_steps_that_overflow_are_skipped_without_a_warning():
    """As fp16 on a GPU: the first two steps overflow, and the schedule waits for the optimizer."""
    accelerator = make_accelerator(Compute("cpu", "fp32"), 1)
    accelerator.scaler = scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer = Trainer(tiny_model(), tiny_table(), LABELS, QUICK_FIT, 0.0, accelerator)
        accelerator.unscale_gradients = lambda *_: scaler.unscale_(trainer.optimizer.optimizer)
        loss = trainer.loss
        trainer.loss = lambda *arguments: 4 * loss(*arguments)
        results = train(trainer)
    assert [result.skipped_steps for result in results] == [2, 0, 0]
    assert trainer.schedule.last_epoch == 18 - 2
