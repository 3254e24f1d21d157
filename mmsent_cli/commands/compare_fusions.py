"""`mmsent compare-fusions`: fusion layers side by side, and what their differences are worth."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.commands.experiment import (
    FOLDS_ONLY,
    Config,
    Resume,
    open_experiment,
    print_result_json,
    read_base,
    write_comparison,
)
from mmsent_cli.commands.options import Json, RunsDir, options
from mmsent_cli.commands.train import SECTIONS, layer
from mmsent_cli.experiments.settings import CompareSettings

COMMAND = "compare-fusions"


@options(CompareSettings, *SECTIONS, omit=FOLDS_ONLY | {"fusion"})
def compare_fusions(
    given: dict[type, dict[str, Any]],
    config: Config = None,
    resume: Resume = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the fusions with source and parameters")] = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Train several fusion layers on the same encoders, split, batches and seeds, and say which differ."""
    if show_list:
        from mmsent_cli.experiments.comparison.fusion_list import list_fusions
        from mmsent_cli.reports.console import print_json
        from mmsent_cli.reports.fusions import print_fusions

        encoders, rows = list_fusions(layer(read_base(config, COMMAND)[0], given))
        print_json({"encoders": encoders, "fusions": [asdict(row) for row in rows]}) if json else print_fusions(
            rows, encoders
        )
        return
    from mmsent_cli.experiments.comparison import fusions as experiments
    from mmsent_cli.reports.outputs import print_result
    from mmsent_cli.reports.progress import ProgressView
    from mmsent_cli.training.run import cleanup_on_failure

    start = time.perf_counter()
    with ProgressView() as progress:
        plan, settings, run = open_experiment(COMMAND, CompareSettings, given, config, resume, runs_dir, progress)
        with cleanup_on_failure(run, is_new=resume is None, command=COMMAND):
            result, trained = experiments.compare_fusions(plan, settings, run, progress)
    seconds = time.perf_counter() - start
    with cleanup_on_failure(run, is_new=False, command=COMMAND):
        files = write_comparison(COMMAND, plan, run, result, trained, seconds)
    if json:
        print_result_json(run, result, seconds)
    else:
        print_result(result, folder=run.folder, files=files, seconds=seconds)
