"""`mmsent augment-compare`: a model trained with and without augmented images, and what the difference is worth."""

import time
from pathlib import Path
from typing import Any

from mmsent_cli.commands.experiment import (
    FOLDS_ONLY,
    Config,
    Resume,
    open_experiment,
    print_result_json,
    write_comparison,
)
from mmsent_cli.commands.options import Json, RunsDir, options
from mmsent_cli.commands.train import SECTIONS
from mmsent_cli.experiments.settings import AugmentSettings

COMMAND = "augment-compare"


@options(AugmentSettings, *SECTIONS, omit=FOLDS_ONLY | {"augmentation"})
def augment_compare(
    given: dict[type, dict[str, Any]],
    config: Config = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Train one fusion without and with augmented images, on the same split and seeds, and say if it helps."""
    from mmsent_cli.experiments.comparison import augmentation as experiments
    from mmsent_cli.reports.outputs import print_result
    from mmsent_cli.reports.progress import ProgressView
    from mmsent_cli.training.run import cleanup_on_failure

    start = time.perf_counter()
    with ProgressView() as progress:
        plan, settings, run = open_experiment(COMMAND, AugmentSettings, given, config, resume, runs_dir, progress)
        with cleanup_on_failure(run, is_new=resume is None, command=COMMAND):
            result, trained = experiments.augment_compare(plan, settings, run, progress)
    seconds = time.perf_counter() - start
    with cleanup_on_failure(run, is_new=False, command=COMMAND):
        files = write_comparison(COMMAND, plan, run, result, trained, seconds)
    if json:
        print_result_json(run, result, seconds)
    else:
        print_result(result, folder=run.folder, files=files, seconds=seconds)
