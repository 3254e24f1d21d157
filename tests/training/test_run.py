"""A whole run on part of the sample: repeatable, and the saved best model is the one reported."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmsent_cli.config import DataConfig, FitConfig, ModelConfig, RuntimeConfig, TrainConfig
from mmsent_cli.errors import CheckpointError, ConfigError
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.progress import Epoch, silent
from mmsent_cli.training.checkpoints import schema
from mmsent_cli.training.plan import plan_run
from mmsent_cli.training.predictions import read_predictions
from mmsent_cli.training.run import execute
from mmsent_cli.training.run_folder import resume_run, start_run
from tests.training.builders import assert_equal

pytestmark = pytest.mark.shared_cache
ROOT = Path(__file__).parents[2]
CONFIG = TrainConfig(
    data=DataConfig(data=str(ROOT / "data" / "sample"), limit=60),
    model=ModelConfig(encoders="light", image_size_px=32, modality_dropout=0.1, auxiliary_weight=0.3),
    fit=FitConfig(epochs=3, batch_size=8, accumulation_steps=2, patience=0),
    runtime=RuntimeConfig(device="cpu", precision="fp32"),
)


def run_once(config, folder, progress=silent):
    """Train in this process; the result and the run."""
    plan = plan_run(config)
    run = start_run(plan, folder)
    result = execute(plan, run, progress)
    run.write_json("result.json", result)
    return result, run


def figures(run):
    """Every line of `metrics.jsonl` but the time it took."""
    lines = run.path("metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def state(run, name):
    return torch.load(run.path(name), weights_only=True)["state"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A run that nothing disturbed."""
    return run_once(CONFIG, tmp_path_factory.mktemp("runs"))


def test_the_same_command_twice_gives_the_same_bytes(finished, tmp_path):
    result, run = finished
    again, other_run = run_once(CONFIG, tmp_path)
    assert figures(other_run) == figures(run)
    assert again.best == result.best
    for name in ("best_model.pt", "last.pt"):
        assert_equal(state(other_run, name), state(run, name))
    assert other_run.path("val_predictions.csv").read_bytes() == run.path("val_predictions.csv").read_bytes()


def test_another_seed_gives_other_figures_on_the_same_split(finished, tmp_path):
    _, run = finished
    _, other = run_once(replace(CONFIG, fit=replace(CONFIG.fit, seed=1, epochs=1)), tmp_path)
    assert figures(other)[0]["train_loss"] != figures(run)[0]["train_loss"]
    assert other.path("split.json").read_bytes() == run.path("split.json").read_bytes()


def test_the_saved_model_is_the_best_epochs_and_predicts_what_was_reported(finished):
    result, run = finished
    best = result.history[result.best_epoch - 1]
    assert best.is_best
    assert (result.accuracy, result.macro_f1) == (best.accuracy, best.macro_f1)
    assert best.accuracy == max(epoch.accuracy for epoch in result.history) or best.macro_f1 == max(
        epoch.macro_f1 for epoch in result.history
    )
    assert torch.load(run.path("best_model.pt"), weights_only=True)["epoch"] == result.best_epoch
    plan = plan_run(CONFIG)
    rows = {row.guid: row for row in read_predictions(run)}
    pairs = [pair for pair in plan.dataset.pairs if pair.guid in rows]
    answers = list(Predictor.load(run.path("best_model.pt"), CONFIG.runtime).predict(pairs))
    assert [answer.tag for answer in answers] == [rows[answer.guid].predicted for answer in answers]
    for answer in answers:
        shares = list(rows[answer.guid].probabilities)
        assert list(answer.probabilities.values()) == pytest.approx(shares, abs=1e-4)
    right = sum(rows[pair.guid].tag == rows[pair.guid].predicted for pair in pairs)
    assert right / len(rows) == result.accuracy


def test_counts_tell_what_was_trained(finished, tmp_path):
    result, _ = finished
    assert result.trainable_parameters == result.total_parameters
    frozen = replace(CONFIG, model=replace(CONFIG.model, freeze_text="all", freeze_image="all"))
    part, _ = run_once(replace(frozen, fit=replace(frozen.fit, epochs=1)), tmp_path)
    assert part.trainable_parameters < part.total_parameters == result.total_parameters
    assert part.history[0].encoder_lr == 0.0


def test_patience_stops_training(tmp_path, monkeypatch):
    fit = replace(CONFIG.fit, epochs=9, patience=2, encoder_lr=0.0, head_lr=0.0)
    result, _ = run_once(replace(CONFIG, fit=fit), tmp_path)
    assert result.epochs - result.best_epoch == 2


def test_resuming_on_other_frozen_weights_is_refused(finished, tmp_path, monkeypatch):
    config = replace(CONFIG, model=replace(CONFIG.model, freeze_image="1"), fit=replace(CONFIG.fit, epochs=1))
    plan = plan_run(config)
    run = start_run(plan, tmp_path)
    execute(plan, run)
    monkeypatch.setattr(schema, "frozen_digests", lambda model: {"text": "other", "image": "other"})
    with pytest.raises(CheckpointError):
        execute(plan, run)


def test_a_run_says_what_it_trained_before_it_is_over(tmp_path):
    """`metrics.jsonl` and both checkpoints are there after each epoch."""

    seen = []

    def look(event):
        if isinstance(event, Epoch):
            (folder,) = [path for path in tmp_path.iterdir() if not path.is_symlink()]
            lines = (folder / "metrics.jsonl").read_text().splitlines()
            epoch = torch.load(folder / "last.pt", weights_only=True)["epoch"]
            seen.append((len(lines), epoch, (folder / "best_model.pt").is_file()))

    start = time.perf_counter()
    result, _ = run_once(replace(CONFIG, fit=replace(CONFIG.fit, epochs=2)), tmp_path, look)
    assert seen == [(1, 1, True), (2, 2, True)]
    assert 0 < result.prepare_seconds < result.seconds < time.perf_counter() - start


@pytest.mark.parametrize("told", ["[]", "{}", '{"command": "tune"}'])
def test_an_experiment_is_not_resumed_as_a_training_run(tmp_path, told):
    run = start_run(plan_run(CONFIG), tmp_path)
    run.write("experiment.json", told)
    with pytest.raises(ConfigError) as caught:
        resume_run(run.name, tmp_path)
    command = "tune" if "tune" in told else "EXPERIMENT"
    assert caught.value.hint == f"go on with: mmsent {command} --resume {run.folder}"
