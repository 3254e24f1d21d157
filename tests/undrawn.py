"""Runs without their figures and their page, or with figures of few pixels or none."""

from io import BytesIO

from PIL import Image

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


def blank(figure, *_):
    """A white PNG of the shape of a figure."""
    sides = [int(30 * inches) for inches in figure.get_size_inches()]
    Image.new("1", sides, 1).save(buffer := BytesIO(), "PNG")
    return buffer.getvalue()


def leave_out_pixels(patch):
    """Write blank figures as long as a `MonkeyPatch` lasts: most of the time of a page goes into their pixels."""
    patch.setattr("mmsent_cli.reports.outputs.as_image", blank)


def draw_coarsely(patch):
    """Draw with few pixels as long as a `MonkeyPatch` lasts: most of the time of a figure goes into its pixels."""
    patch.setattr("mmsent_cli.reports.plot_style.DPI", 60)
