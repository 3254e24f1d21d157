"""Convert results to pandas tables. pandas is imported only when a table is made."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from mmsent_cli.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

Rows = Callable[[Any], Iterable[Mapping[str, Any]]]
"""A function that makes the rows of one table from a result."""


class Tabular:
    """A result with tables. `TABLES` maps names to functions that make the rows. The first table is the default."""

    __slots__ = ()
    TABLES: ClassVar[Mapping[str, Rows]] = {}

    def to_frame(self, table: str | None = None) -> "pd.DataFrame":
        """Return a table of the result as a DataFrame.

        Args:
            table: the name of the table; None returns the first one.

        Raises:
            ConfigError: the result has no such table.

        Example:
            >>> run.to_frame("classes")[["label", "recall"]]
        """
        import pandas as pd

        name = next(iter(self.TABLES)) if table is None else table
        if name not in self.TABLES:
            raise ConfigError(f"{type(self).__name__} has no table {name!r}", f"tables: {', '.join(self.TABLES)}")
        return pd.DataFrame(list(self.TABLES[name](self)))


def records(*path: str) -> Rows:
    """Return a function that makes a row from each dataclass at an attribute path, such as `best`, `per_class`."""

    def rows(result: Any) -> Iterable[Mapping[str, Any]]:
        for name in path:
            result = getattr(result, name)
        return [asdict(each) for each in result]

    return rows


def arm_records(part: str) -> Rows:
    """Return a function that makes rows from an attribute of each arm, such as `per_class`.

    Each row begins with the name of the arm.
    """
    return lambda result: [{"name": arm.name, **asdict(each)} for arm in result.arms for each in getattr(arm, part)]


def arm_epochs(result: Any) -> Iterable[Mapping[str, Any]]:
    """Make a row for each epoch of each model of a comparison."""
    return [
        {"name": arm.name, "seed": seed, **asdict(epoch)}
        for arm in result.arms
        for seed, curve in zip(arm.seeds, arm.curves, strict=True)
        for epoch in curve
    ]


def trial_epochs(result: Any) -> Iterable[Mapping[str, Any]]:
    """Make a row for each epoch of each model of each trial."""
    return [
        {"number": trial.number, "seed": seed, **asdict(epoch)}
        for trial in result.trials
        for seed, curve in zip(result.setup.seeds, trial.curves, strict=False)
        for epoch in curve
    ]


def trial_records(result: Any) -> Iterable[Mapping[str, Any]]:
    """Make a row for each trial, with its settings as columns."""
    plain = [{name: value for name, value in asdict(trial).items() if name != "curves"} for trial in result.trials]
    return [{**row.pop("settings"), **row} for row in plain]


def arm_scores(result: Any) -> Iterable[Mapping[str, Any]]:
    """Make a row for each arm, without the scores by class and by epoch."""
    return [
        {name: value for name, value in asdict(arm).items() if name not in ("per_class", "curves")}
        for arm in result.arms
    ]
