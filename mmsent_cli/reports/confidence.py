"""Report classes, confidence and findings as tables and figures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mmsent_cli.reports.blocks import Answer, Figures, Grid, Picture, Section, picture
from mmsent_cli.reports.format import listed, percent, score, sentence
from mmsent_cli.reports.lines import LineEnd, look, name_line_ends
from mmsent_cli.reports.plot_style import BLUE, GREY, LIGHT, Drawn, clean, legend_above, new_figure
from mmsent_cli.results import (
    IGNORES_IMAGE,
    IGNORES_TEXT,
    MAJORITY,
    NEVER_ANSWERED,
    ONE_CLASS,
    AnsweredShare,
    CalibrationBin,
    ClassMetrics,
    ComparedArm,
    ComparedModel,
    CompareResult,
    Finding,
    ModelComparison,
    PaperResult,
    PrecisionRecall,
    has_learned_nothing,
)
from mmsent_cli.results.experiments import WORDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FREQUENT = "(most frequent class)"
"""Name of a table row with the scores of always predicting the most frequent class."""


def class_grid(title: str, per_class: Sequence[ClassMetrics], foot: str = "") -> Grid:
    """Make the table of precision, recall, F1 and support, one row per class."""
    return Grid(
        name="classes",
        title=title,
        columns=("Class", "Precision", "Recall", "F1", "Support"),
        rows=tuple(
            (one.label, score(one.precision), score(one.recall), score(one.f1), str(one.support)) for one in per_class
        ),
        foot=foot,
    )


def recall_grid(title: str, rows: Sequence[tuple[str, Sequence[ClassMetrics]]], foot: str = "") -> Grid:
    """Make the table of recalls, one row per name. All rows need the same classes in the same order."""
    labels = tuple(one.label for one in rows[0][1]) if rows else ()
    return Grid(
        name="recall",
        title=title,
        columns=("", *labels),
        rows=tuple((name, *(score(one.recall) for one in per_class)) for name, per_class in rows),
        foot=foot,
    )


def confusion_grid(title: str, confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> Grid:
    """Make the table of pairs by true class (rows) and predicted class (columns)."""
    rows = tuple((label, *map(str, counts)) for label, counts in zip(labels, confusion, strict=True))
    return Grid(name="confusion", title=title, columns=("true \\ predicted", *labels), rows=rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """An evaluation of the probabilities that a training predicted.

    Attributes:
        bins: accuracy of pairs with similar probabilities.
        answered: accuracy of the most confident pairs.
        majority: accuracy of always predicting the most frequent class.
        curves: precision and recall of each class.
        doubtful: pairs whose label is probably wrong. Each has a guid, a label, the predicted class, the probability of
            this class, and a text.
    """

    bins: tuple[CalibrationBin, ...]
    answered: tuple[AnsweredShare, ...]
    majority: float
    curves: tuple[PrecisionRecall, ...] = ()
    doubtful: tuple[tuple[str, str, str, float, str], ...] = ()


SHOWN_DOUBTFUL, SHOWN_LETTERS = 15, 90
CALIBRATION, ANSWERED, CURVES = "calibration", "answered", "precision-recall"
CURVE_INCHES = 3.0
MOST_CURVES = 12
"""Maximum number of classes with a curve. Only the most frequent classes get a curve; the table has all classes."""


def draw_calibration(bins: Sequence[CalibrationBin]) -> "Figure":
    """Draw the accuracy of each bin, with intervals, against its mean probability. Below, draw the numbers of pairs."""
    figure = new_figure(5.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 100), (0, 100), color=GREY, linestyle="--", linewidth=1.2, label="probability = accuracy")
    for one in bins:
        upper.plot([100 * one.confidence] * 2, [100 * end for end in one.interval], color=BLUE, linewidth=1.2)
    x, y = [100 * one.confidence for one in bins], [100 * one.accuracy for one in bins]
    upper.plot(x, y, color=BLUE, marker="o", markersize=5, linewidth=1.8, label="this model, with 95 % intervals")
    upper.set_ylabel("Accuracy, %")
    upper.set_ylim(0, 103)
    legend_above(upper, columns=1)
    centers = [50 * (one.low + one.high) for one in bins]
    lower.bar(centers, [one.pairs for one in bins], width=9, color=LIGHT, edgecolor=GREY)
    lower.set_ylabel("Pairs")
    lower.set_xlabel("Probability of the predicted class, %")
    lower.set_xlim(0, 102)
    for axes in (upper, lower):
        clean(axes)
    return figure


def draw_answered(rows: Sequence[AnsweredShare], majority: float) -> "Figure":
    """Draw the accuracy of the most confident pairs, with intervals, against their share of all pairs.

    A line shows the accuracy of always predicting the most frequent class.
    """
    figure = new_figure(3.4)
    axes = figure.subplots()
    shares = [100 * one.share for one in rows]
    low, high = ([100 * one.interval[end] for one in rows] for end in (0, 1))
    axes.fill_between(shares, low, high, color=LIGHT)
    look = {"color": BLUE, "marker": "o", "markersize": 5, "linewidth": 1.8}
    axes.plot(shares, [100 * one.accuracy for one in rows], label="accuracy, with 95 % interval", **look)
    label = f"most frequent class, {percent(majority)}"
    axes.axhline(100 * majority, color=GREY, linewidth=1.2, linestyle="--", label=label)
    axes.set_xlabel("Answered pairs, most confident first, %")
    axes.set_ylabel("Accuracy, %")
    axes.set_xlim(0, 102)
    clean(axes)
    legend_above(axes, columns=1)
    return figure


def draw_precision_recall(curves: Sequence[PrecisionRecall]) -> "Figure":
    """Draw precision against recall for the most frequent classes, with their names at the line ends."""
    frequent = sorted(curves, key=lambda one: -one.pairs)[:MOST_CURVES]
    figure = new_figure(CURVE_INCHES + 0.7)
    axes = figure.subplots()
    ends = []
    for place, one in enumerate(each for each in curves if each in frequent):
        style, last = look(place), max(1, len(one.recall) // 6)
        x, y = [100 * share for share in one.recall], [100 * share for share in one.precision]
        lines = {"linestyle": style.dashes, "marker": style.marker, "markersize": 4.5, "markevery": (place, last)}
        axes.plot(x, y, color=style.color, linewidth=1.7, **lines)
        ends.append(LineEnd(one.label, x[-1], y[-1], style))
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 103)
    axes.set_xlabel("Recall, %")
    axes.set_ylabel("Precision, %")
    clean(axes)
    name_line_ends(axes, ends, CURVE_INCHES)
    return figure


def curves_grid(curves: Sequence[PrecisionRecall]) -> Grid:
    """Make the table of each class's average precision and share of the pairs."""
    total = sum(one.pairs for one in curves)
    return Grid(
        name="average-precision",
        title="Average precision",
        columns=("Class", "Pairs", "Average precision", "By chance"),
        rows=tuple(
            (one.label, f"{one.pairs:,}", score(one.average_precision), score(one.pairs / total)) for one in curves
        ),
        foot="By chance: the share of the class, which a ranking at random reaches.",
    )


