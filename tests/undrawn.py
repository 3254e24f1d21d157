"""Runs without their figures and their page."""

FIGURES = {
    "TrainResult": ["answered.png", "calibration.png", "curves.png", "confusion.png", "precision-recall.png"],
    "FoldsResult": ["answered.png", "calibration.png", "confusion.png", "precision-recall.png"],
}


def undrawn_files(result, _):
    """Stand-ins for the files of a run that are drawn."""
    empty = dict.fromkeys(FIGURES.get(type(result).__name__, []), b"")
    return {"report.html": "a page", "tables/one.csv": "", **empty}


def leave_out_figures(patch):
    """Write stand-ins as long as a `MonkeyPatch` lasts."""
    patch.setattr("mmsent_cli.finished_run.run_files", undrawn_files)
