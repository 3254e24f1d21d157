"""A comparison as parts of a page: the answer, then differences, accuracy and curves, classes, weights, methods."""

from mmsent_cli.reports.blocks import Answer, Figures, Picture, Section, filled, picture
from mmsent_cli.reports.comparison.figures import FEW_ARMS, arm_curves_png, differences_png, gates_png
from mmsent_cli.reports.comparison.tables import (
    accuracy_grid,
    difference_grid,
    gates_grid,
    macro_f1_grid,
    mcnemar_grid,
    recalls_grid,
)
from mmsent_cli.reports.comparison.text import findings_text, headline, methods_text, question
from mmsent_cli.reports.facts import setup_facts
from mmsent_cli.reports.format import duration
from mmsent_cli.results import CompareResult


def compare_answer(result: CompareResult, seconds: float) -> Answer:
    """The head of the page; `seconds` is how long the experiment took."""
    return Answer(
        question=question(result),
        headline=headline(result),
        paragraphs=tuple(findings_text(result)),
        facts=(*setup_facts(result.setting), ("Time", duration(seconds))),
        notes=result.notes,
    )


def compare_figures(result: CompareResult) -> Figures:
    """Curves of all arms, differences to the baseline, learned weights; those that have something to show."""
    drawn = {
        "curves.png": arm_curves_png(result) if result.arms else None,
        "differences.png": differences_png(result),
        "weights.png": gates_png(result),
    }
    return {name: png for name, png in drawn.items() if png is not None}


def compare_sections(result: CompareResult, figures: Figures) -> list[Section]:
    """All parts below the head, those without content left out."""
    sections = [
        Section(
            title="Differences",
            pictures=_differences(result, figures),
            grids=(difference_grid(result),),
            folded=(mcnemar_grid(result),),
        ),
        Section(
            title="Accuracy", pictures=_curves(result, figures), grids=(accuracy_grid(result), macro_f1_grid(result))
        ),
        Section(title="Classes", grids=(recalls_grid(result),)),
        Section(title="Learned weights", pictures=_gates(figures), grids=(gates_grid(result),)),
    ]
    methods = Section(title="How it was measured, and what it cannot show", paragraphs=tuple(methods_text(result)))
    return filled([*sections, methods])


def _differences(result: CompareResult, figures: Figures) -> tuple[Picture, ...]:
    return picture(
        figures.get("differences.png"),
        f"Differences of each arm to {result.baseline} with intervals",
        f"Accuracy by nested selection minus that of {result.baseline}, with 95 % intervals. Blue: better, orange: "
        "worse, grey: not distinguishable. A true difference inside the grey bar would be missed more often than once "
        "in five repetitions.",
    )


def _curves(result: CompareResult, figures: Figures) -> tuple[Picture, ...]:
    seeds = "thin lines single seeds" if len(result.arms) <= FEW_ARMS else "single seeds left out"
    mean = f"Mean over {len(result.setting.seeds)} seeds, {seeds}. " if len(result.setting.seeds) > 1 else ""
    return picture(
        figures.get("curves.png"),
        "Losses and accuracy of all arms over the epochs",
        f"{mean}Losses, and accuracy on the validation pairs, after each epoch.",
    )


def _gates(figures: Figures) -> tuple[Picture, ...]:
    return picture(
        figures.get("weights.png"),
        "Learned modality weights over the epochs",
        "Learned modality weights, mean over the validation pairs; thick lines are means over seeds.",
    )
