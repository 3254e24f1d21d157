"""What `predict` prints: counts of a whole prediction, or the tag and the probabilities of a single pair."""

from collections.abc import Iterable, Iterator

from rich.console import Console

from mmsent_cli.reports.console import out
from mmsent_cli.reports.format import counted, duration, percent, sentence
from mmsent_cli.reports.tables import cell, facts_table, figures_table, print_notes, print_paths, print_table
from mmsent_cli.results import Prediction, PredictResult

BAR_COLUMNS = 30


def print_predict(result: PredictResult, next_commands: Iterable[str] = ()) -> None:
    """Print a finished prediction on stdout, and what to type next."""
    console = out()
    console.print(facts_table(_facts(result)))
    if result.prediction is None:
        _print_counts(console, result)
    else:
        _print_single(console, result.prediction)
    said = [str(finding) for finding in result.findings]
    for line in said:
        console.print(cell(f"\n{sentence(line)}.", "bold yellow"))
    print_notes(console, [note for note in result.notes if note not in said])
    print_paths(console, "Written", [result.out] if result.out else [])
    print_paths(console, "Next", next_commands)


def _facts(result: PredictResult) -> Iterator[tuple[str, object]]:
    yield "Checkpoint", result.checkpoint
    if result.prediction is None:
        text, image = result.missing_text, result.missing_image
        yield "Pairs", f"{result.pairs:,}"
        yield "Time", duration(result.seconds)
        yield "Without text", f"{text:,}, counting texts without words" if text else ""
        yield "Without image", f"{image:,} predicted from the text alone" if image else ""
    if result.threshold is not None:
        yield "Left empty", f"{counted(result.abstained, 'pair')} with a probability below {result.threshold:.3f}"
    if result.replaced_characters:
        yield "Undecodable", f"{counted(result.replaced_characters, 'character')} replaced by U+FFFD"


def _print_counts(console: Console, result: PredictResult) -> None:
    rows = []
    empty = {"left empty": result.abstained} if result.threshold is not None else {}
    for label, count in [*result.counts.items(), *empty.items()]:
        share = count / result.pairs if result.pairs else 0.0
        rows.append((label, f"{count:,}", percent(share), cell(_bar(console, share))))
    table = figures_table(("Class", "Pairs", "Share", ""), rows)
    table.columns[3].justify = "left"
    print_table(console, "Predicted", table)


def _print_single(console: Console, prediction: Prediction) -> None:
    missing = (
        f"This pair has no {prediction.missing}: predicted from the other modality alone." if prediction.missing else ""
    )
    rows = [
        (label, percent(probability), cell(_bar(console, probability), "bold" if label == prediction.tag else ""))
        for label, probability in prediction.probabilities.items()
    ]
    table = figures_table(("Class", "Probability", ""), rows)
    table.columns[2].justify = "left"
    print_table(console, prediction.tag, table, missing)


def _bar(console: Console, share: float) -> str:
    block = "█" if console.encoding.startswith("utf") else "#"
    return block * round(share * BAR_COLUMNS)
