"""`mmsent runs`: list, show and delete runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mmsent_cli.commands.options import Json, RunsDir, SwitchHelp, SwitchHelpGroup

runs = typer.Typer(
    cls=SwitchHelpGroup,
    help="List the runs with their metrics, show one run, or delete runs.",
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="[show|rm] ...",
)
Sort = Annotated[
    str,
    typer.Option(
        help="Column that the list is sorted by: when (the date), accuracy, macro-f1, minutes (duration) or size"
    ),
]
Csv = Annotated[bool, typer.Option("--csv", help="Print the list as comma-separated values (CSV)")]
Yes = Annotated[bool, typer.Option("--yes", help="Delete without confirmation")]
Names = Annotated[
    list[str], typer.Argument(help="Runs to delete: their folders, their names, or latest (the newest run)")
]


@runs.callback(invoke_without_command=True)
def list_all(
    context: typer.Context, sort: Sort = "when", runs_dir: RunsDir = Path("runs"), csv: Csv = False, json: Json = False
) -> None:
    """List the runs with their data, split, seed, metrics, time and size. Runs with the same split are ranked."""
    if context.invoked_subcommand is not None:
        context.default_map = {"show": {"runs_dir": runs_dir, "json": json}, "rm": {"runs_dir": runs_dir}}
        return
    from mmsent_cli.reports.small_results import print_runs, print_runs_csv
    from mmsent_cli.reports.tables import print_json
    from mmsent_cli.run_list import list_runs

    result = list_runs(runs_dir, sort)
    print_json(result) if json else print_runs_csv(result) if csv else print_runs(result)


@runs.command(cls=SwitchHelp)
def show(
    run: Annotated[
        str, typer.Argument(help="Run to show: its folder, its name, or latest (the newest run)")
    ] = "latest",
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Show one run: its data, split, model, metrics and files."""
    from mmsent_cli.reports.small_results import print_run_row
    from mmsent_cli.reports.tables import print_json
    from mmsent_cli.run_list import describe_run, find_listed

    found = find_listed(run, runs_dir)
    row = describe_run(found)
    files = sorted(path.name for path in found.folder.iterdir())
    print_json(row) if json else print_run_row(row, found.folder, files)


@runs.command(cls=SwitchHelp)
def rm(names: Names, yes: Yes = False, runs_dir: RunsDir = Path("runs")) -> None:
    """Delete runs. Without --yes, mmsent asks before it deletes a run. Other folders are never deleted."""
    from mmsent_cli.errors import ConfigError
    from mmsent_cli.reports.tables import notice
    from mmsent_cli.run_list import find_listed, remove_run

    found = [find_listed(name, runs_dir) for name in names]
    if not yes and not sys.stdin.isatty():
        raise ConfigError(
            "mmsent runs rm asks for confirmation, but standard input is not a terminal",
            "add --yes to delete the runs without confirmation",
        )
    for run in found:
        if yes or typer.confirm(f"Delete {run.folder}?"):
            remove_run(run)
            notice(f"deleted {run.folder}")
