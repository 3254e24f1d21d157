"""Use the column names of the training pairs, which a checkpoint records, for new pairs."""

from collections.abc import Callable, Mapping
from typing import Any

from mmsent_cli.config import DataConfig, build
from mmsent_cli.errors import DataError


def with_own_columns(
    given: Mapping[str, Any], columns: Mapping[str, str], read: Callable[[DataConfig], Any]
) -> DataConfig:
    """Return the settings of new pairs: those given, then the column names of the training pairs if these can be read.

    Args:
        given: settings that the user typed.
        columns: the column names of the training pairs, by setting.
        read: a function that reads rows with a configuration, and raises DataError if it cannot.
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
