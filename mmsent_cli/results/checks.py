"""What `check` and `env` return."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from mmsent_cli.results.frames import Tabular, records

OK, WARNING, ERROR = "ok", "warning", "error"
"""Levels of a check: nothing to do (OK), training can run but look at it (WARNING), training cannot run (ERROR)."""


FILE_CHECKS = frozenset({"missing texts", "missing images", "broken texts", "broken images"})
"""Checks whose errors `--on-bad drop` cures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPair:
    """A pair that a check lists. If a row cannot be read, `guid` is empty.

    Pairs of one `group` belong together, such as near-duplicates.
    """

    guid: str
    tag: str = ""
    group: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """The outcome of one check.

    Attributes:
        check: what was checked.
        level: OK, WARNING or ERROR.
        message: what was found, with its numbers.
        rule: the threshold, such as "warning above 5 %"; empty if there is none.
        advice: what to do; empty if there is nothing to do.
        pairs: the pairs with the problem.
    """

    check: str
    level: str
    message: str
    rule: str = ""
    advice: str = ""
    pairs: tuple[ListedPair, ...] = ()

    @property
    def file(self) -> str:
        """The file of a run that lists the pairs."""
        return f"pairs_to_check/{self.check.replace(',', '').replace(' ', '-')}.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How a number is distributed over the pairs: smallest value, quartiles and largest value."""

    name: str
    least: float
    quarter: float
    median: float
    three_quarters: float
    most: float


def _outcomes(result: Any) -> Iterable[Mapping[str, Any]]:
    """A row for each check, with the number of its pairs."""
    rows = [asdict(each) for each in result.checks]
    return [{**row, "pairs": len(row["pairs"])} for row in rows]


def _listed(result: Any) -> Iterable[Mapping[str, Any]]:
    """A row for each listed pair of each check."""
    return [{"check": each.check, **asdict(pair)} for each in result.checks for pair in each.pairs]


def can_train(checks: Iterable[CheckOutcome]) -> bool:
    """Return whether no check found an error."""
    return all(each.level != ERROR for each in checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvResult(Tabular):
    """The result of `env`.

    Attributes:
        can_train: True if no check found an error.
        checks: all checks, in the order in which they were made.
        minutes: expected minutes of a training on 4,000 pairs, by preset; empty if not measured.
        predicted_per_second: expected pairs that `predict` answers in a second, by preset; empty if not measured.
        facts: the machine in a few words.
        weights: SHA-256 of each file of weights on this machine.
    """

    TABLES: ClassVar = {"checks": _outcomes}

    can_train: bool
    checks: tuple[CheckOutcome, ...]
    minutes: dict[str, float]
    predicted_per_second: dict[str, float]
    facts: dict[str, str]
    weights: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult(Tabular):
    """The result of `check`.

    Attributes:
        source: the folder or table.
        pairs: labelled pairs that were read.
        usable: labelled pairs that training would use.
        rows: numbers of labelled rows that were read, used, skipped and refused, as training counts them.
        to_predict: pairs without a label.
        labels: the classes in order.
        counts: usable pairs of each class.
        can_train: True if no check found an error.
        checks: all checks, in the order in which they were made.
        distributions: lengths of texts and sizes of images.
        image_kinds: number of images by format.
        encodings: number of texts by character set.
        scripts: share of all letters by script.
        notes: how the source was read.
    """

    TABLES: ClassVar = {"checks": _outcomes, "pairs": _listed, "distributions": records("distributions")}

    source: str
    pairs: int
    usable: int
    to_predict: int
    labels: tuple[str, ...]
    counts: dict[str, int]
    can_train: bool
    checks: tuple[CheckOutcome, ...]
    distributions: tuple[Distribution, ...]
    image_kinds: dict[str, int]
    encodings: dict[str, int]
    scripts: dict[str, float]
    rows: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
