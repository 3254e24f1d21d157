"""`mmsent env` and `cache`: check this machine, and show or delete the caches."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Json, RunsDir, options
from mmsent_cli.commands.output import print_notices


@options(COMMANDS["env"])
def env(
    given: dict[str, Any],
    no_timing: Annotated[
        bool, typer.Option("--no-timing", help="Do not measure how long a training with each preset would take")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Check this machine: torch, GPU, cores, memory, disk, encoder weights, and how long a training would take.

    The exit code is 1 if a training cannot run.
    """
    # Do not use `api`, which imports torch. A torch that cannot be imported must be reported as a finding.
    from mmsent_cli.checks.machine import check_machine
    from mmsent_cli.config import RuntimeConfig, build
    from mmsent_cli.reports.checks import print_env
    from mmsent_cli.reports.progress import ProgressView
    from mmsent_cli.reports.tables import print_json
    from mmsent_cli.reports.translate import language_of

    runtime = build(RuntimeConfig, COMMANDS["env"].sort(given)[RuntimeConfig])
    with ProgressView(is_brief=json) as progress:
        result = check_machine(runtime, runs_dir, not no_timing, progress)
    print_json(result) if json else print_env(result, language_of(runtime.lang))
    if not result.can_train:
        raise typer.Exit(1)


def cache(
    cache_dir: Annotated[
        Path | None, typer.Option(help=r"Folder of the caches \[default: $MMSENT_CACHE, else the user's cache folder]")
    ] = None,
    clear: Annotated[
        bool,
        typer.Option(
            "--clear",
            help="Delete stored features, compiled models and unpacked weights. A command that needs them makes them"
            " again",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Show the size of the caches (features, compiled models, weights), or delete them."""
    from mmsent_cli.errors import ConfigError
    from mmsent_cli.features.store_report import clear_store, store_report
    from mmsent_cli.files import COMPILED_MODELS, WEIGHTS, cache_note, default_cache_dir
    from mmsent_cli.reports.small_results import print_store
    from mmsent_cli.reports.tables import print_json

    if cache_dir is not None and not cache_dir.exists():
        raise ConfigError(f"there is no folder {cache_dir}", "set --cache-dir to the folder that train or predict used")
    folder = default_cache_dir(None if cache_dir is None else str(cache_dir))
    places = folder / "features", folder / COMPILED_MODELS, folder / WEIGHTS
    print_notices(filter(None, [cache_note()]))
    result = clear_store(*places) if clear else store_report(*places)
    print_json(result) if json else print_store(result)
