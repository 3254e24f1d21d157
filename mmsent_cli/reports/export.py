"""What `export` prints."""

from mmsent_cli.reports.console import out
from mmsent_cli.reports.format import counted, duration
from mmsent_cli.reports.tables import cell, facts_table, figures_table, print_notes, print_paths, print_table
from mmsent_cli.results import ExportResult


def print_export(result: ExportResult) -> None:
    """Print a finished export on stdout."""
    console = out()
    checked = (
        f"{counted(result.checked_pairs, 'pair')}: largest difference of a probability"
        f" {result.largest_difference:.1e}, predicted class differs in {result.changed_labels}"
        if result.checked_pairs
        else ""
    )
    facts = {"Checkpoint": result.checkpoint, "Format": result.format, "Compared": checked}
    console.print(facts_table({**facts, "Time": duration(result.seconds)}.items()))
    rows = [(name, cell(f"{size / 1e6:,.2f}")) for name, size in result.files.items()]
    print_table(console, f"Written to {result.out}", figures_table(("File", "MB"), rows))
    print_notes(console, result.notes)
    print_paths(console, "Next", [f'python {result.out}/predict.py --text "what a day"'])
