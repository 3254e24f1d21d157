"""Print a finished run."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmsent_cli.finished_run import FinishedRun


def require_one_output(out: Path | None, as_json: bool) -> None:
    """Check that `--json` and `--out -` are not combined, since both print to standard output.

    Raises:
        ConfigError: both are given.
    """
    from mmsent_cli.errors import ConfigError
    from mmsent_cli.outputs import STANDARD_OUTPUT

    if as_json and out == STANDARD_OUTPUT:
        raise ConfigError(
            "--json and '--out -' cannot be combined: each prints to standard output",
            "leave out one of the two options",
        )


def print_notices(notes: Iterable[str]) -> None:
    """Print each note on a line of standard error."""
    from mmsent_cli.reports.tables import notice

    for note in notes:
        notice(note)


def print_run(run: "FinishedRun", as_json: bool) -> None:
    """Print a finished run on standard output: as JSON with folder and duration, or as tables and text."""
    from mmsent_cli.next_steps import next_commands
    from mmsent_cli.reports.outputs import print_result
    from mmsent_cli.reports.tables import print_json
    from mmsent_cli.run_folders import latest_note

    if not run.is_writable:  # only the first of several processes prints
        return
    print_notices(filter(None, [latest_note(run.folder)]))
    if as_json:
        from mmsent_cli.finished_run import as_dict

        about = {"run": str(run.folder), "seconds": run.seconds, **as_dict(run.summary)}
        print_json({**about, **asdict(run.result)})
    else:
        following = next_commands(run, run.result)
        how = {"seconds": run.seconds, "next_commands": following, "language": run.language}
        print_result(run.result, folder=run.folder, files=run.files, **how)
