"""Models side by side: the same to the bit as one after the other, in any order of finishing, and failures reported."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from mmsent_cli.compute.threads import torch_threads
from mmsent_cli.config import TrainConfig
from mmsent_cli.errors import MmsentError
from mmsent_cli.experiments.arms import arms_of, train_to_the_end
from mmsent_cli.experiments.experiment import Experiment
from mmsent_cli.progress import Epoch, silent
from mmsent_cli.run_folders import Run
from mmsent_cli.training import parallel
from mmsent_cli.training.parallel import Work, count_side_by_side, threads_for, train_side_by_side
from mmsent_cli.training.workspace import Workspace
from tests.events import models_begun, models_trained
from tests.experiments.test_experiment import same
from tests.experiments.tuning import small_plan

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return small_plan(tmp_path_factory.mktemp("side-by-side") / "lab")


def with_jobs(plan, jobs):
    return replace(plan, config=replace(plan.config, runtime=replace(plan.config.runtime, jobs=jobs)))


def arms_for(plan, *fusions, seeds=(0, 1)):
    return [arm for name in fusions for arm in arms_of(name, plan.variant(name), seeds)]


def work_of(arms, train=train_to_the_end, epochs=2, parameters=0):
    """Arms of 19 training pairs each."""
    return Work(arms, train, 19 * epochs * len(arms), parameters)


def train_together(plan, arms, jobs, progress=silent, train=train_to_the_end, begun=None):
    """Train arms in some processes."""
    kept = [] if begun is None else begun
    return train_side_by_side(Workspace(plan, progress), work_of(arms, train), jobs, kept.append)


def train(plan, folder, progress):
    folder.mkdir()
    experiment = Experiment(plan, Run(folder), progress)
    return experiment.train(arms_for(plan, "concat", "gmu", "text-only")), experiment


def test_models_side_by_side_are_those_of_one_after_the_other(tmp_path, monkeypatch):
    """Each way with a feature store of its own, and two threads for whoever does not ask for fewer."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    found = {}
    with torch_threads(2):
        for jobs in (1, 2):
            plan, events = small_plan(tmp_path / str(jobs) / "lab"), []
            models, experiment = train(with_jobs(plan, jobs), tmp_path / f"run-{jobs}", events.append)
            assert experiment.encoder_runs() == {"text": 24, "image": 24}
            found[jobs] = models, events
    (one_by_one, _), (together, events) = found.values()
    assert [(model.name, model.seed) for model in together] == [(model.name, model.seed) for model in one_by_one]
    assert all(same(one, other) for one, other in zip(one_by_one, together, strict=True))
    assert models_begun(events) == [(number, 6) for number in range(1, 7)]
    epochs = Counter((event.model, event.seed) for event in events if isinstance(event, Epoch))
    assert epochs == {(model.name, model.seed): 2 for model in together}
    assert sorted(models_trained(events)) == sorted(epochs)


def test_a_process_that_is_ended_from_outside_is_told_and_the_others_end(plan):
    begun, trainers = [], []

    def kill(event):
        if isinstance(event, Epoch) and not trainers:
            trainers.extend(psutil.Process(child.pid) for child in multiprocessing.active_children())
            os.kill(trainers[0].pid, signal.SIGKILL)

    with pytest.raises(MmsentError, match="signal 9") as caught:
        list(train_together(plan, arms_for(plan, "concat"), 2, kill, begun=begun))
    assert [arm.seed for arm in begun] == [0, 1]
    assert "--resume" in caught.value.hint and "--jobs 1" in caught.value.hint
    assert len(trainers) == 2 and not any(child.is_running() for child in trainers)


class Exits:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return sys.exit, (1,)


def test_a_worker_that_ends_by_itself_is_an_error_with_its_exit_code(plan):
    """Python exits with 1 as well where it cannot start a worker; this one had started."""
    (arm,) = arms_for(plan, "concat", seeds=(0,))
    with pytest.raises(MmsentError, match=r"ended by itself \(exit code 1\)") as caught:
        list(train_together(plan, [replace(arm, name=Exits())], 1))
    assert "--jobs 1" in caught.value.hint


def test_a_worker_that_exits_in_a_training_is_an_error_with_its_exit_code():
    answer = parallel._train(None, lambda *_: sys.exit(4), None)
    assert isinstance(answer, MmsentError) and "exit code 4" in answer.message


class Unsendable(Exception):
    """An error that another process cannot make anew."""

    def __init__(self, one, other):
        super().__init__(f"{one} {other}")


def fail(*_):
    raise Unsendable("no", "luck")


def test_what_a_process_does_not_expect_is_sent_with_its_traceback(plan):
    (arm,) = arms_for(plan, "concat", seeds=(0,))
    fit = replace(arm.config.fit)
    object.__setattr__(fit, "epochs", "many")
    answer = parallel._train(Workspace(plan), train_to_the_end, replace(arm, config=replace(arm.config, fit=fit)))
    assert isinstance(answer, RuntimeError) and "in build_schedule" in str(answer)


def test_an_error_that_cannot_be_sent_is_sent_as_text():
    answer = parallel._train(None, fail, None)
    assert isinstance(answer, RuntimeError) and "no luck" in str(answer)


def test_an_error_in_a_process_is_raised_here(plan):
    (arm,) = arms_for(plan, "concat", seeds=(0,))
    broken = replace(arm, config=replace(arm.config, model=replace(arm.config.model, fusion="no-such-fusion")))
    with pytest.raises(MmsentError, match="no-such-fusion") as caught:
        list(train_together(plan, [broken], 1))
    assert "known" in caught.value.hint


