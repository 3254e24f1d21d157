"""An `EncodingResult` as terminal tables."""

from collections.abc import Iterator

from rich.table import Table

from mmsent_cli.reports.console import out
from mmsent_cli.reports.format import counted
from mmsent_cli.reports.tables import cell, figures_table, print_table
from mmsent_cli.results import EncodingResult

SHOWN_CANDIDATES, SHOWN_EXCEPTIONS = 6, 10


def print_encoding(result: EncodingResult) -> None:
    """Print the decision, candidates, snippets before and after, exceptions, and the answer of a per-file detector."""
    console = out()
    for line in _verdict(result):
        console.print(cell(line), soft_wrap=True)
    if result.candidates:
        foot = (
            "score: log-plausibility per non-ASCII byte, higher is better; failures: files with invalid bytes; "
            "behind: distance to the first"
        )
        print_table(console, "Candidates", _candidates(result), foot)
    if result.snippets:
        print_table(console, "Before (as Latin-1) and after", _snippets(result))
    if result.exceptions:
        rest = len(result.exceptions) - SHOWN_EXCEPTIONS
        foot = f"and {rest} more; --json lists all" if rest > 0 else ""
        print_table(console, f"Files in another encoding: {len(result.exceptions)}", _exceptions(result), foot)
    for line in _closing(result):
        console.print(cell(line), soft_wrap=True)


def _verdict(result: EncodingResult) -> Iterator[str]:
    counts = (
        f"{result.non_ascii_files} of {counted(result.files, 'file')} not ASCII, {result.undecodable} undecodable, "
        f"{counted(result.replaced_characters, 'replaced character')}"
    )
    if result.decided:
        yield f"encoding: {result.encoding}"
    else:
        yield f"encoding: undecided (best guess {result.encoding}, too little evidence)"
        yield "hint: say which with --encoding, here and with every other command"
    yield f"{counts}; lead over the next candidate {result.margin:g} nats (log-likelihood)"


def _candidates(result: EncodingResult) -> Table:
    first = result.candidates[0].score
    rows = (
        (each.encoding, f"{each.score:.2f}", f"{first - each.score:.2f}", each.failures)
        for each in result.candidates[:SHOWN_CANDIDATES]
    )
    return figures_table(("encoding", "score", "behind", "failures"), rows)


def _snippets(result: EncodingResult) -> Table:
    table = Table(box=None, show_edge=False, padding=(0, 1))
    for column in ("file", "before", "after", "detector"):
        table.add_column(column, overflow="fold")
    for each in result.snippets:
        table.add_row(*map(cell, (each.name, _visible(each.before), _visible(each.after), each.detector or "none")))
    return table


def _exceptions(result: EncodingResult) -> Table:
    rows = ((each.name, each.encoding or "-", each.reason) for each in result.exceptions[:SHOWN_EXCEPTIONS])
    return figures_table(("file", "read as", "why"), rows)


def _closing(result: EncodingResult) -> Iterator[str]:
    if result.detector_checked:
        yield (
            f"\na per-file detector (charset-normalizer) reads {result.detector_disagrees} of "
            f"{counted(result.detector_checked, 'sampled file')} differently"
        )
    if result.converted_to is not None:
        yield f"wrote {counted(result.converted_files, 'UTF-8 file')} to {result.converted_to}"


def _visible(text: str) -> str:
    """Control characters as escapes, so that a wrongly decoded text cannot steer the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text.strip())
