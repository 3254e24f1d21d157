"""The content of reports. Terminals and pages show the same grids; only pages show pictures.

So a number that is shown on a terminal and on a page comes from one place. This module imports only the standard
library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

Figures = Mapping[str, bytes]
"""The figures of a result as PNG bytes, by file name without suffix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table. Its files are called `name`; without `name`, they are named after the title.

    The first column names the row. `words` has the positions of the columns with words; all other columns contain
    numbers. `foot` explains marks. A line break in a column's name saves width on a terminal and becomes a space on a
    page.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    foot: str = ""
    words: frozenset[int] = frozenset({0})
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure as PNG bytes, with a short description (`alt`) and an explanation (`caption`).

    A dark page inverts figures, except those with `is_photo`, which contain a photo.
    """

    png: bytes
    alt: str
    caption: str
    is_photo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page: words, pictures and grids in this order. `folded` grids are shown on a click and in print."""

    title: str
    paragraphs: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    grids: tuple[Grid, ...] = ()
    folded: tuple[Grid, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The head of a page: a question, and the headline that answers it.

    `paragraphs` have the numbers that support the headline. `facts` describe the set-up as (name, value). If a single
    number is the answer, it is `number`, which is shown in large letters. `warnings` are shown below the headline.
    """

    question: str
    headline: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()
    number: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportExample:
    """One validation pair shown in a report.

    `probability` (0 to 1) is the probability of the predicted class; None if several models predicted the pair.
    `remark` is an addition, such as what other models predicted.
    """

    guid: str
    text: str
    thumbnail_jpeg: bytes | None
    true: str
    predicted: str
    probability: float | None
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Pairs under headings, such as pairs on which models disagree. `picked` explains how the pairs were chosen."""

    groups: tuple[tuple[str, tuple[ReportExample, ...]], ...] = ()
    picked: str = ""


def picture(png: bytes | None, alt: str, caption: str, is_photo: bool = False) -> tuple[Picture, ...]:
    """Return a tuple with one picture, or an empty tuple if `png` is None."""
    return () if png is None else (Picture(png=png, alt=alt, caption=caption, is_photo=is_photo),)


def filled(sections: Sequence[Section]) -> list[Section]:
    """Remove empty tables from the sections, and then sections that have no content."""
    kept = [replace(one, grids=_with_rows(one.grids), folded=_with_rows(one.folded)) for one in sections]
    return [one for one in kept if one.paragraphs or one.pictures or one.grids or one.folded]


def _with_rows(grids: Sequence[Grid]) -> tuple[Grid, ...]:
    return tuple(grid for grid in grids if grid.rows)
