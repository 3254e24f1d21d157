"""Further columns of a manifest or DataFrame, for groups of pairs and for output that keeps them."""

from collections.abc import Iterator, Sequence

from mmsent_cli.config import DataConfig
from mmsent_cli.data import frames
from mmsent_cli.data.layouts import Source
from mmsent_cli.data.manifests import plain, records, without_surrogates
from mmsent_cli.errors import DataError


def read_columns(source: Source, config: DataConfig, names: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Guid and the cells of the named columns, row by row; an empty cell is an empty text.

    Args:
        source: a manifest or a DataFrame.
        config: names the guid column.
        names: of the columns.

    Raises:
        DataError: a folder, which has no columns, or a column that is not there.
    """
    if source.kind == "lab":
        raise DataError(
            f"{source.path} is a folder in the lab layout and has no column {names[0]!r}", "use a manifest for --data"
        )
    if source.frame is not None:
        _require(source, [str(name) for name in source.frame.columns], names)
        rows = frames.read_rows(source.frame, config, [])
        cells = zip(*(frames.cells(source.frame, name) for name in names), strict=True)
        yield from ((row.guid, tuple(map(_shown, values))) for row, values in zip(rows, cells, strict=False))
        return
    for number, (_, record) in enumerate(records(source.path, [])):
        if not number:
            _require(source, list(record), names)
        guid = plain(record.get(config.guid_column), "guid").strip()
        yield guid, tuple(_shown(record.get(name)) for name in names)


def _shown(value: object) -> str:
    return without_surrogates(str(plain(value, "a cell"))) if isinstance(value, str | int | float) else ""


def _require(source: Source, found: Sequence[str], names: Sequence[str]) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"{source.name} has no column {missing[0]!r}; it has {', '.join(found)}", "check the name")
