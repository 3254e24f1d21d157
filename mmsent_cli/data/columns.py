"""Read additional columns of a source, and use the column names that are recorded in a checkpoint."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mmsent_cli.config import DataConfig, build
from mmsent_cli.data import frames
from mmsent_cli.data.fields import column_named
from mmsent_cli.data.layouts import Source, open_source, table_rows
from mmsent_cli.data.manifests import is_filled, name_of, numbered_records, plain, without_surrogates
from mmsent_cli.data.tables import Report, open_table
from mmsent_cli.errors import DataError, UnmetTags, likely, listed


def with_own_columns(given: Mapping[str, Any], own: Mapping[str, Any], read: Callable[[DataConfig], Any]) -> DataConfig:
    """Return the settings with which new pairs can be read.

    Four settings are tried in this order. The user's settings override each of them.

    1. The settings of the training pairs.
    2. The same without `label_map`, since new labels may already be the classes.
    3. The same without the label column too. If every row has a label in this column, `predict` has nothing to predict.
    4. The defaults.

    Args:
        given: the user's settings.
        own: the settings of the training pairs: the column names, and the `label_map` if there was one.
        read: a function that reads rows with a configuration. It raises DataError if the rows cannot be read.
    """
    columns = {name: value for name, value in own.items() if name != "label_map"}
    unlabelled = {name: value for name, value in columns.items() if name != "tag_column"}
    tried = list(dict.fromkeys(build(DataConfig, {**known, **given}) for known in (own, columns, unlabelled, {})))
    if len(tried) == 1:
        return tried[0]
    reported = tried[0]  # the caller reads the rows again, which raises the error
    for settings in tried:
        try:
            read(settings)
        except UnmetTags:
            reported = replace(settings, label_map=build(DataConfig, given).label_map)
        except DataError:
            continue
        else:
            return settings
    return reported


def read_columns(source: Source, config: DataConfig, names: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Read the guid and the named columns of each row. An empty cell becomes an empty string.

    Args:
        source: a table or a DataFrame.
        config: settings of the data, with the name of the guid column.
        names: the names of the columns.

    Raises:
        DataError: the source is a folder, which has no columns, or a column does not exist.
    """
    _require_table(source, names)
    if source.frame is not None:
        places = _places(source, frames.columns_of(source.frame), names)
        rows = table_rows(source, config)
        cells = zip(*(frames.cells(source.frame, place) for place in places), strict=True)
        shown = [tuple(map(_shown, values)) for values in cells]
        yield from ((row.guid, shown[frames.place_of(row)]) for row in rows)
        return
    table, columns = open_source(source, config)
    places = _places(source, table.columns, names)
    for _, guid, cells in numbered_records(table, columns, Report()):
        with suppress(ValueError):  # a guid that cannot be read: the row is left out
            yield name_of(guid, "guid"), tuple(_shown(cells[place]) for place in places)


def require_columns(source: Source, config: DataConfig, names: Sequence[str]) -> None:
    """Check that a source has the named columns, before its rows are read.

    Raises:
        DataError: the source is a folder, or a column does not exist.
    """
    if names:
        _require_table(source, names)
        frame = source.frame
        found = frames.columns_of(frame) if frame is not None else open_table(source.path, config.encoding).columns
        _places(source, found, names)


def _require_table(source: Source, names: Sequence[str]) -> None:
    if source.kind == "lab":
        raise DataError(f"{source.path} is a folder, so it has no column {names[0]!r}", "set --data to a table")


def _shown(value: Any) -> str:
    is_plain = isinstance(value, str | int | float) and is_filled(value)
    return without_surrogates(plain(value, "a cell")) if is_plain else ""


def _places(source: Source, found: Sequence[str], names: Sequence[str]) -> list[int]:
    places = [column_named(source.name, found, name, "--by") for name in names]
    missing = [name for name, place in zip(names, places, strict=True) if place is None]
    if missing:
        near = likely(str(missing[0]), [str(name) for name in found])
        raise DataError(
            f"{source.name} has no column {missing[0]!r}{near}",
            f"its columns are {listed(found)}",
        )
    return [place for place in places if place is not None]
