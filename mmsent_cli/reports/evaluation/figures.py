"""Figures of an evaluation: confusion, calibration, accuracy by answered share, precision over recall."""

from mmsent_cli.reports.confidence import Confidence, confidence_figures
from mmsent_cli.reports.figures import CONFUSION, draw_confusion
from mmsent_cli.reports.plot_style import Drawn
from mmsent_cli.results import EvaluateResult


def evaluate_figures(result: EvaluateResult) -> Drawn:
    """Return all figures by file name; those of probabilities only where there are any."""
    figures = {CONFUSION: draw_confusion(result.confusion, result.labels)}
    if result.calibration:
        figures |= confidence_figures(
            Confidence(
                bins=result.calibration,
                answered=result.answered,
                majority=result.majority_accuracy,
                curves=result.curves,
            )
        )
    return figures
