"""Report an evaluation: figures, head and sections of the page."""

from mmsent_cli.reports.blocks import Answer, Figures, Section, picture
from mmsent_cli.reports.confidence import (
    Confidence,
    confidence_figures,
    confidence_pictures,
    confusion_grid,
    curves_grid,
)
from mmsent_cli.reports.evaluation.tables import (
    CONFUSION_TITLE,
    answered_grid,
    calibration_grid,
    classes_grid,
    drift_grid,
    group_grids,
    scores_grid,
    true_classes,
)
from mmsent_cli.reports.figures import CONFUSION, draw_confusion
from mmsent_cli.reports.format import (
    calibration_text,
    counted,
    duration,
    interval,
    majority_macro_f1,
    percent,
    score,
    score_interval,
)
from mmsent_cli.reports.plot_style import Drawn
from mmsent_cli.results import ON_KNOWN, ON_OUT_OF_FOLD, ON_VALIDATION, EvaluateResult


def evaluate_figures(result: EvaluateResult) -> Drawn:
    """Draw all figures, by file name. Without probabilities, some are left out."""
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


def evaluate_answer(result: EvaluateResult, seconds: float) -> Answer:
    """Make the answer at the top of the page. `seconds` is the duration of the evaluation."""
    majority = result.majority_accuracy
    loss = "" if result.calibration_error is None else f" {calibration_text(result.calibration_error)}"
    return Answer(
        question="How well does the model predict the class of these pairs?",
        number="" if result.measured == ON_KNOWN else percent(result.accuracy.value),
        headline=evaluate_headline(result),
        paragraphs=(
            f"Accuracy on {counted(result.pairs, 'pair')}; 95 % interval {interval(result.accuracy.interval)}. "
            f"Always predicting the most frequent class gives {percent(majority)}.",
            f"Macro-F1 {score(result.macro_f1.value)} ({score_interval(result.macro_f1.interval)}) against "
            f"{score(majority_macro_f1(majority, true_classes(result)))}.{loss} The intervals cover the choice of "
            "pairs, not the choice of seed.",
        ),
        facts=(
            ("Model", result.subject),
            ("Data", result.source),
            ("Classes", ", ".join(result.labels)),
            ("Used in training", used_text(result)),
            ("Time", duration(seconds)),
        ),
        notes=result.notes,
    )


def evaluate_sections(result: EvaluateResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    confusion = picture(
        figures.get(CONFUSION),
        "Confusion matrix",
        "Pairs by true and predicted class: counts, and per cent of the true class.",
    )
    table = confusion_grid(CONFUSION_TITLE, result.confusion, result.labels)
    return [
        Section(title="Scores", grids=(scores_grid(result), *group_grids(result))),
        Section(title="Classes", pictures=confusion, grids=(classes_grid(result),), folded=(table,)),
        Section(
            title="Confidence",
            pictures=confidence_pictures(figures),
            grids=(answered_grid(result), curves_grid(result.curves)),
            folded=(calibration_grid(result),),
        ),
        Section(title="Drift against training", grids=(drift_grid(result),)),
    ]


def evaluate_headline(result: EvaluateResult) -> str:
    """State the accuracy, and whether the evaluated pairs were used in training."""
    text = f"{percent(result.accuracy.value)} accuracy on"
    if not result.used:
        return f"{text} {counted(result.pairs, 'pair')}"
    if result.measured == ON_KNOWN:
        pairs = f"{counted(result.pairs, 'pair')}, {result.used:,} of them used in training"
        return f"{text} {pairs}: this score shows memory"
    if result.measured == ON_OUT_OF_FOLD:
        return f"{text} {counted(result.pairs, 'training pair')}, predicted out of fold"
    if result.measured == ON_VALIDATION:
        return f"{text} {counted(result.pairs, 'validation pair')}: the best epoch was chosen on them"
    return f"{text} {counted(result.pairs, 'new pair')}"


def used_text(result: EvaluateResult) -> str:
    """State how many of the pairs were used in training, and how."""
    if result.new is None:
        return "unknown"
    parts = {
        "training pairs": result.in_training,
        "validation pairs": result.in_validation,
        "text or image of a training pair": result.near_training,
    }
    counts = ", ".join(f"{what}: {count:,}" for what, count in parts.items() if count)
    return f"{result.used:,} of {counted(result.new + result.used, 'pair')}{f' ({counts})' if counts else ''}"
