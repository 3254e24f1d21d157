"""Report the results of `check`, `env` and `inspect-encoding` as tables and pages."""

import math
from collections.abc import Iterator, Mapping, Sequence

from mmsent_cli.reports.blocks import Answer, Figures, Grid, Section
from mmsent_cli.reports.format import counted, duration, listed, percent
from mmsent_cli.reports.tables import cell, facts_table, out, print_grid
from mmsent_cli.reports.translate import translated, translator
from mmsent_cli.results import ERROR, OK, WARNING, CheckOutcome, CheckResult, EncodingResult, EnvResult

MARKS = {OK: "✔", WARNING: "⚠", ERROR: "✘"}
SHOWN_GUIDS, SHOWN_FIRST = 20, 3
"""Maximum number of pairs per check that are listed: on a page, and in a terminal."""
LEAST_SHARE = 0.0005
"""A script with a smaller share of the letters is not listed, since it would be shown as 0.0 %."""
LEGEND = (
    f"{MARKS[OK]} nothing to do; {MARKS[WARNING]} training can run, but look at it; {MARKS[ERROR]} training cannot run."
)


LEGEND_OF_PREDICTION = (
    f"{MARKS[OK]} nothing to do; {MARKS[WARNING]} predict can run, but look at it; {MARKS[ERROR]} predict would stop."
)


def found_grid(title: str, checks: Sequence[CheckOutcome], foot: str = LEGEND) -> Grid:
    """Make the table of the checks for a terminal: mark and message. If a check has advice, it is in a second row."""
    return Grid(
        name="checks",
        title=title,
        columns=("", "Found"),
        rows=tuple(row for one in _ordered(checks) for row in _rows(one)),
        foot=foot,
        words=frozenset({0, 1}),
    )


def check_grid(title: str, checks: Sequence[CheckOutcome]) -> Grid:
    """Make the table of the checks for a page: mark, message, threshold and advice."""
    return Grid(
        name="checks",
        title=title,
        columns=("", "Found", "Threshold", "What to do"),
        rows=tuple(
            (f"{MARKS[one.level]} {one.check}", one.message, one.rule, one.advice)
            for one in _ordered(checks, is_worst_first=True)
        ),
        foot=LEGEND,
        words=frozenset({0, 1, 2, 3}),
    )


def _ordered(checks: Sequence[CheckOutcome], is_worst_first: bool = False) -> list[CheckOutcome]:
    """Order the checks by level. The worst level is last, as in a terminal, or first if `is_worst_first`."""
    levels = list(MARKS)
    return sorted(checks, key=lambda one: levels.index(one.level) * (-1 if is_worst_first else 1))


def _rows(one: CheckOutcome) -> Iterator[tuple[str, str]]:
    names = ", ".join(pair.guid or pair.detail for pair in one.pairs[:SHOWN_FIRST])
    first = f"the first: {names}" if names and one.level != OK else ""
    rule = one.rule if one.level != OK else ""
    yield f"{MARKS[one.level]} {one.check}", "; ".join(filter(None, (one.message, rule, first)))
    if one.advice and one.level != OK:
        yield "", one.advice


def verdict(can_train: bool, checks: Sequence[CheckOutcome]) -> str:
    """State whether training can run, with the numbers of errors and warnings."""
    counts = {level: sum(one.level == level for one in checks) for level in MARKS}
    found = [counted(counts[level], word) for level, word in ((ERROR, "error"), (WARNING, "warning")) if counts[level]]
    return f"Training {'can' if can_train else 'cannot'} run: {listed(found) or 'nothing was found'}"


def look_at(checks: Sequence[CheckOutcome]) -> tuple[str, ...]:
    """Return a sentence that lists the checks with errors, and a sentence that lists the checks with warnings."""
    names = {level: [one.check for one in checks if one.level == level] for level in (ERROR, WARNING)}
    starts = {ERROR: "Fix first", WARNING: "Look at"}
    return tuple(f"{MARKS[level]} {starts[level]}: {'; '.join(found)}." for level, found in names.items() if found)


def check_answer(result: CheckResult, seconds: float) -> Answer:
    """Make the answer at the top of the page."""
    if not result.labels and not result.pairs:
        return _prediction_answer(result, seconds)
    return Answer(
        question="Can a model be trained on these pairs?",
        headline=verdict(result.can_train, result.checks),
        paragraphs=look_at(result.checks),
        facts=(
            ("Data", result.source),
            ("Labelled pairs", f"{result.pairs:,}, of which {result.usable:,} can be used"),
            ("To predict", f"{result.to_predict:,}"),
            ("Classes", ", ".join(f"{label} {count:,}" for label, count in result.counts.items())),
            ("Time", duration(seconds)),
        ),
        notes=result.notes,
    )


def _prediction_answer(result: CheckResult, seconds: float) -> Answer:
    """Make the head of the page for pairs without labels."""
    return Answer(
        question="Can these pairs be predicted?",
        headline=f"No row has a label: {result.usable:,} of {result.to_predict:,} pairs can be predicted",
        paragraphs=look_at(result.checks),
        facts=(
            ("Data", result.source),
            ("To predict", f"{result.to_predict:,}"),
            ("Time", duration(seconds)),
        ),
        notes=result.notes,
    )


