"""Each table of a report as CSV, Markdown and LaTeX."""

import csv
import io
import re

import pytest

from mmsent_cli.fusion import FUSIONS
from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.outputs import REPORTS, run_files
from mmsent_cli.reports.table_files import table_files
from mmsent_cli.reports.translate import translator
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
    assert rows == [
        ["name", "Accu-racy, %", "Accu-racy sd, %", "Words"],
        ["a_b|c", "74.6", "0.5", 'say "x", y'],
        ["中性", "<0.001", "", "-"],
    ]
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


@pytest.mark.parametrize(
    ("head", "cells", "rows"),
    [
        ("F1", ["0.8 (0.7 to 0.9)", "-"], [["F1", "F1 low", "F1 high"], ["0.8", "0.7", "0.9"], ["", "", ""]]),
        ("Gap", ["+1,234", "−2"], [["Gap"], ["+1234"], ["-2"]]),
        ("Ours, % *", ["7.0 ± 0.5"], [["Ours, % *", "Ours sd, % *"], ["7.0", "0.5"]]),
        ("Score", ["81.2 % (8.1 to 89.8 %)"], [["Score", "Score low", "Score high"], ["0.812", "0.081", "0.898"]]),
        ("Score,\n95 % interval", ["10.1 to 12.0"], [["Score low", "Score high"], ["10.1", "12.0"]]),
        ("Wins", ["9 : 12", "3, 4"], [["Wins"], ["9 : 12"], ["3, 4"]]),
        ("None", ["-"], [["None"], ["-"]]),
    ],
)
def test_a_cell_of_a_csv_file_holds_one_number(head, cells, rows):
    grid = Grid(name="a", title="a", columns=("", head), rows=tuple((str(n), cell) for n, cell in enumerate(cells)))
    written = csv.reader(io.StringIO(table_files([grid])["tables/a.csv"]))
    assert [row[1:] for row in written] == rows


def test_intervals_join_their_values_in_csv():
    columns, rows = ("", "A", "B"), (("F1", "0.5", "0.6"), ("95 % interval", "0.4 to 0.6", ""), ("Loss", "0.9", "0.8"))
    below = Grid(name="a", title="a", columns=columns, rows=rows)
    beside = Grid(name="b", title="b", columns=("", "A", "95 % interval"), rows=(("F1", "0.5", "0.4 to 0.6"),))
    files = table_files([below, beside])
    assert files["tables/a.csv"].splitlines() == ["name,A,A low,A high,B", "F1,0.5,0.4,0.6,0.6", "Loss,0.9,,,0.8"]
    assert files["tables/b.csv"].splitlines() == ["name,A,A low,A high", "F1,0.5,0.4,0.6"]


def test_a_mark_is_explained_in_every_file_and_only_programs_read_english():
    scores = Grid(name="scores", title="Scores", columns=("", "Accuracy *"), rows=(("a", "1"),), foot="* Best epoch")
    classes = Grid(name="classes", title="Classes *", columns=("Class", "F1"), rows=(("a", "1"),))
    files = table_files([scores, classes], [classes], translator("zh"))
    assert len(files) == 6
    assert r"\par\footnotesize * Best epoch" in table_files([scores, classes])["tables/classes.tex"]
    assert files["tables/classes.csv"].splitlines()[0] == "Class,F1"
    assert all("类别" in files[f"tables/classes.{ending}"] for ending in ("md", "tex"))


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
    shown = [grid for part in report.sections(result, {}) for grid in (*part.grids, *part.folded) if grid.rows]
    titles = [text.splitlines()[0] for name, text in files.items() if name.endswith(".md")]
    assert {f"**{grid.title}**".replace(" *", r" \*") for grid in shown} <= set(titles)
    assert {f"tables/{grid.name}.csv" for grid in report.grids(result)} <= files.keys()
    assert len(titles) == len({*shown, *(g for g in report.grids(result) if g.name not in {one.name for one in shown})})
    written = {name: list(csv.reader(io.StringIO(text))) for name, text in files.items() if name.endswith(".csv")}
    assert all(re.fullmatch(r"tables/[a-z0-9-]+\.(csv|md|tex)", name) for name in files if "/" in name)
    assert all(len({len(row) for row in rows}) == 1 for rows in written.values())


@pytest.mark.usefixtures("coarse")
def test_figures_are_also_written_in_the_formats_asked_for(results):
    files = run_files(results["train"], particulars(formats=("pdf", "svg")))
    assert files["curves.pdf"].startswith(b"%PDF")
    assert b"<svg" in files["confusion.svg"]
    assert files == run_files(results["train"], particulars(formats=("pdf", "svg")))


def test_odd_names_of_classes_stay_rows_and_columns():
    """A class is called like the row of intervals, or begins like an option of LaTeX's line break."""
    names = ("95 % interval", "[x]", "*", "two\n\nlines")
    columns = ("Class", "Pairs", names[0])
    grid = Grid(name="a", title="a", columns=columns, rows=tuple((name, "6", "7") for name in ("first", *names)))
    files = table_files([grid])
    assert [row[0] for row in csv.reader(io.StringIO(files["tables/a.csv"]))] == ["Class", "first", *names]
    assert files["tables/a.csv"].splitlines()[:2] == ["Class,Pairs,95 % interval", "first,6,7"]
    body = files["tables/a.tex"].partition("midrule\n")[2].splitlines()
    assert body[2:5] == ["{}[x] & 6 & 7 \\\\", "{}* & 6 & 7 \\\\", "two  lines & 6 & 7 \\\\"]
