"""Arms of an experiment: trained as if alone, kept, read back, and counted once however often it was stopped."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.arms import Arm, TrainedArm, arms_of, seeds_of
from mmsent_cli.experiments.experiment import ENCODER_RUNS, Experiment
from mmsent_cli.progress import Epoch, Stage, silent
from mmsent_cli.results import EpochResult
from mmsent_cli.run_folders import Run
from mmsent_cli.training.metrics import Evaluation
from mmsent_cli.training.plan import plan_run
from mmsent_cli.training.predictions import read_predictions
from mmsent_cli.training.run import execute
from mmsent_cli.training.run_folder import start_run
from tests.commands.running import small_lab
from tests.events import Stopped, at, epochs_trained, models_begun, models_read_back, models_trained, stop
from tests.experiments.tuning import PAIRS, small_config, small_plan

ENCODED = {"text": PAIRS, "image": PAIRS}


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Two epochs of the light encoders on texts of many lengths; the features are in the store already."""
    folder = tmp_path_factory.mktemp("experiment")
    lab = small_lab(folder / "lab", PAIRS)
    for number in range(1, PAIRS + 1):
        (lab / f"data/{number}.txt").write_text("word " * (1 + number * 7 % PAIRS))
    small = small_plan(lab)
    (folder / "warm").mkdir()
    Experiment(small, Run(folder / "warm")).train([Arm(name="warm", config=small.variant("concat"))])
    return small


def arms_for(plan, *fusions, seeds=(0, 1)):
    return [arm for name in fusions for arm in arms_of(name, plan.variant(name), seeds)]


def train(plan, folder, arms, progress=silent):
    folder.mkdir(exist_ok=True)
    experiment = Experiment(plan, Run(folder), progress)
    return experiment.train(arms), experiment


def same(one, other):
    """Whether two trained models are equal to the bit."""
    plain = [name for name in TrainedArm.__slots__ if name not in ("predicted", "losses")]
    return (
        all(getattr(one, name) == getattr(other, name) for name in plain)
        and one.predicted.tobytes() == other.predicted.tobytes()
        and one.losses.tobytes() == other.losses.tobytes()
    )


def test_an_arm_is_trained_as_it_would_be_alone(plan, tmp_path):
    arms = arms_for(plan, "gmu", "image-only", seeds=(3, 4))
    trained, experiment = train(plan, tmp_path / "run", arms)
    assert [(model.name, model.fusion, model.seed) for model in trained] == [
        (name, name, seed) for name in ("gmu", "image-only") for seed in (3, 4)
    ]
    for arm, model in zip(arms[1::2], trained[1::2], strict=True):
        run = start_run(plan, tmp_path / arm.name)
        result = execute(replace(plan, config=arm.config), run)
        assert [asdict(score) for score in model.curve] == [
            {name: getattr(epoch, name) for name in asdict(model.curve[0])} for epoch in result.history
        ]
        rows = read_predictions(run)
        answers = [plan.dataset.labels[number] for number in model.predicted[result.best_epoch - 1]]
        assert answers == [row.predicted for row in rows]
        assert [plan.dataset.labels[number] for number in experiment.true] == [row.tag for row in rows]
        assert model.trainable_parameters == result.trainable_parameters
    for model in trained:
        right = (model.predicted == experiment.true).mean(axis=1)
        assert right.tolist() == [score.accuracy for score in model.curve]
        assert model.losses.mean(axis=1) == pytest.approx([score.val_loss for score in model.curve])


class Foretold:
    """A trainer of one epoch, whose answer to each pair is known: its row's number modulo 3."""

    def __init__(self, table):
        logits = np.eye(3)[[row % 3 for row in table.val]] * np.array([[1 + row] for row in table.val])
        self.last = Evaluation(logits, table.targets[list(table.val)])
        losses = {"train_loss": 1.0, "train_objective": 1.0, "val_loss": 1.0}
        figures = {"accuracy": 0.5, "macro_f1": 0.5, "encoder_lr": 0.1, "head_lr": 0.1, "seconds": 1.0}
        self.history = [EpochResult(epoch=1, **losses, skipped_steps=0, is_best=True, **figures)]

    def fit(self, *_):
        yield from self.history


def test_answers_are_in_the_order_of_the_data_and_not_of_the_length(plan, tmp_path, monkeypatch):
    experiment = Experiment(plan, Run(tmp_path))
    model, table, _ = experiment.workspace.trainer(plan.config)
    assert list(table.val) != sorted(table.val)
    monkeypatch.setattr(experiment.workspace, "trainer", lambda config: (model, table, Foretold(table)))
    (trained,) = experiment.train([Arm(name="a", config=plan.config)])
    rows = sorted(table.val)
    assert trained.predicted.tolist() == [[row % 3 for row in rows]]
    assert experiment.true.tolist() == [table.targets[row] for row in rows]
    odds = [math.exp(1 + row) for row in rows]
    right = trained.predicted[0] == experiment.true
    expected = [-math.log((odd if is_right else 1) / (odd + 2)) for odd, is_right in zip(odds, right, strict=True)]
    np.testing.assert_allclose(trained.losses[0], expected)


def test_arms_of_one_seed_share_their_batches_and_other_seeds_do_not(plan, tmp_path):
    """The same fusion under another name ends the same; another seed does not."""
    twice = [
        Arm(name=name, config=plan.variant("weighted", seed=seed)) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    ]
    (one, other, third), _ = train(plan, tmp_path / "run", twice)
    assert np.array_equal(one.losses, other.losses)
    assert not np.array_equal(one.losses, third.losses)
    assert one.curve[0].gates.keys() == {"text", "image"}
    assert one.curve[0].gates != third.curve[0].gates


