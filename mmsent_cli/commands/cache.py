"""`mmsent cache`: show the size of the caches, or delete them."""

from pathlib import Path
from typing import Annotated

import typer

from mmsent_cli.commands.options import Json
from mmsent_cli.commands.output import print_notices


def cache(
    cache_dir: Annotated[
        Path | None, typer.Option(help=r"Folder of the caches \[default: $MMSENT_CACHE, else the user's cache folder]")
    ] = None,
    clear: Annotated[
        bool,
        typer.Option(
            "--clear",
            help="Delete stored features, compiled models and unpacked weights. They are computed again when needed",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Show the size of the caches (features, compiled models, weights), or delete them."""
    from mmsent_cli.errors import ConfigError
    from mmsent_cli.features.store_report import clear_store, store_report
    from mmsent_cli.files import COMPILED_MODELS, WEIGHTS, cache_note, default_cache_dir
    from mmsent_cli.reports.cache import print_store
    from mmsent_cli.reports.console import print_json

    if cache_dir is not None and not cache_dir.exists():
        raise ConfigError(f"there is no folder {cache_dir}", "give the --cache-dir of the other commands")
    folder = default_cache_dir(None if cache_dir is None else str(cache_dir))
    places = folder / "features", folder / COMPILED_MODELS, folder / WEIGHTS
    print_notices(filter(None, [cache_note()]))
    result = clear_store(*places) if clear else store_report(*places)
    print_json(result) if json else print_store(result)
