"""Runs without their figures and their page, or with figures of few pixels or none."""

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


def leave_out_pixels(patch):
    """Write figures without pixels as long as a `MonkeyPatch` lasts: most of the time of a page goes into them."""
    patch.setattr("mmsent_cli.reports.outputs.as_image", lambda *_: b"\x89PNG")


def draw_coarsely(patch):
    """Draw with few pixels as long as a `MonkeyPatch` lasts: most of the time of a figure goes into its pixels."""
    patch.setattr("mmsent_cli.reports.plot_style.DPI", 60)
