"""What tests of experiments share: a small plan, and a search on it."""

import time
from dataclasses import replace
from pathlib import Path

from mmsent_cli.config import DataConfig, FitConfig, ModelConfig, RuntimeConfig, TrainConfig
from mmsent_cli.config.command_settings import TuneSettings
from mmsent_cli.experiments.tuning import study
from mmsent_cli.experiments.tuning.tune import tune
from mmsent_cli.progress import Epoch, Progress, silent
from mmsent_cli.run_folders import Run
from mmsent_cli.training.plan import Plan, plan_run
from mmsent_cli.training.run_folder import start_run
from tests.commands.running import small_lab
from tests.events import at, models_trained

PAIRS = 24


def small_config(lab: Path, **fit) -> TrainConfig:
    """Two epochs of the light encoders on the smallest images, their features kept next to the lab folder."""
    return TrainConfig(
        data=DataConfig(data=str(lab)),
        model=ModelConfig(encoders="light", image_size_px=32),
        fit=replace(FitConfig(epochs=2, batch_size=8, monitor="loss"), **fit),
        runtime=RuntimeConfig(device="cpu", precision="fp32", cache_dir=str(lab.parent / "cache")),
    )


def small_plan(lab: Path, **fit) -> Plan:
    """A plan of `small_config`; makes the lab folder where there is none."""
    if not lab.exists():
        small_lab(lab, PAIRS)
    return plan_run(small_config(lab, **fit))


def search(plan: Plan, runs: Path, progress: Progress = silent, run: Run | None = None, **settings):
    """Tune in this process; the result and the run."""
    run = run or start_run(plan, runs, "tune")
    return tune(plan, TuneSettings(**settings), run, progress)[0], run


def share_a_study(connection, lab: Path, runs: Path, is_hanging: bool, settings):
    """Tune in a process of its own, once it may begin; sends the result and the models that it trained."""
    study.HEARTBEAT_SECONDS = study.HEARTBEAT_SECONDS = 1
    study.GRACE_SECONDS = 5  # a busy machine delays a heartbeat by more than a second
    study.POLL_SECONDS = 0.1

    def hang():
        connection.send("in a trial")
        time.sleep(600)

    plan, events = small_plan(lab), []
    connection.send("ready")
    connection.recv()
    result, _ = search(plan, runs, at(Epoch, 1, hang) if is_hanging else events.append, **settings)
    connection.send((result, models_trained(events)))
