"""A comparison as parts of a page: the answer, then differences, accuracy and curves, classes, weights."""

from mmsent_cli.reports.blocks import Answer, Figures, Section, picture
from mmsent_cli.reports.comparison.figures import CURVES, DIFFERENCES, LEVELS, LOSSES, MAX_ARMS_WITH_SEEDS, WEIGHTS
from mmsent_cli.reports.comparison.tables import (
    accuracy_grid,
    difference_grid,
    gates_grid,
    macro_f1_difference_grid,
    macro_f1_grid,
    mcnemar_grid,
    recalls_grid,
)
from mmsent_cli.reports.comparison.text import findings_text, headline, question
from mmsent_cli.reports.facts import setup_facts
from mmsent_cli.reports.format import duration
from mmsent_cli.results import CompareResult


def compare_answer(result: CompareResult, seconds: float) -> Answer:
    """Make the head of the page. `seconds` is the duration of the experiment."""
    return Answer(
        question=question(result),
        headline=headline(result),
        paragraphs=tuple(findings_text(result)),
        facts=(*setup_facts(result.setup), ("Time", duration(seconds))),
        notes=result.notes,
    )


def compare_sections(result: CompareResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    seeds = "thin lines are single seeds" if len(result.arms) <= MAX_ARMS_WITH_SEEDS else "single seeds are not shown"
    mean = f"Mean over {len(result.setup.seeds)} seeds; {seeds}. " if len(result.setup.seeds) > 1 else ""
    differences = picture(
        figures.get(DIFFERENCES),
        f"Differences of each arm to {result.baseline} with intervals",
        f"Accuracy by nested selection minus that of {result.baseline}, with 95 % intervals. Triangle up (blue): "
        "better, down (orange): worse, circle (grey): not distinguishable. A true difference inside the grey band "
        "would be missed in more than one of five repetitions.",
    )
    levels = picture(
        figures.get(LEVELS),
        "Accuracy of each arm with its interval",
        "Accuracy by nested selection with its 95 % interval, the highest first. Bold: "
        f"{result.baseline}, grey: references.",
    )
    curves = picture(
        figures.get(CURVES),
        "Accuracy of all arms over the epochs",
        f"{mean}Accuracy on the validation pairs after each epoch.",
    )
    losses = picture(
        figures.get(LOSSES),
        "Losses of all arms over the epochs",
        f"{mean}Cross-entropy of the main head over the epochs.",
    )
    weights = picture(
        figures.get(WEIGHTS),
        "Learned modality weights over the epochs",
        "Learned modality weights, mean over the validation pairs; thick lines are means over seeds.",
    )
    return [
        Section(
            title="Differences",
            pictures=(*differences, *levels),
            grids=(difference_grid(result), macro_f1_difference_grid(result), macro_f1_grid(result)),
            folded=(mcnemar_grid(result),),
        ),
        Section(title="Accuracy", pictures=(*curves, *losses), grids=(accuracy_grid(result),)),
        Section(title="Classes", grids=(recalls_grid(result),)),
        Section(title="Learned weights", pictures=weights, grids=(gates_grid(result),)),
    ]
