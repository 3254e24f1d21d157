"""The tables of a report as files: CSV, Markdown and LaTeX, with the cells as they are shown."""

import csv
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from mmsent_cli.reports.blocks import Grid

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
    "<": "$<$",
    ">": "$>$",
}


def table_files(grids: Iterable[Grid]) -> dict[str, str]:
    """Return each grid in three formats, by file name; a grid that has the name of an earlier one gets a number."""
    files: dict[str, str] = {}
    taken: dict[str, int] = {}
    for grid in dict.fromkeys(grids):
        own = grid.name or "-".join(re.findall("[a-z]+", grid.title.lower()))
        taken[own] = taken.get(own, 0) + 1
        name = own if taken[own] == 1 else f"{own}-{taken[own]}"
        named = replace(grid, name=name)
        files |= {f"{FOLDER}/{name}.{ending}": write(named) for ending, write in FORMATS.items()}
    return files


def as_csv(grid: Grid) -> str:
    """Return the grid as CSV; a first column without a name is called `name`."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([head or "name" for head in _heads(grid)])
    table.writerows(grid.rows)
    return text.getvalue()


def as_markdown(grid: Grid) -> str:
    """Return the grid as a Markdown table under its title, with its remarks below."""
    rules = [":---" if place in grid.words else "---:" for place in range(len(grid.columns))]
    rows = [[cell.replace("|", r"\|").replace("\n", " ") for cell in row] for row in (_heads(grid), rules, *grid.rows)]
    title = grid.title.replace("*", r"\*")
    lines = [f"**{title}**", "", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join([*lines, *(["", grid.foot] if grid.foot else []), ""])


def as_latex(grid: Grid) -> str:
    """Return the grid as a LaTeX table; it needs the package booktabs."""
    columns = "".join("l" if place in grid.words else "r" for place in range(len(grid.columns)))
    head, *rows = (f"{' & '.join(map(escaped, row))} \\\\" for row in (_heads(grid), *grid.rows))
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
    """Return the text with the signs that LaTeX reads as commands made plain."""
    return "".join(LATEX.get(sign, sign) for sign in text)


def _heads(grid: Grid) -> list[str]:
    """The names of the columns on one line; a word divided by a hyphen is joined again."""
    return [name.replace("-\n", "-").replace("\n", " ") for name in grid.columns]


FORMATS: dict[str, Callable[[Grid], str]] = {"csv": as_csv, "md": as_markdown, "tex": as_latex}
"""The formats by the ending of their files."""
