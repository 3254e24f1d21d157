"""Runs of `inspect-encoding`."""

from dataclasses import replace
from pathlib import Path

from mmsent_cli.after_training.run_folder import NOTHING_COMPUTED, start_run, write_run
from mmsent_cli.clock import begin_command
from mmsent_cli.command_settings import Given
from mmsent_cli.config import DataConfig, RuntimeConfig, build, to_dict
from mmsent_cli.data.inspect_encoding import inspect
from mmsent_cli.data.layouts import Source, locate
from mmsent_cli.finished_run import FinishedRun
from mmsent_cli.next_steps import CHECKED_OPTIONS
from mmsent_cli.printed_commands import command_line
from mmsent_cli.reports.blocks import Examples


def run_inspection(
    given: Given, source: Source | None, convert_to: Path | None, force: bool, runs_dir: Path
) -> FinishedRun:
    """Find out the encoding of a source, and write a run folder.

    Args:
        given: the settings that were given.
        source: texts in memory.
        convert_to: folder for UTF-8 copies of the texts, or None.
        force: overwrite existing copies.
        runs_dir: folder that keeps the runs.

    Raises:
        MmsentError: texts that cannot be read, or copies that cannot be written.
    """
    start = begin_command()
    config, runtime = build(DataConfig, given[DataConfig]), build(RuntimeConfig, given[RuntimeConfig])
    source = source or locate(config.data)
    result = inspect(config, convert_to, force, source)
    if runtime.no_examples:
        result = replace(result, snippets=())
    options = {name: value for kind in given for name, value in given[kind].items()}
    sections = {
        "data": {**to_dict(config), "data": source.place},
        "runtime": to_dict(runtime),
        CHECKED_OPTIONS: {**given[DataConfig], "data": source.place},
    }
    if source.frame is None:
        options["data"] = Path(source.place)
    return write_run(
        start_run(runs_dir, "inspect-encoding", source.path.stem, NOTHING_COMPUTED, sections),
        result,
        examples=Examples(),
        tables={},
        command=command_line("inspect-encoding", options),
        start=start,
    )
