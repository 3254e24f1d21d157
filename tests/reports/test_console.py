"""What is printed into a file or a pipe: whole values, no blanks at the ends of lines."""

import pytest

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.tables import facts_table, out, print_grid, print_notes

LONG = "/a/long/path" * 20


@pytest.mark.parametrize("columns", [None, "60"])
def test_values_are_whole_off_a_terminal_unless_a_width_is_set(capsys, monkeypatch, columns):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    console = out()
    console.print(facts_table([("Checkpoint", LONG), ("Short", "a")]))
    rows = ((LONG, "a", "1"),)
    print_grid(console, Grid(name="g", title="Runs", columns=("", "Data", "MB"), rows=rows, words=frozenset({0, 1})))
    print_notes(console, [f"a note on {LONG}"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert sum(LONG in line for line in lines) == (0 if columns else 3)
    assert columns is None or max(map(len, lines)) <= int(columns)
