"""`mmsent tune`: try settings on the same pairs, and keep the best as a configuration for `train`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsent_cli.commands.experiment import (
    FOLDS_ONLY,
    Config,
    Resume,
    open_experiment,
    print_result_json,
    read_base,
    repeat_command,
    validation_pairs,
    write_outputs,
)
from mmsent_cli.commands.options import Json, RunsDir, options
from mmsent_cli.commands.train import SECTIONS
from mmsent_cli.config import FitConfig, SplitConfig
from mmsent_cli.experiments.settings import TuneSettings
from mmsent_cli.records import CONFIG
from mmsent_cli.reports.examples import agreement_groups

if TYPE_CHECKING:
    import numpy as np

    from mmsent_cli.records import Run
    from mmsent_cli.results import TuneResult
    from mmsent_cli.training.plan import Plan

COMMAND = "tune"
EPOCHS = 5
"""System A's epochs a trial."""


@options(TuneSettings, *SECTIONS, omit=FOLDS_ONLY | {"jobs"}, rename={(SplitConfig, "strategy"): "split_strategy"})
def tune(
    given: dict[type, dict[str, Any]],
    config: Config = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Try training settings, 5 epochs each unless --epochs says otherwise, and write the best as a configuration."""
    from mmsent_cli.experiments.tuning import tune as experiments
    from mmsent_cli.reports.outputs import print_result
    from mmsent_cli.reports.progress import ProgressView
    from mmsent_cli.training.run import cleanup_on_failure

    is_repeated = bool(read_base(config, COMMAND)[1])
    if resume is None and not is_repeated:
        given[FitConfig] = {"epochs": EPOCHS, **given[FitConfig]}
    start = time.perf_counter()
    with ProgressView() as progress:
        plan, settings, run = open_experiment(COMMAND, TuneSettings, given, config, resume, runs_dir, progress)
        with cleanup_on_failure(run, is_new=resume is None, command=COMMAND):
            result, predicted = experiments.tune(plan, settings, run, progress)
    seconds = time.perf_counter() - start
    files = write_tuning(plan, run, result, predicted, seconds)
    if json:
        print_result_json(run, result, seconds)
    else:
        print_result(result, folder=run.folder, files=files, seconds=seconds)


def write_tuning(plan: "Plan", run: "Run", result: "TuneResult", predicted: "np.ndarray", seconds: float) -> list[str]:
    """Write a finished tuning's table of epochs, figure, report and result; the names of the run's files."""
    from mmsent_cli.experiments.epochs import epochs_csv
    from mmsent_cli.reports.outputs import run_files
    from mmsent_cli.training.run import ENVIRONMENT

    files = run_files(
        result,
        config=run.read_json(CONFIG),
        environment=run.read_json(ENVIRONMENT),
        groups=agreement_groups(validation_pairs(plan), result.setup.labels, predicted),
        command=repeat_command(COMMAND, run),
        seconds=seconds,
    )
    curves = [
        ({"trial": trial.number, "phase": trial.phase, "state": trial.state, "seed": seed, **trial.settings}, curve)
        for trial in result.trials
        for seed, curve in zip(result.setup.seeds, trial.curves, strict=False)
    ]
    return write_outputs(run, result, {"epochs.csv": epochs_csv(curves), **files})
