"""What is printed into a file or a pipe: whole values, no blanks at the ends of lines."""

import pytest

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.tables import facts_table, notice, out, print_grid, print_json, print_notes, print_paths

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


@pytest.mark.parametrize("name", ["short", LONG])
def test_words_of_a_table_wrap_in_a_pipe_and_names_do_not(capsys, monkeypatch, name):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_grid(
        out(), Grid(title="Checks", columns=("", "Found"), rows=((name, "word " * 99),), words=frozenset({0, 1}))
    )
    lines = capsys.readouterr().out.splitlines()
    assert sum(name in line for line in lines) == 1
    assert max(len(line) for line in lines if name not in line) <= max(120, len(name) + 80)
    assert sum(line.count("word") for line in lines) == 99


def test_data_cannot_change_a_terminal(capsys):
    """As a file name or a label with the codes of colors, of a bell, or of another title of the window."""
    evil = "a\x1b[31m\x07\x9b2J\x7fb"
    print_grid(out(), Grid(title=evil, columns=("", evil), rows=((evil, evil),)))
    print_notes(out(), [evil])
    print_paths(out(), "Files", [evil])
    notice(evil)
    print_json({evil: evil})
    printed = "".join(capsys.readouterr())
    assert not {"\x1b", "\x07", "\x9b", "\x7f"} & set(printed)
    assert printed.count(r"a\x1b[31m\x07\x9b2J\x7fb") >= 6
