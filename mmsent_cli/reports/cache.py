"""What `cache` prints: the kinds of features on disk and their sizes."""

from mmsent_cli.reports.console import out
from mmsent_cli.reports.format import listed
from mmsent_cli.reports.tables import facts_table, figures_table, print_table
from mmsent_cli.results import StoreResult

MEGABYTE = 10**6


def print_store(result: StoreResult) -> None:
    """Print the feature store's content on stdout."""
    console = out()
    size = f"{result.bytes / MEGABYTE:,.1f} MB"
    kinds = ((result.compiled_models_bytes, "converted models"), (result.weights_bytes, "unpacked weights"))
    beside = listed([f"{size / MEGABYTE:.1f} MB of {kind}" for size, kind in kinds if size])
    facts = [("Folder", result.folder), ("Cleared" if result.cleared else "Size", size), ("Beside it", beside)]
    facts += [("Not mmsent's", f"{folder} (never deleted)") for folder in result.foreign]
    console.print(facts_table(facts))
    if result.feature_sets and not result.cleared:
        rows = [
            (
                each.encoder,
                each.stages,
                f"{each.entries:,}",
                f"{each.bytes / MEGABYTE:,.1f}",
                each.used,
                each.feature_set,
            )
            for each in result.feature_sets
        ]
        columns = ("Encoder", "Stages", "Entries", "MB", "Last written", "Folder")
        print_table(console, "Features", figures_table(columns, rows))