def confidence_pictures(figures: Figures) -> tuple[Picture, ...]:
    """Return those figures about confidence that exist, with their captions."""
    return (
        *picture(
            figures.get(CALIBRATION),
            "Accuracy over probability",
            "Accuracy of the pairs whose predicted class has about the probability below. On the dashed line the model "
            "is right as often as the probability; below the line its probabilities are too high.",
        ),
        *picture(
            figures.get(ANSWERED),
            "Accuracy over the share of answered pairs",
            "Accuracy if only the pairs with the highest probabilities are answered and the others are left to a "
            "person.",
        ),
        *picture(
            figures.get(CURVES),
            "Precision over recall of each class",
            "For each class, pairs are ranked by its probability. Recall is the share of its pairs that are found, "
            "precision the share of found pairs that are of the class.",
        ),
    )


def confidence_figures(confidence: Confidence) -> Drawn:
    """Draw all figures about confidence, by file name without suffix."""
    return {
        CALIBRATION: draw_calibration(confidence.bins),
        ANSWERED: draw_answered(confidence.answered, confidence.majority),
        **({CURVES: draw_precision_recall(confidence.curves)} if confidence.curves else {}),
    }


def doubtful_texts(confidence: Confidence | None) -> tuple[str, ...]:
    """Return the beginnings of the texts of pairs whose label is probably wrong. The page shows them."""
    found = confidence.doubtful[:SHOWN_DOUBTFUL] if confidence is not None else ()
    return tuple(text[:SHOWN_LETTERS] for *_, text in found)


