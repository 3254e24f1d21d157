"""Results on stdout, notices on stderr, valid JSON, and no stream that can break either."""

import io
import json
import sys
from dataclasses import dataclass

from mmsent_cli.reports import console


@dataclass(frozen=True)
class Example:
    text: str
    losses: tuple[float, ...]


def test_json_goes_to_stdout_and_survives_long_lines_markup_and_nan(capsys):
    text = "[bold]“多么好”[/bold] :smile: " * 40
    console.print_json(Example(text, (0.5, float("nan"), float("inf"))))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"text": text, "losses": [0.5, None, None]}
    assert captured.err == ""


def test_notice_is_one_plain_line_on_stderr(capsys):
    console.notice("reading [data] " * 20)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "reading [data] " * 20 + "\n"


def test_a_stream_without_the_character_does_not_break_the_program(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", stream)
    console.out().print("好 fine")
    console.print_json(Example("好 😀", ()))
    stream.flush()
    first, _, rest = stream.buffer.getvalue().decode("cp1252").partition("\n")
    assert first.strip() == "\\u597d fine"
    assert json.loads(rest)["text"] == "好 😀"


def test_no_escape_sequences_off_a_terminal_nor_colour_with_no_color(monkeypatch, capsys):
    console.out().print("[red]warm[/red]")
    assert capsys.readouterr().out == "warm\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.out().no_color
