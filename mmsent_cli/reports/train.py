"""Report a training run: head, tables and sections, the same on terminals and pages."""

from mmsent_cli.reports.blocks import Answer, Figures, Grid, Picture, Section, picture
from mmsent_cli.reports.confidence import class_grid, confusion_grid
from mmsent_cli.reports.facts import training_facts
from mmsent_cli.reports.figures import CONFUSION, CURVES, draw_confusion, draw_curves
from mmsent_cli.reports.format import counted, interval, majority_macro_f1, percent, score, score_interval
from mmsent_cli.reports.plot_style import Drawn
from mmsent_cli.results import TrainResult

OPTIMISTIC = "* Best epoch: chosen on the pairs it is measured on, so the scores are optimistic."
QUESTION = "How well can the class ({classes}) be predicted from a text and its image?"


def train_figures(result: TrainResult) -> Drawn:
    """Draw the curves over the epochs, if there are any epochs, and the confusion matrix of the best epoch."""
    curves = {CURVES: draw_curves(result.history, result.majority_accuracy)} if result.history else {}
    return {**curves, CONFUSION: draw_confusion(result.best.confusion, result.labels)}


def train_answer(result: TrainResult, seconds: float) -> Answer:
    """Make the answer at the top of the page."""
    best, last = result.best, result.last
    majority = majority_macro_f1(result.majority_accuracy, len(result.labels))
    return Answer(
        question=QUESTION.format(classes=", ".join(result.labels)),
        number=percent(best.accuracy),
        headline=f"{percent(best.accuracy)} accuracy: {result.encoders}, {result.fusion}",
        paragraphs=(
            f"Accuracy on {counted(result.val_pairs, 'validation pair')}; 95 % interval {interval(best.interval)}. "
            f"Always predicting the most frequent class gives {percent(result.majority_accuracy)}. "
            f"Macro-F1 {score(best.macro_f1)} against {score(majority)}.",
            f"Epoch {result.best_epoch} was chosen on these same pairs, so its scores are optimistic. The last epoch "
            f"({result.epochs}) gives {percent(last.accuracy)}, {interval(last.interval)}, macro-F1 "
            f"{score(last.macro_f1)}. The interval covers the choice of validation pairs, not the choice of seed.",
        ),
        facts=training_facts(result, seconds),
        notes=result.notes,
    )


def train_grids(result: TrainResult) -> list[Grid]:
    """Make all tables of the report, in order."""
    title = f"Confusion matrix, epoch {result.best_epoch} *: true class by row, predicted class by column"
    return [
        scores_grid(result),
        class_grid(f"Classes, epoch {result.best_epoch} *", result.best.per_class),
        confusion_grid(title, result.best.confusion, result.labels),
    ]


def train_sections(result: TrainResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    scores, classes, _ = train_grids(result)
    return [
        Section(title="Scores", grids=(scores,)),
        Section(title="Classes", grids=(classes,)),
        Section(title="Figures", pictures=train_pictures(result, figures)),
    ]


def train_pictures(result: TrainResult, figures: Figures) -> tuple[Picture, ...]:
    """Return the curves and the confusion matrix as pictures."""
    return (
        *picture(
            figures.get(CURVES),
            "Losses, accuracy and macro-F1 over the epochs",
            "Losses, and accuracy and macro-F1 on the validation pairs, over the epochs. Both losses are the "
            "cross-entropy of the main head; the training loss is averaged during the epoch, with dropout. The dotted "
            "line marks the best epoch.",
        ),
        *picture(
            figures.get(CONFUSION),
            "Confusion matrix of the best epoch",
            f"Validation pairs by true and predicted class, epoch {result.best_epoch}: counts, and per cent of the "
            "true class.",
        ),
    )


def scores_grid(result: TrainResult) -> Grid:
    """Make the table of the scores of the best and the last epoch, and of the majority class."""
    best, last, majority = result.best, result.last, result.majority_accuracy
    return Grid(
        name="scores",
        title=f"Validation, {counted(result.val_pairs, 'pair')}",
        columns=("", f"Best epoch ({result.best_epoch}) *", f"Last epoch ({result.epochs})", "Always most frequent"),
        rows=(
            ("Accuracy", percent(best.accuracy), percent(last.accuracy), percent(majority)),
            ("95 % interval", interval(best.interval), interval(last.interval), ""),
            (
                "Macro-F1",
                score(best.macro_f1),
                score(last.macro_f1),
                score(majority_macro_f1(majority, len(result.labels))),
            ),
            ("95 % interval", score_interval(best.macro_f1_interval), score_interval(last.macro_f1_interval), ""),
            ("Loss", f"{best.loss:.4f}", f"{last.loss:.4f}", ""),
        ),
        foot=OPTIMISTIC,
    )
