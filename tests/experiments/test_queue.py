"""Tasks of a study: each is taken once, by whoever is alive."""

import threading

import pytest

from mmsent_cli.config.command_settings import TuneSettings
from mmsent_cli.experiments.tuning import study as module
from mmsent_cli.experiments.tuning.space import parse_space
from mmsent_cli.experiments.tuning.study import BEGUN, SETTINGS, TASK, Task, TaskList, open_study, quiet_optuna

TASKS = [Task("grid", index, {"epochs": index + 1}) for index in range(3)]


@pytest.fixture(autouse=True)
def quiet():
    with quiet_optuna():
        yield


@pytest.fixture
def connect(tmp_path):
    """Open the study as one more process would."""

    def open_again(is_shared=True):
        storage = f"sqlite:///{tmp_path}/shared.db" if is_shared else None
        study = open_study(TuneSettings(storage=storage), tmp_path / "own.db", "maximize", "digest")
        return TaskList(*study, is_shared=is_shared)

    return open_again


def states(tasks):
    return [trial.state.name for trial in tasks.study.trials]


def test_tasks_are_taken_in_order_and_by_one_process_each(connect):
    one, other = connect(), connect()
    taken = [process.take(TASKS) for process in (one, other, one)]
    assert [trial.user_attrs[TASK] for trial in taken] == ["grid-0", "grid-1", "grid-2"]
    assert [trial.user_attrs[SETTINGS] for trial in taken] == [task.settings for task in TASKS]
    assert one.take(TASKS) is other.take(TASKS) is None
    assert other.finished() == {}
    one.complete(taken[0], 0.5)
    other.prune(taken[1])
    one.give_up(taken[2].number)
    assert {key: trial.state.name for key, trial in other.finished().items()} == {
        "grid-0": "COMPLETE",
        "grid-1": "PRUNED",
    }
    again = other.take(TASKS)
    assert again.user_attrs[TASK] == "grid-2"
    assert states(one) == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]


def test_taking_a_task_is_one_transaction(connect, monkeypatch):
    """A second process that comes between the look at a trial and the claim to it has to wait."""
    one, other, rival = connect(), connect(), []
    one.study.enqueue_trial({}, user_attrs={TASK: "grid-0"})
    thread = threading.Thread(target=lambda: rival.append(other.take(TASKS[:1])))
    check = one.storage.check_trial_is_updatable

    def interfere(*arguments):
        if thread.ident is None:
            thread.start()
            thread.join(0.3)
        return check(*arguments)

    monkeypatch.setattr(one.storage, "check_trial_is_updatable", interfere)
    assert one.take(TASKS[:1]).user_attrs[TASK] == "grid-0"
    thread.join()
    assert rival == [None]


def test_a_task_that_two_processes_added_is_done_once(connect):
    one, other = connect(), connect()
    for process in (one, other):
        process.study.enqueue_trial({}, user_attrs={TASK: "grid-0"})
    first, second = one.take(TASKS[:1]), other.take(TASKS[:1])
    assert first.user_attrs[TASK] == "grid-0"
    assert second is None
    assert states(one) == ["RUNNING", "FAIL"]


def test_a_trial_without_a_task_is_given_up(connect):
    """What `ask` makes when another process was quicker to take the last waiting trial."""
    one, other = connect(), connect()
    one.study.enqueue_trial({}, user_attrs={TASK: "grid-0"})
    original = other.study.ask

    def ask():
        one.study.ask()
        return original()

    other.study.ask = ask
    assert other.take(TASKS[:1]) is None
    assert states(one) == ["RUNNING", "FAIL"]


def test_what_a_killed_process_left_in_a_file_of_its_own_is_free_at_once(connect):
    killed = connect(is_shared=False)
    killed.complete(killed.take(TASKS), 1.0)
    killed.take(TASKS)
    resumed = connect(is_shared=False)
    assert states(resumed) == ["COMPLETE", "FAIL"]
    assert resumed.take(TASKS).user_attrs[TASK] == "grid-1"


def test_a_shared_task_is_free_when_its_process_is_silent_for_too_long(connect, monkeypatch):
    one, other = connect(), connect()
    trial = one.take(TASKS[:1])
    assert other.take(TASKS[:1]) is None
    monkeypatch.setattr(module, "GRACE_SECONDS", -1)  # it never gave a sign of life
    assert other.take(TASKS[:1]).user_attrs[TASK] == "grid-0"
    one.complete(trial, 1.0)  # too late, and no error
    assert states(one) == ["FAIL", "RUNNING"]


def test_a_held_trial_is_alive(connect, monkeypatch):
    one, other = connect(), connect()
    trial = one.take(TASKS[:1])
    monkeypatch.setattr(module, "GRACE_SECONDS", -1)
    with one.holding(trial):
        assert other.take(TASKS[:1]) is None
        assert trial.user_attrs[BEGUN]
    assert states(one) == ["RUNNING"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_trial_that_fails_is_given_up_and_the_error_raised(connect, error):
    tasks = connect()
    with pytest.raises(error), tasks.holding(tasks.take(TASKS)):
        raise error
    assert states(tasks) == ["FAIL"]


def test_work_on_a_trial_that_another_process_took_over_is_dropped(connect):
    one, other = connect(), connect()
    trial = one.take(TASKS[:1])
    with one.holding(trial):
        other.give_up(trial.number)
        trial.report(0.5, 1)
        raise AssertionError("an epoch after the trial was lost is not reported")
    assert states(one) == ["FAIL"]


def test_heartbeats_go_on_through_a_failing_database(connect, monkeypatch):
    from optuna.exceptions import StorageInternalError

    tasks, beats = connect(), []
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.001)
    trial = tasks.take(TASKS)
    with tasks.holding(trial):

        def beat(trial_id):
            beats.append(trial_id)
            raise StorageInternalError

        monkeypatch.setattr(tasks.storage, "record_heartbeat", beat)
        while len(beats) < 3:
            pass
    assert set(beats) == {trial._trial_id}


def proposals(tasks, stop=None, seed=0, count=13):
    """Settings of trials with a made-up metric; the process that proposes number `stop` dies."""
    space = parse_space(["head_lr=1e-5:1e-1:log", "schedule=cosine|linear", "epochs=1:9"])
    found = []
    for index in range(count):
        trial = tasks.take([Task("tpe", number) for number in range(count)])
        settings = tasks.propose(trial, space, seed + index)
        if index == stop:
            tasks.give_up(trial.number)
            trial = tasks.take([Task("tpe", number) for number in range(count)])
            settings = tasks.propose(trial, space, seed + index)
        assert trial.user_attrs[TASK] == f"tpe-{index}"
        tasks.complete(trial, -abs(settings["head_lr"] - 1e-3) - settings["epochs"])
        found.append(settings)
    return found


def test_proposals_depend_on_the_seed_and_on_finished_trials_alone(connect, tmp_path):
    whole = proposals(connect())
    for folder, stop, seed, count in (("killed", 11, 0, 13), ("other", None, 100, 2)):
        (tmp_path / folder).mkdir()
        study = open_study(TuneSettings(), tmp_path / folder / "own.db", "maximize", "digest")
        assert (proposals(TaskList(*study, is_shared=False), stop, seed, count) == whole[:count]) is (seed == 0)
    best = sorted(settings["epochs"] for settings in whole[10:])
    assert best[1] <= 2  # the sampler has learned where to look
