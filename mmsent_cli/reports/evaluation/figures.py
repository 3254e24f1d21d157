"""Figures of an evaluation: confusion, calibration, accuracy by answered share."""

from mmsent_cli.reports.confidence import ANSWERED, CALIBRATION, draw_answered, draw_calibration
from mmsent_cli.reports.figures import CONFUSION, draw_confusion
from mmsent_cli.reports.plot_style import Drawn
from mmsent_cli.results import EvaluateResult


def evaluate_figures(result: EvaluateResult) -> Drawn:
    """All figures by file name; those of probabilities only where there are any."""
    figures = {CONFUSION: draw_confusion(result.confusion, result.labels)}
    if result.calibration:
        figures |= {
            CALIBRATION: draw_calibration(result.calibration),
            ANSWERED: draw_answered(result.answered, result.majority_accuracy),
        }
    return figures
