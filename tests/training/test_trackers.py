"""`train --log`: what each tracker holds after a training, also after one that was interrupted."""

import json
import sys
from pathlib import Path

import pytest

from mmsent_cli.progress import Epoch
from mmsent_cli.training import trackers
from tests.commands.running import QUICK, assert_refused, interrupted, mmsent, run_folders, small_lab, succeed

pytestmark = pytest.mark.shared_cache
VALUES = ("train_loss", "val_loss", "accuracy", "macro_f1", "encoder_lr", "head_lr")


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return small_lab(tmp_path / "lab")


def train(*arguments):
    return Path(succeed("train", "--data", "lab", *QUICK, "--epochs", 3, *arguments, "--json")["run"])


def recorded(run, name="weighted-seed-0"):
    """What `metrics.jsonl` has of a model: for each value, its epochs."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    lines = [line for line in lines if name == "weighted-seed-0" or name.startswith(f"fold-{line['fold']}-")]
    return {value: [(line["epoch"], line[value]) for line in lines] for value in VALUES}


def tensorboard_scalars(run, name="weighted-seed-0"):
    """What TensorBoard's own reader finds, by epoch: it reads the files of one second in the order of their names."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard" / name))
    events.Reload()
    return {tag: sorted((one.step, one.value) for one in events.Scalars(tag)) for tag in events.Tags()["scalars"]}


def mlflow_scalars(run, name="weighted-seed-0"):
    """What MLflow's own client finds, and the settings."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{(run / 'mlflow' / 'mlflow.db').absolute()}")
    client = mlflow.MlflowClient()
    (experiment,) = client.search_experiments(filter_string="name = 'mmsent'")
    (found,) = [one for one in client.search_runs([experiment.experiment_id]) if one.info.run_name.endswith(name)]
    assert found.data.params["model.fusion"] == "weighted"
    histories = {tag: client.get_metric_history(found.info.run_id, tag) for tag in found.data.metrics}
    return {tag: [(one.step, one.value) for one in history] for tag, history in histories.items()}


READERS = {"tensorboard": tensorboard_scalars, "mlflow": mlflow_scalars}


def assert_same(scalars, run, name="weighted-seed-0"):
    expected = recorded(run, name)
    assert {tag: [step for step, _ in scalars[tag]] for tag in VALUES} == {
        tag: [step for step, _ in expected[tag]] for tag in VALUES
    }
    for tag in VALUES:
        assert [value for _, value in scalars[tag]] == pytest.approx([value for _, value in expected[tag]], rel=1e-6)


@pytest.mark.parametrize("tracker", READERS)
def test_a_tracker_has_the_epochs_of_the_record(lab, tracker):
    pytest.importorskip(tracker)
    run = train("--log", tracker)
    scalars = READERS[tracker](run)
    assert_same(scalars, run)
    result = json.loads((run / "result.json").read_text())
    for name, value in (("final_accuracy", result["accuracy"]), ("final_macro_f1", result["macro_f1"])):
        assert scalars[name] == [(3, pytest.approx(value, rel=1e-6))]
    assert scalars["best_epoch"] == [(3, result["best_epoch"])]
    assert recorded(train())["val_loss"] == recorded(run)["val_loss"], "as in a run that does not log"


@pytest.mark.parametrize("tracker", READERS)
@pytest.mark.parametrize("is_lost", [False, True])
def test_a_resumed_run_continues_the_log(lab, monkeypatch, tracker, is_lost):
    """Each epoch once, also where the kill came between the record of an epoch and its log."""
    pytest.importorskip(tracker)
    if is_lost:
        log, seen = trackers.Tracking.__call__, []

        def lose(self, event):
            seen.append(event)
            if isinstance(event, Epoch) and event.result.epoch == 2 and len(run_folders()) == 1 and seen[0] is not None:
                seen[0] = None
                raise KeyboardInterrupt
            log(self, event)

        monkeypatch.setattr(trackers.Tracking, "__call__", lose)
        words = ("train", "--data", "lab", *QUICK, "--epochs", 3, "--log", tracker)
        assert mmsent(*words).exit_code == 130
    else:
        words = ("train", "--data", "lab", *QUICK, "--epochs", 3, "--log", tracker)
        assert interrupted(monkeypatch, Epoch, 3, *words).exit_code == 130
    (run,) = run_folders()
    succeed("train", "--resume", run.name)
    assert_same(READERS[tracker](run), run)


def test_each_model_of_a_fold_has_a_log_of_its_own(lab, weights_dir):
    encoders = (
        "--encoders",
        "bert-resnet18",
        "--image-encoder",
        "timm:test_resnet",
        "--weights-dir",
        weights_dir,
        "--engine",
        "torch",
        "--image-size-px",
        32,
    )
    folds = ("--freeze-text", "all", "--freeze-image", "all", "--folds", 2, "--epochs", 2, "--log", "tensorboard")
    run = Path(succeed("train", "--data", "lab", *encoders, *folds, "--json")["run"])
    for fold in (1, 2):
        assert_same(tensorboard_scalars(run, f"fold-{fold}-seed-0"), run, f"fold-{fold}-seed-0")
    ensemble, result = tensorboard_scalars(run, "ensemble"), json.loads((run / "result.json").read_text())
    assert ensemble["final_accuracy"] == [(2, pytest.approx(result["accuracy"], rel=1e-6))]


def test_a_tracker_that_is_not_installed_or_not_known(lab, monkeypatch):
    for name in ("tensorboard", "wandb", "swanlab", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
        refused = mmsent("train", "--data", "lab", *QUICK, "--log", name)
        assert_refused(refused, f"--log {name} needs {name}", f"pip install '.[{name}]'")
    assert_refused(mmsent("train", "--data", "lab", *QUICK, "--log", "aim"), "unknown name 'aim'", "tensorboard")
    assert run_folders() == []


def test_a_tracker_that_fails_does_not_end_the_training(lab, monkeypatch):
    class Broken:
        def start(self):
            raise OSError("no route")

    monkeypatch.setitem(trackers.OPEN, "tensorboard", lambda *arguments: Broken())
    run = train("--log", "tensorboard")
    notes = json.loads((run / "result.json").read_text())["notes"]
    assert any("--log tensorboard failed" in note and "no route" in note for note in notes)


@pytest.mark.parametrize(("tracker", "file"), [("wandb", "wandb/offline-run-*/*.wandb"), ("swanlab", "swanlab/*")])
def test_trackers_of_services_write_into_the_run_offline(lab, tracker, file):
    pytest.importorskip(tracker)
    run = train("--log", tracker)
    assert list(run.glob(file))
    assert not any("failed" in note for note in json.loads((run / "result.json").read_text())["notes"])
