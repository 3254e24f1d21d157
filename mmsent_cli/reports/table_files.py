"""Make tables as CSV, Markdown and LaTeX files."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.format import DASH
from mmsent_cli.reports.translate import Translate, translated

FOLDER = "tables"
LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "σ": r"$\sigma$",
    "⊙": r"$\odot$",
    "→": r"$\to$",
    "−": "$-$",
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "✔": "+",
    "⚠": "!",
    "✘": "x",
    "\n": " ",
    "<": "$<$",
    ">": "$>$",
}


MARK = "*"
INTERVAL = "95 % interval"
NUMBER = r"[-+−<]?\d[\d,]*(?:\.\d+)?"
CELL = re.compile(
    rf"(?P<value>{NUMBER}(?: %)?)?(?: ± (?P<sd>{NUMBER}))?(?: \((?P<low>{NUMBER}) to (?P<high>{NUMBER}(?: %)?)\))?"
)
"""Matches a cell with a number, which may be followed by its standard deviation or its interval."""
ALONE = re.compile(rf"^({NUMBER} to .+)$")
"""Matches a cell that contains only an interval, without a value."""
OPTION = re.compile(r"^(?=[\[*])")
"""Matches the start of a row that LaTeX would read as an option of the line break before this row."""


def table_files(
    shown: Iterable[Grid], printed: Iterable[Grid] = (), translate: Translate = lambda text: text
) -> dict[str, str]:
    """Return the contents of three files for each grid (CSV, Markdown, LaTeX), by file name.

    If a name occurs twice, a number is added to it.

    Args:
        shown: the grids of the page.
        printed: the grids of the terminal. Such a grid is left out if a grid of the page has the same name, since the
            two have the same content.
        translate: a function that translates Markdown and LaTeX. CSV is for programs and stays English.
    """
    grids = list(dict.fromkeys(shown))
    names = {grid.name for grid in grids}
    grids += [grid for grid in dict.fromkeys(printed) if grid.name not in names]
    explained = next((grid.foot for grid in grids if grid.foot.startswith(MARK)), "")
    files: dict[str, str] = {}
    taken: Counter[str] = Counter()
    for grid in grids:
        own = grid.name or "-".join(re.findall("[a-z]+", grid.title.lower()))
        taken[own] += 1
        name = own if taken[own] == 1 else f"{own}-{taken[own]}"
        is_open = MARK in f"{grid.title}{grid.columns}" and MARK not in grid.foot
        named = replace(grid, name=name, foot=" ".join(filter(None, (grid.foot, explained))) if is_open else grid.foot)
        local = replace(translated(named, translate), name=name)
        files[f"{FOLDER}/{name}.csv"] = as_csv(named)
        files |= {f"{FOLDER}/{name}.{ending}": write(local) for ending, write in FORMATS.items()}
    return files


def as_csv(grid: Grid) -> str:
    """Return the grid as CSV, with one number per cell. If the first column has no name, it is called `name`.

    A value, its standard deviation, and both ends of its interval become four columns. If an interval has a row or a
    column of its own, its two ends become columns too. `74.6 %` becomes `0.746`.
    """
    rows: list[tuple[str, ...]] = []
    for row in grid.rows:
        if row[0] == INTERVAL and rows and _are_intervals(row[1:]):  # a class may have the same name
            ends = (f" ({cell})" if cell else "" for cell in ("", *row[1:]))
            row = tuple(value + end for value, end in zip(rows.pop(), ends, strict=True))
        rows.append(row)
    columns: list[list[str]] = []
    name = ""
    for place, head in enumerate(_heads(grid)):
        cells = [row[place] for row in rows]
        own = head.removesuffix(INTERVAL).rstrip(", ") if _are_intervals(cells) else head
        name = own or name or "name"
        columns += [[name, *cells]] if place in grid.words else _numbers(name, cells)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
    return text.getvalue()


def _are_intervals(cells: Iterable[str]) -> bool:
    """Return True if each cell is empty, or contains only an interval without its value."""
    return all(cell in ("", DASH) or ALONE.fullmatch(cell) for cell in cells)


def _numbers(name: str, cells: Sequence[str]) -> list[list[str]]:
    """Split a column of numbers into columns of values, standard deviations, and lower and upper ends of intervals.

    A column with other texts is not changed.
    """
    plain = ("" if cell == DASH else ALONE.sub(r" (\1)", cell) for cell in cells)
    found = [CELL.fullmatch(cell) for cell in plain]
    if None in found:
        return [[name, *cells]]
    unit = "".join(re.findall(r"(?:, %)?(?: \*)?$", name))
    stem = name.removesuffix(unit)
    heads = {"value": name, **{part: f"{stem} {part}{unit}" for part in ("sd", "low", "high")}}
    columns = {part: [_number(each[part] or "", each[0]) for each in found if each] for part in heads}
    return [[heads[part], *numbers] for part, numbers in columns.items() if any(numbers)] or [[name, *cells]]


def _number(text: str, cell: str) -> str:
    """Return a number in a form that a program can read. `74.6 %` becomes `0.746`."""
    plain = text.replace(",", "").replace("−", "-").removesuffix(" %")
    return f"{float(plain) / 100:.3f}" if plain and "%" in cell else plain


def as_markdown(grid: Grid) -> str:
    """Return the grid as a Markdown table under its title, with its remarks below."""
    rules = [":---" if place in grid.words else "---:" for place in range(len(grid.columns))]
    rows = [[cell.replace("|", r"\|").replace("\n", " ") for cell in row] for row in (_heads(grid), rules, *grid.rows)]
    title = grid.title.replace("*", r"\*")
    lines = [f"**{title}**", "", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join([*lines, *(["", grid.foot] if grid.foot else []), ""])


def as_latex(grid: Grid) -> str:
    """Return the grid as a LaTeX table, which needs the package booktabs."""
    columns = "".join("l" if place in grid.words else "r" for place in range(len(grid.columns)))
    head, *rows = (f"{OPTION.sub('{}', ' & '.join(map(escaped, row)))} \\\\" for row in (_heads(grid), *grid.rows))
    body = [r"\toprule", head, r"\midrule", *rows, r"\bottomrule"]
    note = [f"\\par\\footnotesize {escaped(grid.foot)}"] if grid.foot else []
    lines = [
        r"\begin{table}",
        r"\centering",
        f"\\caption{{{escaped(grid.title)}}}",
        f"\\label{{tab:{grid.name}}}",
        f"\\begin{{tabular}}{{{columns}}}",
        *body,
        r"\end{tabular}",
        *note,
        r"\end{table}",
    ]
    return "\n".join([*lines, ""])


def escaped(text: str) -> str:
    """Escape the characters that have a meaning in LaTeX."""
    return "".join(LATEX.get(sign, sign) for sign in text)


def _heads(grid: Grid) -> list[str]:
    """Return the column names, each on one line. Words that were divided after a hyphen are joined."""
    return [name.replace("-\n", "-").replace("\n", " ") for name in grid.columns]


FORMATS: dict[str, Callable[[Grid], str]] = {"md": as_markdown, "tex": as_latex}
"""The functions that write the translated formats, by the ending of the file name."""
