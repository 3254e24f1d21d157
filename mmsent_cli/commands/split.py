"""`mmsent split`: divide the labelled pairs once, into a file that `mmsent train --split` takes."""

from pathlib import Path
from typing import Annotated

import typer

from mmsent_cli.commands.options import Force, Json, options
from mmsent_cli.config import DataConfig, SplitConfig

Folds = Annotated[int | None, typer.Option(help="Make N grouped folds in place of one split")]
Out = Annotated[Path | None, typer.Option(help="The split file (default: splits/<strategy>-<seed>.json)")]


@options(DataConfig, SplitConfig, omit={"split", "fold", "folds"}, rename={(SplitConfig, "split_seed"): "seed"})
def split(
    data: DataConfig,
    config: SplitConfig,
    folds: Folds = None,
    out: Out = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Divide labelled pairs into training and validation, near-duplicates on one side, and write a split file."""
    from mmsent_cli.data.check import load_labelled
    from mmsent_cli.data.split import describe, make_folds, make_split, write_split
    from mmsent_cli.errors import ConfigError
    from mmsent_cli.files import default_cache_dir, require_writable
    from mmsent_cli.reports.console import notice, print_json
    from mmsent_cli.reports.split import print_split

    if folds is not None and config.strategy != "grouped":
        raise ConfigError(f"folds are grouped, not {config.strategy}", "leave out --folds or --strategy")
    path = out or Path("splits") / f"{config.strategy}-{config.split_seed}{f'-{folds}-folds' if folds else ''}.json"
    require_writable(path, force)
    dataset = load_labelled(data, default_cache_dir(None))
    for note in (*dataset.notes, *dataset.problems):
        notice(note)
    pairs, labels = dataset.pairs, dataset.labels
    splits = (
        (make_split(pairs, labels, config),) if folds is None else make_folds(pairs, labels, folds, config.split_seed)
    )
    write_split(splits, path, force)
    result = describe(splits, pairs, labels, path)
    print_json(result) if json else print_split(result)
