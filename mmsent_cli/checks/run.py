"""Runs of `check`."""

from dataclasses import replace
from pathlib import Path

from mmsent_cli.after_training.run_folder import NOTHING_COMPUTED, start_run, write_run
from mmsent_cli.checks.data import check_data, listed_csv
from mmsent_cli.clock import begin_command
from mmsent_cli.command_settings import Given, apply_options, with_preset
from mmsent_cli.compute.resources import Resources
from mmsent_cli.config import TrainConfig, to_dict
from mmsent_cli.data.layouts import Source, locate
from mmsent_cli.finished_run import FinishedRun
from mmsent_cli.next_steps import CHECKED_OPTIONS
from mmsent_cli.printed_commands import command_line
from mmsent_cli.progress import Progress, silent
from mmsent_cli.reports.blocks import Examples
from mmsent_cli.training.chosen_probes import choose_probes
from mmsent_cli.training.plan import gather_facts, require_foldable, resolve_checked


def run_check(
    given: Given, preset: str | None, source: Source | None, runs_dir: Path, progress: Progress = silent
) -> FinishedRun:
    """Check pairs for a training, and write a run folder.

    Args:
        given: the settings that were given.
        preset: settings below them, as of `train`.
        source: pairs in memory.
        runs_dir: folder that keeps the runs.
        progress: receives the number of checked pairs.

    Raises:
        MmsentError: settings that do not go together, or a source that cannot be read at all.
    """
    start = begin_command()
    config = apply_options(TrainConfig() if preset is None else with_preset(TrainConfig(), preset), given)
    source = source or locate(config.data.data)
    # Nothing is computed: neither precision nor engine needs to be measured.
    resources = Resources.open(replace(config.runtime, precision="fp32", engine="torch"))
    facts, encoder_note = gather_facts(config, resources)
    model = resolve_checked(config.model, facts)
    require_foldable(config, model)
    model, probe_notes = choose_probes(model, replace(resources.weights, offline=True), progress)
    result = check_data(config, model, source, resources.weights, progress)
    result = replace(result, notes=(*filter(None, [encoder_note]), *probe_notes, *result.notes))
    options = {"preset": preset, **{name: value for kind in given for name, value in given[kind].items()}}
    sections = {
        "data": {**to_dict(config.data), "data": source.place},
        "split": to_dict(config.split),
        "encoders": {"text": model.text_encoder, "image": model.image_encoder},
        "runtime": to_dict(config.runtime),
        CHECKED_OPTIONS: {**options, "data": source.place},
    }
    if source.frame is None:
        options["data"] = Path(source.place)
    return write_run(
        start_run(runs_dir, "check", Path(source.place).stem, NOTHING_COMPUTED, sections),
        result,
        examples=Examples(),
        tables=listed_csv(result),
        command=command_line("check", options),
        start=start,
    )