def confidence_sections(confidence: Confidence, figures: Figures) -> list[Section]:
    """Make the sections about probabilities and about labels that are probably wrong."""
    shown = zip(confidence.doubtful, doubtful_texts(confidence), strict=False)
    rows = tuple((guid, label, predicted, percent(share), text) for (guid, label, predicted, share, _), text in shown)
    labels = Grid(
        name="labels-to-check",
        title="Labels to check: out-of-fold predictions that disagree with the label, the most confident first",
        columns=("Pair", "Label", "Predicted", "Probability", "Text"),
        rows=rows,
        foot="labels_to_check.csv has all of them. The label or the prediction may be wrong.",
        words=frozenset({0, 1, 2, 4}),
    )
    return [
        Section(title="Confidence", pictures=confidence_pictures(figures), grids=(curves_grid(confidence.curves),)),
        Section(title="Labels to check", grids=(labels,)),
    ]


NEVER = "the model never predicts "
OF_MODELS = {
    ONE_CLASS: ("{} gives nearly every pair the same class", "{} give nearly every pair the same class"),
    MAJORITY: tuple(
        f"{{}} {verb} not distinguishable from always predicting the most frequent class" for verb in ("is", "are")
    ),
    NEVER_ANSWERED: ("{} never predicts {classes}", "{} never predict {classes}"),
    IGNORES_TEXT: ("{} ignores the text", "{} ignore the text"),
    IGNORES_IMAGE: ("{} ignores the image", "{} ignore the image"),
}
"""For each kind of finding, a sentence about one model and a sentence about several models."""


def with_findings(answer: Answer, result: Any) -> Answer:
    """Show the findings of a result as warnings instead of notes.

    If a model has learned nothing, the first finding is at the end of the headline, and the warning is only its advice.
    """
    findings = findings_of(result)
    said = {str(finding) for finding in findings}
    is_in_headline = has_learned_nothing(findings)
    warnings = [finding.advice if is_in_headline and not place else finding for place, finding in enumerate(findings)]
    answer = replace(
        answer,
        warnings=(*(sentence(f"{warning}.") for warning in warnings), *_of_models(result)),
        notes=tuple(note for note in answer.notes if note not in said),
    )
    if not is_in_headline:
        return answer
    return replace(answer, headline=f"{answer.headline}, but {findings[0].message}", number="")


def _kinds(models: Iterable[ComparedArm | ComparedModel]) -> list[tuple[str, str]]:
    """Return the kinds of findings, each once. For NEVER_ANSWERED, the classes that are never predicted are added."""
    every = [finding for model in models for finding in model.findings]
    classes = [one.message.removeprefix(NEVER) if one.kind == NEVER_ANSWERED else "" for one in every]
    return list(dict.fromkeys(zip((one.kind for one in every), classes, strict=True)))


def findings_of(result: Any) -> tuple[Finding, ...]:
    """Return the findings on the model of a result. They are empty for a comparison, which has several models."""
    return findings_of(result.train) if isinstance(result, PaperResult) else getattr(result, "findings", ())


def _of_models(result: Any) -> Iterator[str]:
    """Make sentences about the findings on the models of a comparison.

    A sentence names all models that have the same finding.
    """
    comparison = result.fusions if isinstance(result, PaperResult) else result
    if isinstance(comparison, CompareResult):
        comparison = comparison.in_words()
        models, baseline = comparison.arms, comparison.baseline
        little = f", so differences to {baseline} mean little"
        compared = {arm.name for arm in models if not arm.is_reference}
    elif isinstance(comparison, ModelComparison):
        models, little, compared = comparison.models, "", set()
    else:
        return
    for kind, classes in sorted(_kinds(models), key=lambda found: list(OF_MODELS).index(found[0])):
        one, many = OF_MODELS[kind]
        found = [model.name for model in models if (kind, classes) in _kinds([model])]
        for names in filter(None, ([n for n in found if n in compared], [n for n in found if n not in compared])):
            words = (one if len(names) == 1 else many).format(listed(names), classes=classes)
            is_compared = kind == ONE_CLASS and not compared.isdisjoint(names)
            start = sentence(words) if names[0] in WORDS.values() else words
            yield f"{start}{little if is_compared else ''}."
