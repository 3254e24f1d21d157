"""Results as pandas tables. pandas is imported when a table is made, and by nothing else in this room."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from mmsent_cli.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

Rows = Callable[[Any], Iterable[Mapping[str, Any]]]
"""The rows of one table of a result."""


class Tabular:
    """A result with tables. `TABLES` has the rows of each by name; the first one is the default."""

    __slots__ = ()
    TABLES: ClassVar[Mapping[str, Rows]] = {}

    def to_frame(self, table: str | None = None) -> "pd.DataFrame":
        """One table of the result as a DataFrame.

        Args:
            table: its name; None is the first one.

        Raises:
            ConfigError: the result has no such table.

        Example:
            >>> run.to_frame("classes")[["label", "recall"]]
        """
        import pandas as pd

        name = next(iter(self.TABLES)) if table is None else table
        if name not in self.TABLES:
            raise ConfigError(f"no table {name!r} in a {type(self).__name__}", f"tables: {', '.join(self.TABLES)}")
        return pd.DataFrame(list(self.TABLES[name](self)))


def records(*path: str) -> Rows:
    """The dataclasses at an attribute path, such as `best`, `per_class`, as rows."""

    def rows(result: Any) -> Iterable[Mapping[str, Any]]:
        for name in path:
            result = getattr(result, name)
        return [asdict(each) for each in result]

    return rows


def arm_records(part: str) -> Rows:
    """A part of each arm, such as its classes, as rows that begin with the arm's name."""
    return lambda result: [{"name": arm.name, **asdict(each)} for arm in result.arms for each in getattr(arm, part)]


def arm_epochs(result: Any) -> Iterable[Mapping[str, Any]]:
    """Each epoch of each model of a comparison."""
    return [
        {"name": arm.name, "seed": seed, **asdict(epoch)}
        for arm in result.arms
        for seed, curve in zip(arm.seeds, arm.curves, strict=True)
        for epoch in curve
    ]


def trial_epochs(result: Any) -> Iterable[Mapping[str, Any]]:
    """Each epoch of each model of a tuning."""
    return [
        {"number": trial.number, "seed": seed, **asdict(epoch)}
        for trial in result.trials
        for seed, curve in zip(result.setup.seeds, trial.curves, strict=False)
        for epoch in curve
    ]


def trial_records(result: Any) -> Iterable[Mapping[str, Any]]:
    """Each trial with its settings as columns."""
    plain = [{name: value for name, value in asdict(trial).items() if name != "curves"} for trial in result.trials]
    return [{**row.pop("settings"), **row} for row in plain]


def arm_scores(result: Any) -> Iterable[Mapping[str, Any]]:
    """Each arm without its classes and epochs."""
    return [
        {name: value for name, value in asdict(arm).items() if name not in ("per_class", "curves")}
        for arm in result.arms
    ]


def step_scores(result: Any) -> Iterable[Mapping[str, Any]]:
    """Each arm of the two comparisons of a repeated work."""
    return [{"step": step, **row} for step in ("fusions", "augmentation") for row in arm_scores(getattr(result, step))]