def check_grids(result: CheckResult) -> list[Grid]:
    """Make all tables in the order of reading. Empty tables are left out."""
    grids = [
        class_grid(result),
        distribution_grid(result),
        *kind_grids(result),
        found_grid(f"Checks of {result.source}", result.checks, LEGEND if result.labels else LEGEND_OF_PREDICTION),
    ]
    return [grid for grid in grids if grid.rows]


def class_grid(result: CheckResult) -> Grid:
    """Make the table of pairs and share of each class."""
    total = max(result.usable, 1)
    return Grid(
        name="classes",
        title="Classes",
        columns=("", "Pairs", "Share"),
        rows=tuple((label, f"{count:,}", percent(count / total)) for label, count in result.counts.items()),
    )


def distribution_grid(result: CheckResult) -> Grid:
    """Make the table of lengths and sizes: smallest value, quartiles and largest value."""
    return Grid(
        name="sizes",
        title="Lengths of texts and sizes of images",
        columns=("", "Least", "Quarter", "Median", "Three quarters", "Most"),
        rows=tuple(
            (
                one.name,
                *(f"{value:,.0f}" for value in (one.least, one.quarter, one.median, one.three_quarters, one.most)),
            )
            for one in result.distributions
        ),
    )


def kind_grids(result: CheckResult) -> list[Grid]:
    """Make the tables of image formats, character sets and scripts."""
    return [
        _counts("image-formats", "Image formats", "Images", result.image_kinds),
        _counts("character-sets", "Character sets", "Texts", result.encodings),
        Grid(
            name="scripts",
            title="Scripts",
            columns=("", "Share of letters"),
            rows=tuple((name, percent(share)) for name, share in result.scripts.items() if share >= LEAST_SHARE),
        ),
    ]


def check_sections(result: CheckResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    found = [one for one in _ordered(result.checks, is_worst_first=True) if one.pairs]
    return [
        Section(title="Checks", grids=(check_grid("All checks with their thresholds", result.checks),)),
        Section(title="Pairs to look at", paragraphs=tuple(_listed(one) for one in found)),
        Section(title="What the data hold", grids=(class_grid(result), distribution_grid(result), *kind_grids(result))),
    ]


def _listed(one: CheckOutcome) -> str:
    """List the first pairs of a check by guid, or the problems of the first rows."""
    names = [pair.guid or pair.detail for pair in one.pairs]
    rest = len(names) - SHOWN_GUIDS
    shown = ", ".join(names[:SHOWN_GUIDS]) + (f" and {rest:,} more" if rest > 0 else "")
    return f"{MARKS[one.level]} {one.check} ({len(names):,}): {shown}. All of them are in {one.file}."


def _counts(name: str, title: str, unit: str, counts: Mapping[str, int]) -> Grid:
    return Grid(
        name=name,
        title=title,
        columns=("", unit),
        rows=tuple((kind, f"{count:,}") for kind, count in counts.items()),
    )


def print_env(result: EnvResult, language: str = "en") -> None:
    """Print the machine, its checks, and whether training can run, in the language `en` or `zh`."""
    console, translate = out(), translator(language)
    console.print(facts_table((translate(name), translate(value)) for name, value in result.facts.items()))
    print_grid(console, translated(found_grid("Checks of this machine", result.checks), translate))
    console.print(cell(f"\n{translate(verdict(result.can_train, result.checks))}", "bold"))
    for line in look_at(result.checks):
        console.print(cell(translate(line)))


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
    """Make the answer at the top of the page."""
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
    """Make all tables for a terminal, in order. Empty tables are left out."""
    grids = (candidates_grid(result), snippets_grid(result), exceptions_grid(result))
    return [grid for grid in grids if grid.rows]


def encoding_sections(result: EncodingResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    return [
        Section(title="How the encoding was chosen", paragraphs=(HOW,), grids=(candidates_grid(result),)),
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
    """Make the table of snippets, decoded as Latin-1 and by mmsent."""
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
    """Make the table of texts in another encoding than the others."""
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
    """State how much more plausible the texts are in the best encoding than in the next one."""
    if result.margin > 0:
        power = result.margin / math.log(10)
        times = f"10^{power:,.0f} times as plausible"
        yield f"All texts together are {times} in {result.encoding} as in the next candidate."


def _detector(result: EncodingResult) -> Iterator[str]:
    """State how many texts are decoded differently by a detector that reads one text at a time."""
    if result.detector_checked:
        yield (
            f"A detector that judges each text alone (charset-normalizer) decodes {result.detector_disagrees:,} of "
            f"{counted(result.detector_checked, 'sampled text')} into other characters."
        )


def _conclusion(result: EncodingResult) -> Iterator[str]:
    """State what the result means for later commands."""
    if not result.decided:
        yield "Name the encoding with --encoding, here and in every other command."
    elif result.undecodable:
        yield "Every command decodes the texts so by itself. Characters that cannot be decoded become U+FFFD."
    else:
        yield "Every command decodes the texts so by itself, without loss. Nothing is to be done."


def _visible(text: str) -> str:
    """Replace control characters by escapes, since a wrongly decoded text could control the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text.strip())
