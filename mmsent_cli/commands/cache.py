"""`mmsent cache`: show the size of the caches, or delete them."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from mmsent_cli.commands.options import Json


def cache(
    cache_dir: Annotated[
        Path | None, typer.Option(help="Folder of the caches (default: $MMSENT_CACHE, else the user's cache folder)")
    ] = None,
    clear: Annotated[
        bool,
        typer.Option(
            "--clear",
            help="Delete stored features, compiled models and unpacked weights; they are computed again when needed",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Show the size of the caches (features, compiled models, weights), or delete them."""
    from mmsent_cli.features.store_report import clear_store, store_report
    from mmsent_cli.files import COMPILED_MODELS, WEIGHTS, default_cache_dir
    from mmsent_cli.reports.cache import print_store
    from mmsent_cli.reports.console import print_json

    folder = default_cache_dir(None if cache_dir is None else str(cache_dir))
    places = folder / "features", folder / COMPILED_MODELS, folder / WEIGHTS
    result = store_report(*places)
    if clear:
        clear_store(*places)
        result = replace(result, cleared=True)
    print_json(result) if json else print_store(result)
