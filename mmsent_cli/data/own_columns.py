"""Column names that travel with a checkpoint: pairs like those of the training need no column options again."""

from collections.abc import Callable, Mapping
from typing import Any

from mmsent_cli.config import DataConfig, build
from mmsent_cli.errors import DataError


def with_own_columns(
    given: Mapping[str, Any], columns: Mapping[str, str], read: Callable[[DataConfig], Any]
) -> DataConfig:
    """The settings of new pairs: what was given, then the columns of the training, or else the usual names.

    Args:
        given: settings that the user typed.
        columns: of the training pairs, by setting.
        read: reads rows with a configuration, and raises DataError where they cannot be read.
    """
    own, usual = build(DataConfig, {**columns, **given}), build(DataConfig, given)
    if own == usual:
        return usual
    try:
        read(own)
    except DataError:
        try:
            read(usual)
        except DataError:
            return own  # whoever reads the rows reports what is wrong with them
        return usual
    return own
