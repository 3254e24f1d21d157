"""`tune` on a small lab folder: what it tries, that its best configuration repeats, and that nothing is lost."""

import hashlib
import json
import multiprocessing
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmsent_cli.config import read_train_config
from mmsent_cli.config.command_settings import TuneSettings
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.experiments.tuning import tune as module
from mmsent_cli.experiments.tuning.runner import Search
from mmsent_cli.experiments.tuning.space import configure
from mmsent_cli.experiments.tuning.study import TaskList
from mmsent_cli.experiments.tuning.tune import _digest, tune
from mmsent_cli.progress import Epoch
from mmsent_cli.training.plan import plan_run
from mmsent_cli.training.run import execute
from mmsent_cli.training.run_folder import start_run
from tests.events import Stopped, at, epochs_trained, models_begun, models_read_back, models_trained, stop
from tests.experiments.tuning import PAIRS, search, share_a_study, small_plan

ROOT = Path(__file__).parents[2]
GRID = {"strategy": "grid", "space": ("batch_size=4|8", "fusion=early|concat")}
TPE = {"strategy": "tpe", "space": ("encoder_lr=1e-4:1e-2:log", "schedule=cosine|linear"), "trials": 4}


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Two epochs of the light encoders; the features are in the store already."""
    small = small_plan(tmp_path_factory.mktemp("tune") / "lab")
    search(small, Path(small.config.runtime.cache_dir or "").parent / "warm", rates=(1.0,), decays=(0.0,))
    return small


@pytest.fixture(scope="module")
def sequence(plan, tmp_path_factory):
    """A sequence that nothing disturbed."""
    events = []
    return (*search(plan, tmp_path_factory.mktemp("runs"), events.append), events)


@pytest.fixture(scope="module")
def grid(plan, tmp_path_factory):
    """A grid of two seeds a trial."""
    events = []
    return (*search(plan, tmp_path_factory.mktemp("runs"), events.append, seeds=2, **GRID), events)


def settings_of(result):
    return [trial.settings for trial in result.trials]


def test_the_sequence_is_the_published_one_at_its_encoders_own_rate(plan):
    fit = replace(plan.config.fit, encoder_lr=5e-5, head_lr=5e-5)
    found = Search(replace(plan, config=replace(plan.config, fit=fit)), TuneSettings())
    assert [task.settings for task in found.first] == [
        {"encoder_lr": rate, "head_lr": rate, "weight_decay": 1e-4} for rate in (1e-5, 2e-5, 3e-5, 5e-5)
    ]
    assert found.total == 6


def test_the_sequence_takes_the_best_rate_on_to_the_other_decays(sequence):
    result, _, events = sequence
    assert [trial.phase for trial in result.trials] == ["rates"] * 4 + ["decays"] * 2
    rates = result.trials[:4]
    assert [(t.settings["encoder_lr"], t.settings["head_lr"]) for t in rates] == [
        (6e-4, 2e-4),
        (1.2e-3, 4e-4),
        (1.8e-3, 6e-4),
        (3e-3, 1e-3),
    ]
    best = min(rates, key=lambda trial: min(score.val_loss for score in trial.curves[0]))
    assert settings_of(result)[4:] == [{**best.settings, "weight_decay": decay} for decay in (3e-4, 5e-4)]
    assert len(models_trained(events)) == len(set(models_trained(events))) == 6
    assert models_begun(events) == [(number, 6) for number in range(1, 7)]
    assert result.best == min(range(6), key=lambda number: result.trials[number].val_loss)


def test_a_grid_trains_every_combination_with_every_seed(grid, plan):
    result, run, events = grid
    assert settings_of(result) == [
        {"batch_size": size, "fusion": fusion} for size in (4, 8) for fusion in ("early", "concat")
    ]
    assert len(models_trained(events)) == len(set(models_trained(events))) == 8
    assert [[len(curve) for curve in trial.curves] for trial in result.trials] == [[2, 2]] * 4
    assert len(list(run.path("arms").glob("*.json"))) == 8
    assert result.setup.seeds == (0, 1)
    assert [trial.number for trial in result.trials] == [0, 1, 2, 3]


def test_what_every_model_predicts_comes_with_the_result(grid, plan):
    result, run, _ = grid
    again, predicted = tune(plan, TuneSettings(seeds=2, **GRID), run)
    assert again == result
    assert predicted.shape == (8, result.setup.val_pairs)
    assert set(predicted.ravel()) <= {0, 1, 2}
    pair = [2 * number for number in (result.best, result.runner_up)]
    numbers = {label: number for number, label in enumerate(plan.dataset.labels)}
    true = [numbers[p.tag] for p in plan.dataset.pairs if p.guid in set(plan.split.val)]
    right = [(predicted[row : row + 2] == true).mean() for row in pair]
    assert result.difference.difference == pytest.approx(right[0] - right[1])


def test_encoders_that_do_not_suit_a_fusion_are_found_before_anything_is_trained(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("mmsent_cli.model._token_dim", refuse)
    for settings in ({"strategy": "grid"}, {"strategy": "tpe"}):
        events = []
        with pytest.raises(ConfigError, match="no tokens"):
            search(plan, tmp_path, events.append, space=("fusion=concat|cross-attention",), **settings)
        assert models_begun(events) == []


def refuse(encoder):
    raise ConfigError("no tokens", "choose another fusion")


def test_the_result_names_the_best_and_compares_it_with_the_runner_up(grid):
    result, _, _ = grid
    order = sorted(range(4), key=lambda number: result.trials[number].val_loss)
    assert [result.best, result.runner_up] == order[:2]
    assert result.fusion == result.trials[result.best].settings["fusion"]
    assert result.difference is not None
    low, high = result.difference.interval
    assert low <= result.difference.difference <= high
    assert result.verdict == "not distinguishable"


@pytest.mark.parametrize("name", ["sequence", "grid"])
def test_training_with_the_best_configuration_repeats_the_trial_to_the_last_bit(name, request, tmp_path):
    result, run, _ = request.getfixturevalue(name)
    plan = plan_run(read_train_config(run.path(result.best_config)))
    trained = execute(plan, start_run(plan, tmp_path))
    curve = result.trials[result.best].curves[0]
    names = list(asdict(curve[0]))
    assert len(names) == 7
    assert [{name: getattr(epoch, name) for name in names} for epoch in trained.history] == [asdict(e) for e in curve]
    plain = json.loads(run.path("best_config.json").read_text())
    assert all(value is not None for value in (*plain["fit"].values(), *plain["model"].values()))


@pytest.fixture(scope="module")
def undisturbed(plan, sequence, tmp_path_factory):
    """The results of searches that nothing disturbed, by their settings."""

    def find(settings):
        return search(plan, tmp_path_factory.mktemp("whole"), **dict(settings))[0] if settings else sequence[0]

    return cache(find)


@pytest.mark.parametrize(
    ("settings", "stopped_epoch", "read_back", "epochs", "is_killed"),
    [
        ({}, 5, 2, 8, False),  # in the third trial of six
        ({**GRID, "pruning": True}, 6, 2, 4, True),
        ({**TPE, "trials": 3, "seeds": 2}, 7, 3, 6, True),  # in the second seed of the second trial of three
    ],
    ids=["sequence", "grid", "tpe"],
)
def test_a_search_that_was_stopped_goes_on_to_the_same_result(
    plan, undisturbed, tmp_path, monkeypatch, settings, stopped_epoch, read_back, epochs, is_killed
):
    whole = undisturbed(tuple(settings.items()))
    run = start_run(plan, tmp_path, "tune")
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        if is_killed:
            patch.setattr(TaskList, "give_up", lambda self, number: None)
        search(plan, tmp_path, at(Epoch, stopped_epoch, stop), run, **settings)
    assert run.has_progress
    events = []
    assert search(plan, tmp_path, events.append, run, **settings)[0] == whole
    assert (len(models_read_back(events)), epochs_trained(events)) == (read_back, epochs)
    third = []
    assert search(plan, tmp_path, third.append, run, **settings)[0] == whole
    assert (models_trained(third), epochs_trained(third)) == ([], 0)


def test_the_cost_of_all_processes_is_added_up(tmp_path):
    plan = small_plan(tmp_path / "lab")
    run = start_run(plan, tmp_path, "tune")
    settings = {"rates": (1.0,), "decays": (0.0, 0.1), "storage": f"sqlite:///{tmp_path}/study.db"}
    with pytest.raises(Stopped):
        search(plan, tmp_path, at(Epoch, 1, stop), run, **settings)
    result, _ = search(plan, tmp_path, run=run, **settings)
    assert result.setup.encoder_runs == {"text": PAIRS, "image": PAIRS}
    events = []
    assert search(plan, tmp_path, events.append, **settings)[0] == result
    assert (len(models_read_back(events)), epochs_trained(events)) == (2, 0)


def test_proposals_are_decided_by_the_seed(plan, tmp_path):
    one, two = (search(plan, tmp_path, **{**TPE, "trials": 3})[0] for _ in range(2))
    assert one == two
    assert len(one.trials) == 3
    assert {trial.phase for trial in one.trials} == {"tpe"}
    assert all(1e-4 <= float(settings["encoder_lr"]) <= 1e-2 for settings in settings_of(one))


def test_settings_proposed_again_are_not_trained_again(plan, tmp_path):
    events = []
    result, _ = search(plan, tmp_path, events.append, strategy="tpe", space=("schedule=cosine|linear",), trials=6)
    assert len(models_trained(events)) == len(result.trials) == 2
    assert any(note.startswith("4 of 6 proposals") for note in result.notes)


def test_a_hopeless_trial_is_pruned(plan, tmp_path):
    longer = replace(plan, config=replace(plan.config, fit=replace(plan.config.fit, epochs=3)))
    rates = "|".join(f"{rate}e-4" for rate in range(1, 6))
    events = []
    settings = {"strategy": "grid", "space": (f"head_lr={rates}|500",), "seeds": 2}
    result, run = search(longer, tmp_path, events.append, pruning=True, **settings)
    assert [trial.state for trial in result.trials] == ["complete"] * 5 + ["pruned"]
    assert [len(curve) for curve in result.trials[5].curves] == [2]
    assert epochs_trained(events) == 5 * 2 * 3 + 2
    assert 5 not in (result.best, result.runner_up)
    assert search(longer, tmp_path, run=run, pruning=True, **settings)[0] == result


def test_a_single_trial_has_nothing_to_be_compared_with(plan, tmp_path):
    result, _ = search(plan, tmp_path, rates=(1.0,), decays=(0.01, 0.01))
    assert len(result.trials) == 1
    assert (result.best, result.runner_up, result.difference, result.verdict) == (0, None, None, "")


def test_a_study_of_other_settings_or_data_is_refused_and_one_of_tpe_extended(plan, tmp_path):
    shared = {**TPE, "storage": f"sqlite:///{tmp_path}/study.db"}
    few, _ = search(plan, tmp_path, **{**shared, "trials": 2})
    events = []
    more, _ = search(plan, tmp_path, events.append, **shared)
    assert more.trials[:2] == few.trials
    assert (len(models_read_back(events)), len(models_trained(events))) == (2, 2)
    pairs = plan.dataset.pairs
    other_text = replace(plan.dataset, pairs=(replace(pairs[0], text="changed"), *pairs[1:]))
    other_fit = replace(plan.config, fit=replace(plan.config.fit, seed=3))
    for changed in (replace(plan, dataset=other_text), replace(plan, config=other_fit)):
        with pytest.raises(ConfigError, match="other settings or other data"):
            search(changed, tmp_path, **shared)
    with pytest.raises(ConfigError, match="other settings or other data"):
        search(plan, tmp_path, **{**shared, "seeds": 2})


def test_the_digest_of_a_study_has_a_form_that_later_versions_keep(monkeypatch):
    """It is kept in the databases of studies, and a study with another digest is not continued."""
    known = {"model": {"fusion": "concat"}, "fit": {"epochs": 2}, "runtime": {}, "trials": 3, "seeds": 1}
    monkeypatch.setattr(module, "to_dict", lambda _: known)
    pair = SimpleNamespace(guid="1", tag="neutral", text="a day", image_digest="ff")
    plan = SimpleNamespace(
        config=None,
        dataset=SimpleNamespace(pairs=[pair], labels=["neutral"]),
        split=SimpleNamespace(digest="aa"),
        compute=SimpleNamespace(device_type="cpu", precision="fp32"),
    )
    kept = (
        '{"compute": ["cpu", "fp32"], "fit": {"epochs": 2}, "labels": ["neutral"], "model": {"fusion": "concat"},'
        ' "pairs": [["1", "neutral", "a day", "ff"]], "settings": {"fit": {"epochs": 2}, "model": {"fusion": "concat"},'
        ' "runtime": {}, "seeds": 1}, "split": "aa"}'
    )
    assert _digest(plan, None) == hashlib.sha256(kept.encode()).hexdigest()


def test_settings_that_do_not_go_together_are_refused_before_anything_is_trained(plan, tmp_path):
    run = start_run(plan, tmp_path, "tune")
    space = ("fusion=concat|logit-ensemble", "auxiliary_weight=0|1")
    with pytest.raises(ConfigError, match="auxiliary-weight"):
        search(plan, tmp_path, run=run, strategy="grid", space=space)
    assert not run.path("study.db").exists()
    assert configure(plan, {"fusion": "logit-ensemble", "auxiliary_weight": 1.0}).model.auxiliary_weight == 1.0


def test_a_fusion_that_is_tried_brings_its_own_head(plan):
    assert configure(plan, {"fusion": "early"}).model.head_dropout == (0.3,)
    assert configure(plan, {"fusion": "gmu"}).model.head_dropout == plan.config.model.head_dropout == (0.25,)


def test_a_database_that_is_gone_is_told(plan, tmp_path):
    import sqlite3

    run = start_run(plan, tmp_path, "tune")

    def drop_trials():
        with sqlite3.connect(run.path("study.db")) as connection:
            connection.execute("DROP TABLE trials")

    with pytest.raises(MmsentError, match="no such table: trials") as caught:
        search(plan, tmp_path, at(Epoch, 1, drop_trials), run)
    assert "--resume" in caught.value.hint


def test_a_trial_that_another_process_took_for_lost_is_done_again(plan, tmp_path, sequence):
    import optuna

    url = f"sqlite:///{tmp_path}/study.db"

    def fail_trial():
        study = optuna.load_study(study_name="mmsent", storage=url)
        study.tell(0, state=optuna.trial.TrialState.FAIL)

    events = []
    result, _ = search(plan, tmp_path, at(Epoch, 1, fail_trial, events), storage=url)
    assert result == sequence[0]
    assert epochs_trained(events) == 6 * 2 + 1


@pytest.fixture
def share(plan, tmp_path, monkeypatch):
    """Start processes that share one study, forked from one that has imported PyTorch for all of them."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([share_a_study.__module__])
    started = []

    def start(is_hanging=False, **settings):
        ours, theirs = context.Pipe()
        storage = {"storage": f"sqlite:///{tmp_path}/study.db"}
        arguments = (theirs, Path(plan.config.data.data), tmp_path, is_hanging, settings | storage)
        process = context.Process(target=share_a_study, args=arguments)
        process.start()
        theirs.close()
        started.append(process)
        assert ours.recv() == "ready"
        return process, ours

    yield start
    for process in started:
        process.kill()
        process.join()


@pytest.mark.faults
def test_processes_share_a_study_and_take_up_the_trial_of_one_that_was_killed(grid, share):
    """Three processes: one hangs in its first trial and is killed; the other two do each combination once."""
    (killed, of_killed), *others = (share(is_hanging, seeds=2, **GRID) for is_hanging in (True, False, False))
    of_killed.send("begin")
    assert of_killed.recv() == "in a trial"
    for _, connection in others:
        connection.send("begin")
    killed.kill()
    answers = [connection.recv() for _, connection in others]
    assert [result for result, _ in answers] == [grid[0], grid[0]]
    trained = [model for _, models in answers for model in models]
    assert sorted(trained) == sorted(models_trained(grid[2]))
