"""Make the HTML page, and tables as CSV, Markdown and LaTeX files."""

import base64
import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmsent_cli.reports.ablation import methods_text
from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.facts import seeds_text
from mmsent_cli.reports.format import percent

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
    """Return each grid in three formats, by file name. If a name occurs twice, a number is added."""
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
    """Return the grid as CSV. A first column without a name is called `name`."""
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
    """Return the grid as a LaTeX table, which needs the package booktabs."""
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
    """Escape the characters that have a meaning in LaTeX."""
    return "".join(LATEX.get(sign, sign) for sign in text)


def _heads(grid: Grid) -> list[str]:
    """Return the column names on one line. Hyphenated words are joined."""
    return [name.replace("-\n", "-").replace("\n", " ") for name in grid.columns]


FORMATS: dict[str, Callable[[Grid], str]] = {"csv": as_csv, "md": as_markdown, "tex": as_latex}
"""The table formats by file suffix."""


NO_TEXT = re.compile(r"(<style\b.*?</style>|<pre\b.*?</pre>|<title\b.*?</title>|<[^>]*>)", re.DOTALL)
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")


def render_page(template: str, **values: Any) -> str:
    """Make a self-contained HTML page from a template of this folder. All values are escaped."""
    return _environment().get_template(template).render(**values)


def settings_rows(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Convert a configuration to rows of a name and a value."""
    rows: list[tuple[str, str]] = []
    for section, values in config.items():
        nested = values if isinstance(values, Mapping) else {"": values}
        rows += [(f"{section} {name}", value) for name, value in flat_rows(nested)]
    return rows


def flat_rows(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Convert nested values to rows of a dotted name and a text."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            rows += flat_rows(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            rows.append((f"{prefix}{name}", text))
    return rows


def keep_options_whole(page: str) -> str:
    """Prevent line breaks at the hyphens of options such as `--head-lr` in the text of a page."""
    parts = NO_TEXT.split(page)
    parts[::2] = [OPTION.sub(r'<span class="option">\g<0></span>', text) for text in parts[::2]]
    return "".join(parts)


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _typeset(text: str) -> str:
    """Write a true minus sign before numbers, and no-break spaces before units."""
    text = re.sub(r"(?<![\w-])-(?=\d)", "\u2212", text)
    return re.sub(r"(?<=\d) (?=%|points\b|pairs\b)", "\u00a0", text)


def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=lambda share: percent(share).replace(" ", "\u00a0"),
        seeds=seeds_text,
        removals=methods_text,
        typeset=_typeset,
        marked=lambda text: re.sub(r"(?<=[✔⚠✘]) ", "\u00a0", text),
        jpeg=lambda content: _data_uri(content, "jpeg"),
        png=lambda content: _data_uri(content, "png"),
    )
    return environment
