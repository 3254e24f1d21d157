"""Report a training over folds: head, tables and sections, the same on terminals and pages."""

from mmsent_cli.reports.blocks import Answer, Figures, Grid, Section, picture
from mmsent_cli.reports.confidence import class_grid
from mmsent_cli.reports.facts import training_facts
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
from mmsent_cli.reports.train import QUESTION
from mmsent_cli.results import FoldsResult

MEMBER_NAMES = {
    "network": "Network (text and image)",
    "image": "Image, linear",
    "text": "Text, linear",
    "minilm": "Text by MiniLM, linear",
    "mpnet": "Text by MPNet, linear",
    "clip-text": "Text by CLIP, linear",
    "clip-image": "Image by CLIP, linear",
    "clip": "Text and image by CLIP, linear",
    "characters": "Characters, linear",
    "lexicon": "Lexicon, linear",
    "kernel": "Kernel regression",
    "faces": "Faces in the image, linear",
    "ocr": "Words in the image, linear",
    "ocr-characters": "Their characters, linear",
    "minilm-ocr": "Text and words in the image by MiniLM, linear",
}
"""Displayed names of the members of an ensemble. `ENCODER_NAMES` is for probes of an encoder that the user names."""
ENCODER_NAMES = {"text": "Text by {}, linear", "image": "Image by {}, linear"}


def saved_text(result: FoldsResult) -> str:
    """Explain in words what the saved ensemble consists of, and how the scores were measured."""
    probes = " Its probes are fitted on all pairs." if result.probes else ""
    fitted = "the models, probes and weights of the members" if result.probes else "the models"
    return (
        f"The saved ensemble averages the models of all folds.{probes} It was trained on every pair, so it cannot be "
        f"measured on them. The scores here are out of fold: {fitted} were fitted without the fold that they are "
        "measured on."
    )


def folds_figures(result: FoldsResult) -> Drawn:
    """Draw the confusion matrix of the out-of-fold predictions."""
    return {CONFUSION: draw_confusion(result.metrics.confusion, result.labels)}


def folds_answer(result: FoldsResult, seconds: float) -> Answer:
    """Make the answer at the top of the page."""
    metrics, majority = result.metrics, result.majority_accuracy
    return Answer(
        question=QUESTION.format(classes=", ".join(result.labels)),
        number=percent(metrics.accuracy),
        headline=f"{percent(metrics.accuracy)} accuracy out of fold: {result.encoders}, {result.fusion}",
        paragraphs=(
            f"Accuracy on {counted(result.pairs, 'pair')}, each predicted by models that were not trained on it; "
            f"95 % interval {interval(metrics.interval)}. Always predicting the most frequent class gives "
            f"{percent(majority)}. Macro-F1 {score(metrics.macro_f1)} against "
            f"{score(majority_macro_f1(majority, len(result.labels)))}.",
            f"{saved_text(result)} {calibration_text(result.calibration_error)} The interval covers the choice of "
            "pairs, not the choice of seed.",
        ),
        facts=training_facts(result, seconds),
        notes=result.notes,
    )


def folds_grids(result: FoldsResult) -> list[Grid]:
    """Make all tables of the report, in order."""
    classes = class_grid("Classes, out of fold", result.metrics.per_class)
    trade_off = [trade_off_grid(result)] if result.trade_off else []
    return [scores_grid(result), members_grid(result), fold_grid(result), classes, *trade_off]


def folds_sections(result: FoldsResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    scores, members, models, classes, *trade_off = folds_grids(result)
    pictures = picture(
        figures.get(CONFUSION),
        "Confusion matrix, out of fold",
        "Pairs by true and predicted class, out of fold: counts, and per cent of the true class.",
    )
    return [
        Section(title="Scores", grids=(scores, members, models, *trade_off)),
        Section(title="Classes", grids=(classes,)),
        Section(title="Figures", pictures=pictures),
    ]


def scores_grid(result: FoldsResult) -> Grid:
    """Make the table of the scores of the ensemble and of the majority class."""
    metrics, majority = result.metrics, result.majority_accuracy
    return Grid(
        name="scores",
        title=f"Out of fold, {counted(result.pairs, 'pair')}",
        columns=("", "Ensemble", "Always most frequent"),
        rows=(
            ("Accuracy", percent(metrics.accuracy), percent(majority)),
            ("95 % interval", interval(metrics.interval), ""),
            ("Macro-F1", score(metrics.macro_f1), score(majority_macro_f1(majority, len(result.labels)))),
            ("95 % interval", score_interval(metrics.macro_f1_interval), ""),
            ("Loss", f"{metrics.loss:.4f}", ""),
            ("Calibration error", score(result.calibration_error), ""),
        ),
    )


def members_grid(result: FoldsResult) -> Grid:
    """Make the table of the scores of each ensemble member and of the ensemble."""
    rows = [
        (
            member_name(member.name),
            percent(member.accuracy),
            score(member.macro_f1),
            f"{member.loss:.4f}",
        )
        for member in result.members
    ]
    metrics = result.metrics
    stacked = ("All, stacked", percent(metrics.accuracy), score(metrics.macro_f1), f"{metrics.loss:.4f}")
    offsets = ", ".join(f"{label} {offset:+.2f}" for label, offset in result.class_offsets.items())
    foot = (
        f"Logit adjustment {result.logit_adjustment:g} makes rare classes more likely. "
        f"It adds these numbers to the log-probabilities: {offsets}."
        if any(result.class_offsets.values())
        else ""
    )
    columns = ("Member, out of fold", "Accuracy", "Macro-F1", "Loss")
    return Grid(name="members", title="Ensemble members", columns=columns, rows=(*rows, stacked), foot=foot)


def trade_off_grid(result: FoldsResult) -> Grid:
    """Make the table of accuracy and macro-F1 of the ensemble by the strength of the logit adjustment."""
    rows = tuple(
        (
            f"{own.logit_adjustment:g}{' *' if own.logit_adjustment == result.logit_adjustment else ''}",
            percent(own.accuracy),
            score(own.macro_f1),
        )
        for own in result.trade_off
    )
    return Grid(
        name="trade-off",
        title="Accuracy or macro-F1",
        columns=("Logit adjustment", "Accuracy", "Macro-F1"),
        rows=rows,
        foot="* The strength that was used. All rows are measured on the same pairs. So the best row of this table is "
        "optimistic.",
    )


def fold_grid(result: FoldsResult) -> Grid:
    """Make the table of the scores of each fold's models on the pairs of the fold, which they were not trained on."""
    rows = tuple(
        (str(fold.fold), f"{fold.val_pairs:,}", percent(fold.accuracy), score(fold.macro_f1), duration(fold.seconds))
        for fold in result.folds
    )
    return Grid(
        name="fold",
        title="Fold models",
        columns=("Fold", "Pairs", "Accuracy", "Macro-F1", "Time"),
        rows=rows,
        foot="The time is that of the epochs alone, without features, evaluation and probes.",
    )


def member_name(name: str) -> str:
    """Return the displayed name of a member. Of a folder or a hub model, only the last part of the name is shown."""
    side, _, encoder = name.partition(":")
    if name in MEMBER_NAMES or side not in ENCODER_NAMES:
        return MEMBER_NAMES.get(name, name)
    return ENCODER_NAMES[side].format(encoder.rpartition(":")[2].rstrip("/").rpartition("/")[2])
