"""Each table of a report as CSV, Markdown and LaTeX."""

import csv
import io
import re

import pytest

from mmsent_cli.fusion import FUSIONS
from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.outputs import REPORTS, run_files
from mmsent_cli.reports.page import table_files
from tests.reports.pages import particulars

GRID = Grid(
    name="both",
    title="50 % & more",
    columns=("", "Accu-\nracy,\n%", "Words"),
    rows=(("a_b|c", "74.6 ± 0.5", 'say "x", y'), ("中性", "<0.001", "-")),
    foot="a #1",
    words=frozenset({0, 2}),
)


def test_a_table_in_all_formats():
    files = table_files([GRID])
    assert list(files) == ["tables/both.csv", "tables/both.md", "tables/both.tex"]
    rows = list(csv.reader(io.StringIO(files["tables/both.csv"])))
    assert rows == [["name", "Accu-racy, %", "Words"], *map(list, GRID.rows)]
    assert files["tables/both.md"].splitlines()[2:5] == [
        "|  | Accu-racy, % | Words |",
        "| :--- | ---: | :--- |",
        r'| a_b\|c | 74.6 ± 0.5 | say "x", y |',
    ]
    tex = files["tables/both.tex"]
    assert r"\caption{50 \% \& more}" in tex
    assert r"\begin{tabular}{lrl}" in tex
    assert r"a\_b|c & 74.6 $\pm$ 0.5 & say " in tex
    assert r"中性 & $<$0.001 & - \\" in tex


def test_two_tables_of_one_name_are_two_files_and_the_same_table_is_one():
    other = Grid(name="both", title="other", columns=("",), rows=(("x",),))
    assert len(table_files([GRID, other, GRID])) == 6
    files = table_files([GRID, other])
    assert all(rf"\label{{tab:{name}}}" in files[f"tables/{name}.tex"] for name in ("both", "both-2"))


def test_formulas_and_marks_need_no_further_package_of_latex():
    signs = "".join({sign for one in FUSIONS.values() for sign in f"{one.formula}{one.summary}" if not sign.isascii()})
    assert "σ" in signs
    grid = Grid(name="a", title="b *", columns=("",), rows=((f"{signs}±−→…“”✔⚠✘",),))
    files = table_files([grid])
    assert files["tables/a.tex"].isascii()
    assert files["tables/a.md"].startswith(r"**b \***")


@pytest.mark.usefixtures("unpainted")
@pytest.mark.parametrize("kind", ["train", "folds", "compare", "augment", "ablate", "tune", "paper"])
def test_every_table_of_every_report_is_written(results, kind):
    result = results[kind]
    files = run_files(result, particulars())
    report = REPORTS[type(result)]
    shown = {grid for part in report.sections(result, {}) for grid in (*part.grids, *part.folded) if grid.rows}
    written = [list(csv.reader(io.StringIO(text))) for name, text in files.items() if name.endswith(".csv")]
    assert [grid.title for grid in shown if [*map(list, grid.rows)] not in [rows[1:] for rows in written]] == []
    assert all(re.fullmatch(r"tables/[a-z0-9-]+\.(csv|md|tex)", name) for name in files if "/" in name)
    assert all(len({len(row) for row in rows}) == 1 for rows in written)


def test_figures_are_also_written_in_the_formats_asked_for(results):
    files = run_files(results["train"], particulars(formats=("pdf", "svg")))
    assert files["curves.pdf"].startswith(b"%PDF")
    assert b"<svg" in files["confusion.svg"]
    assert files == run_files(results["train"], particulars(formats=("pdf", "svg")))