def test_who_stops_listening_ends_the_processes(plan):
    trained = train_together(plan, arms_for(plan, "concat", seeds=range(4)), 2)
    next(trained)
    trainers = [psutil.Process(child.pid) for child in multiprocessing.active_children()]
    trained.close()
    assert len(trainers) == 2 and not any(child.is_running() for child in trainers)


def give_a_tensor(workspace, number):
    """A tensor larger than what a pipe holds."""
    return torch.full((100_000,), float(number))


def test_tensors_come_back_without_shared_memory(plan, monkeypatch):
    """A container may have little of it, and the sender may be gone when it is read."""
    work = Work([1, 2, 3], give_a_tensor, 0, 0)
    found = dict(train_side_by_side(Workspace(plan), work, 2, lambda _: None))
    assert {number: float(tensor.sum()) for number, tensor in found.items()} == {1: 1e5, 2: 2e5, 3: 3e5}
    assert not any(tensor.is_shared() for tensor in found.values())


SCRIPT = """
import operator, pickle
from pathlib import Path
from mmsent_cli.training.parallel import Work, train_side_by_side
from mmsent_cli.training.workspace import Workspace

print("imported")
workspace = Workspace(pickle.loads(Path("plan").read_bytes()))
print(dict(train_side_by_side(workspace, Work(["task"], operator.is_not, 0, 0), 1, print)))
"""


def test_a_script_needs_no_main_block(tmp_path, plan):
    """Its worker is spawned, and would import the script again."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "plan").write_bytes(pickle.dumps(plan))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "script.py"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.stdout.splitlines() == ["imported", "task", "{'task': True}"], done.stderr


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, 3),
        ({"jobs": 2}, 2),
        ({"jobs": 9}, 6),
        ({"epochs": 2}, 1),
        ({"epochs": 2, "jobs": 2}, 2),
        ({"device": "cuda:0", "jobs": 2}, 1),
        ({"free": 5 * 2**30}, 2),
        ({"free": 2**30}, 1),
        ({"free": 5 * 2**30, "parameters": 2**27}, 1),
        ({"threads": 1}, 1),
        ({"threads": 64}, 4),
        ({"threads": 64, "jobs": 5}, 5),
        ({"freeze": "all"}, 1),
        ({"freeze": "all", "epochs": 30_000}, 3),
    ],
)
def test_how_many_train_at_a_time(plan, monkeypatch, change, expected):
    """1,000 epochs of 19 pairs and 6 models are work enough; three threads and a lot of memory, unless changed."""
    free, threads = change.get("free", 2**40), change.get("threads", 3)
    monkeypatch.setattr(parallel, "free_memory_bytes", lambda: free)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    plan = with_jobs(plan, change.get("jobs", 0))
    plan = replace(plan, compute=replace(plan.compute, device=change.get("device", "cpu")))
    freeze = change.get("freeze", "none")
    model = replace(plan.config.model, freeze_text=freeze, freeze_image=freeze)
    config: TrainConfig = replace(
        plan.config, model=model, fit=replace(plan.config.fit, epochs=change.get("epochs", 1000))
    )
    arms = arms_of("a", config, range(6))
    work = work_of(arms, epochs=config.fit.epochs, parameters=change.get("parameters", 0))
    assert count_side_by_side(replace(plan, config=config), work) == expected


@pytest.mark.parametrize(
    ("device", "gpus", "jobs", "expected"),
    [
        ("cuda", 4, 0, ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]),
        ("cuda", 8, 0, [f"cuda:{number}" for number in range(6)]),
        ("cuda", 4, 2, ["cuda:0", "cuda:1"]),
        ("cuda", 1, 9, ["cuda:0"]),
        ("cuda:1", 4, 0, ["cuda:1"]),
        ("cpu", 4, 2, ["cpu", "cpu"]),
    ],
)
def test_each_model_has_a_gpu_of_its_own(plan, monkeypatch, device, gpus, jobs, expected):
    """Six models."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    plan = with_jobs(replace(plan, compute=replace(plan.compute, device=device)), jobs)
    count = count_side_by_side(plan, work_of(arms_for(plan, "concat", seeds=range(6))))
    assert [parallel._plan_of(plan, number).compute.device for number in range(count)] == expected


@pytest.mark.parametrize(
    ("freeze", "device", "threads", "expected"),
    [
        ("all", "cpu", 64, (1, 1)),
        ("none", "cpu", 1, (1, 1)),
        ("none", "cpu", 2, (1, 2)),
        ("none", "cpu", 64, (16, 16)),
        ("none", "cuda:0", 64, (64, 64)),
    ],
)
def test_the_threads_of_a_model_of_a_comparison_and_of_a_fold(plan, monkeypatch, freeze, device, threads, expected):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    model = replace(plan.config.model, freeze_text=freeze, freeze_image=freeze)
    plan = replace(plan, config=replace(plan.config, model=model), compute=replace(plan.compute, device=device))
    assert (threads_for(plan), threads_for(replace(plan, folds=(plan.split,)))) == expected


def sleeps_while_it_waits(workspace, _):
    """The OpenMP setting that a worker began with."""
    return os.environ.get("OMP_WAIT_POLICY")


@pytest.mark.parametrize(("threads", "expected"), [(1, "PASSIVE"), (2, None)])
def test_the_threads_of_more_workers_than_cores_sleep_while_they_wait(plan, monkeypatch, threads, expected):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    found = dict(train_side_by_side(Workspace(plan), Work([1, 2], sleeps_while_it_waits, 0, 0), 2, lambda _: None))
    assert found == {1: expected, 2: expected} and "OMP_WAIT_POLICY" not in os.environ