def test_finished_arms_are_read_back_and_not_trained_again(plan, tmp_path):
    arms, first, second = arms_for(plan, "concat", "early"), [], []
    trained, _ = train(plan, tmp_path / "run", arms, first.append)
    assert models_begun(first) == [(number, 4) for number in (1, 2, 3, 4)]
    assert (len(models_trained(first)), models_read_back(first), epochs_trained(first)) == (4, [], 8)
    again, _ = train(plan, tmp_path / "run", arms, second.append)
    assert (models_trained(second), models_read_back(second), epochs_trained(second)) == ([], models_trained(first), 0)
    assert models_begun(second) == models_begun(first)
    assert all(same(one, other) for one, other in zip(trained, again, strict=True))
    files = {path.name for path in (tmp_path / "run" / "arms").iterdir()}
    assert files == {f"{arm.stem}.{kind}" for arm in arms for kind in ("json", "npz")}


def test_each_configuration_is_built_once_before_training(plan, tmp_path, monkeypatch):
    """Two fusions with two seeds: two models for the check and the preparation, then one for each arm."""
    experiment, built = Experiment(plan, Run(tmp_path)), []
    build = experiment.workspace.model

    def count(config, seed):
        built.append((config.fusion, seed))
        return build(config, seed)

    monkeypatch.setattr(experiment.workspace, "model", count)
    experiment.train(arms_for(plan, "concat", "gmu"))
    assert built == [("concat", 0), ("gmu", 0), *((name, seed) for name in ("concat", "gmu") for seed in (0, 1))]


def test_fusions_that_do_not_suit_are_found_before_the_first_arm(tmp_path, weights_dir):
    small_lab(tmp_path / "lab", PAIRS)
    config = small_config(tmp_path / "lab")
    model = replace(config.model, image_encoder="timm:test_vit", image_size_px=None)
    runtime = replace(config.runtime, weights_dir=str(weights_dir), offline=True)
    plan, events = plan_run(replace(config, model=model, runtime=runtime)), []
    with pytest.raises(ConfigError, match="test_vit"):
        train(plan, tmp_path / "run", arms_for(plan, "concat", "cross-attention", seeds=(0,)), events.append)
    assert models_begun(events) == []
    assert not (tmp_path / "run" / "arms").exists()


def stopping(place):
    """Stops the process for good at a stage of the preparation, or at the end of its n-th epoch."""

    def stop_at_stage(event):
        if isinstance(event, Stage) and place in event.name:
            raise Stopped

    return at(Epoch, place, stop) if isinstance(place, int) else stop_at_stage


@pytest.mark.parametrize("places", [("light-text",), ("light-image", 3, 1)])
def test_texts_and_images_count_once_however_often_the_experiment_was_stopped(tmp_path, places):
    plan = small_plan(tmp_path / "lab")
    arms = arms_for(plan, "image-only", "text-only", "concat", seeds=(0,))
    for place in places:
        with pytest.raises(Stopped):
            train(plan, tmp_path / "run", arms, stopping(place))
    _, experiment = train(plan, tmp_path / "run", arms)
    assert experiment.encoder_runs() == ENCODED
    assert json.loads((tmp_path / "run" / ENCODER_RUNS).read_text()) == ENCODED
    _, full = train(plan, tmp_path / "other", arms)
    assert full.encoder_runs() == {"text": 0, "image": 0}


def test_equal_texts_and_images_are_encoded_once(tmp_path):
    lab = small_lab(tmp_path / "lab", PAIRS)
    (lab / "data/5.txt").write_text((lab / "data/2.txt").read_text())
    (lab / "data/8.txt").write_text((lab / "data/2.txt").read_text())
    (lab / "data/9.jpg").write_bytes((lab / "data/3.jpg").read_bytes())
    plan = small_plan(lab)
    _, experiment = train(plan, tmp_path / "run", arms_for(plan, "concat", "weighted"))
    assert experiment.encoder_runs() == {"text": PAIRS - 2, "image": PAIRS - 1}


def test_the_setup_is_what_all_arms_share(plan, tmp_path):
    _, experiment = train(plan, tmp_path / "run", arms_for(plan, "concat", seeds=(7,)))
    setup = experiment.setup(plan.config, (7, 8))
    assert (setup.encoders, setup.labels) == ("light", ("negative", "neutral", "positive"))
    assert (setup.train_pairs, setup.val_pairs) == (len(plan.split.train), len(plan.split.val))
    assert (setup.epochs, setup.seeds, setup.device, setup.precision) == (2, (7, 8), "cpu", "fp32")
    assert plan.split.digest in setup.split and "grouped" in setup.split
    tags = {pair.guid: pair.tag for pair in plan.dataset.pairs}
    often = max(plan.dataset.labels, key=[tags[guid] for guid in plan.split.train].count)
    assert setup.majority_accuracy == np.mean([tags[guid] == often for guid in plan.split.val])


def test_seeds_go_on_from_the_configurations_own(plan):
    config = replace(plan.config, fit=replace(plan.config.fit, seed=4))
    assert seeds_of(config, 3) == (4, 5, 6)
    assert [arm.config.fit.seed for arm in arms_of("a", config, (9, 2))] == [9, 2]


def test_each_model_has_files_of_its_own(plan):
    names = ("concat", "concat (again)", "clip", "blip", "blip-advanced")
    stems = [arm.stem for name in names for arm in arms_of(name, plan.config, (1, 11))]
    assert len(set(stems)) == 10
    assert all(stem.isascii() and "/" not in stem and " " not in stem for stem in stems)
