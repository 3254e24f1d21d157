"""The encoding of texts as an answer, grids and the sections of a page."""

import math
from collections.abc import Iterator

from mmsent_cli.reports.blocks import Answer, Figures, Grid, Section
from mmsent_cli.reports.format import counted, duration
from mmsent_cli.results import EncodingResult

SHOWN_CANDIDATES, SHOWN_EXCEPTIONS = 6, 10
HOW = (
    "All texts are decoded with each candidate. The candidate under which the letters follow each other as they do in "
    "real texts is the right one. All texts are judged together, since a single short text can be plausible in several."
)
SCORES = (
    "Score: logarithm of how plausible a byte outside ASCII is, the higher the better. Behind: distance to the first; "
    "1 means that each of these bytes is 2.7 times less plausible. Invalid: files that this encoding cannot decode."
)


def encoding_answer(result: EncodingResult, seconds: float) -> Answer:
    """Make the head of the page."""
    if result.decided:
        headline = f"The texts are encoded in {result.encoding}"
    else:
        headline = f"Undecided: the texts are too few. The best guess is {result.encoding}"
    copies = (
        "" if result.converted_to is None else f"{counted(result.converted_files, 'UTF-8 file')}: {result.converted_to}"
    )
    return Answer(
        question="In which encoding are the texts?",
        headline=headline,
        paragraphs=(*_evidence(result), *_detector(result), *_conclusion(result)),
        facts=tuple(
            (name, value)
            for name, value in (
                ("Texts", f"{result.files:,}, of which {result.non_ascii_files:,} are not ASCII"),
                ("Undecodable", f"{result.undecodable:,}, with {counted(result.replaced_characters, 'character')}"),
                ("Copies", copies),
                ("Time", duration(seconds)),
            )
            if value
        ),
        notes=result.notes,
    )


def encoding_grids(result: EncodingResult) -> list[Grid]:
    """Make all tables for a terminal, in order; those without rows are left out."""
    grids = (candidates_grid(result), snippets_grid(result), exceptions_grid(result))
    return [grid for grid in grids if grid.rows]


def encoding_sections(result: EncodingResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    return [
        Section(title="Candidates", paragraphs=(HOW,), grids=(candidates_grid(result),)),
        Section(title="Before and after", grids=(snippets_grid(result),)),
        Section(title="Texts in another encoding", grids=(exceptions_grid(result),)),
    ]


def candidates_grid(result: EncodingResult) -> Grid:
    """Make the table of the best candidates."""
    shown = result.candidates[:SHOWN_CANDIDATES]
    return Grid(
        name="candidates",
        title="Candidates",
        columns=("", "Score", "Behind", "Invalid"),
        rows=tuple(
            (each.encoding, f"{each.score:.2f}", f"{shown[0].score - each.score:.2f}", f"{each.failures:,}")
            for each in shown
        ),
        foot=SCORES,
    )


def snippets_grid(result: EncodingResult) -> Grid:
    """Make the table of parts of texts, decoded wrongly and rightly."""
    return Grid(
        name="examples",
        title="Examples",
        columns=("", "Before, as Latin-1", "After", "Detector"),
        rows=tuple(
            (each.name, _visible(each.before), _visible(each.after), each.detector or "none")
            for each in result.snippets
        ),
        words=frozenset({0, 1, 2, 3}),
    )


def exceptions_grid(result: EncodingResult) -> Grid:
    """Make the table of texts that are not in the encoding of the others."""
    rest = len(result.exceptions) - SHOWN_EXCEPTIONS
    return Grid(
        name="exceptions",
        title=f"Texts in another encoding: {len(result.exceptions)}",
        columns=("", "Read as", "Reason"),
        rows=tuple((each.name, each.encoding or "-", each.reason) for each in result.exceptions[:SHOWN_EXCEPTIONS]),
        foot=f"and {rest:,} more; all of them are in result.json" if rest > 0 else "",
        words=frozenset({0, 1, 2}),
    )


def _evidence(result: EncodingResult) -> Iterator[str]:
    """How far the best candidate is ahead of the next one."""
    if result.margin > 0:
        power = result.margin / math.log(10)
        times = f"10^{power:,.0f} times as plausible"
        yield f"All texts together are {times} in {result.encoding} as in the next candidate."


def _detector(result: EncodingResult) -> Iterator[str]:
    """How a detector that looks at each text alone compares."""
    if result.detector_checked:
        yield (
            f"A detector that judges each text alone (charset-normalizer) decodes {result.detector_disagrees:,} of "
            f"{counted(result.detector_checked, 'sampled text')} into other characters."
        )


def _conclusion(result: EncodingResult) -> Iterator[str]:
    """What follows for the work with these texts."""
    if not result.decided:
        yield "Name the encoding with --encoding, here and in every other command."
    elif result.undecodable:
        yield "Every command decodes the texts so by itself. Characters that cannot be decoded become U+FFFD."
    else:
        yield "Every command decodes the texts so by itself, without loss. Nothing is to be done."


def _visible(text: str) -> str:
    """Control characters as escapes, so that a wrongly decoded text cannot steer the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text.strip())
