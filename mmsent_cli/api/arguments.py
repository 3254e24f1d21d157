"""Convert the arguments that the functions of `api` share: data, settings, and runs given by folder or name."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from mmsent_cli.command_settings import COMMANDS, Given
from mmsent_cli.config import DataConfig, build
from mmsent_cli.data import frames
from mmsent_cli.data.layouts import Source, frame_source
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import ConfigError
from mmsent_cli.progress import Progress
from mmsent_cli.run_folders import Run

if TYPE_CHECKING:
    import pandas as pd

PathLike: TypeAlias = str | os.PathLike[str]
Data: TypeAlias = Union[PathLike, "pd.DataFrame", Sequence[Pair], Source, None]
"""A folder, a table file, a DataFrame, a list of pairs, or a source from `locate`."""
RUNS = Path("runs")


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments that all experiments share; see `compare_fusions`."""

    data: "Data"
    resume: Run | PathLike | None
    runs_dir: PathLike
    progress: Progress
    settings: dict[str, Any]


def sort_settings(command: str, data: "Data", settings: dict[str, Any]) -> tuple[Given, Source | None]:
    """Group the settings by the dataclass that contains them, and convert the argument `data`.

    A path becomes the setting `data`. A DataFrame or a list of pairs becomes a source.

    Returns:
        The grouped settings, and the source; None if `data` is a path.
    """
    given = COMMANDS[command].sort(settings)
    if data is None or isinstance(data, Source):
        return given, data
    if isinstance(data, str | os.PathLike):
        given[DataConfig]["data"] = os.fspath(data)
        return given, None
    import pandas as pd

    config = build(DataConfig, given[DataConfig])
    frame = data if isinstance(data, pd.DataFrame) else frames.frame_of(data, config)
    given[DataConfig]["data"] = frames.NAME
    return given, frame_source(frame)


def require_only_resume(given: Given, source: Source | None, has_more: bool) -> None:
    """Check that no settings are given together with `resume`, since a resumed run keeps its settings.

    The argument `data` is allowed only for pairs in memory, which must be given again. `has_more` is True if another
    argument was given that cannot be combined with `resume`, such as `config`.
    """
    names = {name for values in given.values() for name in values} - ({"data"} if source is not None else set())
    if has_more or names:
        raise ConfigError(
            "--resume uses the settings of the run, so no other settings can be given",
            "leave out all other options. To begin a new run with the settings of an old one, for"
            " example: mmsent train --config RUN-FOLDER --epochs 20",
        )


def spec_of(run: Run | PathLike | None) -> str | None:
    """Return the folder or the name of a run as text; None if no run is given."""
    if run is None:
        return None
    return str(run.folder) if isinstance(run, Run) else os.fspath(run)
