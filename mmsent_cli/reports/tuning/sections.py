"""Tuning as parts of a page: the answer, then the trials with their figure."""

from mmsent_cli.reports.blocks import Answer, Figures, Section, picture
from mmsent_cli.reports.facts import setup_facts
from mmsent_cli.reports.format import duration
from mmsent_cli.reports.tuning.figures import LOSSES, MAX_COLORED_TRIALS, TUNING
from mmsent_cli.reports.tuning.tables import tune_grids
from mmsent_cli.reports.tuning.text import QUESTION, findings_text, headline
from mmsent_cli.results import TuneResult


def tune_answer(result: TuneResult, seconds: float) -> Answer:
    """Make the head of the page. `seconds` is the duration of the experiment."""
    return Answer(
        question=QUESTION,
        headline=headline(result),
        paragraphs=tuple(findings_text(result)),
        facts=(
            ("Strategy", result.strategy),
            ("Fusion", result.fusion),
            *setup_facts(result.setup),
            ("Time", duration(seconds)),
        ),
        notes=result.notes,
    )


def tune_sections(result: TuneResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    is_colored = len(result.trials) <= MAX_COLORED_TRIALS
    colors = "Bars have the colors of their losses" if is_colored else "Orange: the best trial"
    bars = picture(
        figures.get(TUNING),
        "Best accuracies of all trials",
        f"Each trial's best accuracy with its 95 % interval. {colors}. The star marks the best trial.",
    )
    losses = picture(
        figures.get(LOSSES),
        "Losses of all trials over the epochs",
        "Cross-entropy of the main head over the epochs. The thick line is the best trial.",
    )
    return [Section(title="Trials", pictures=(*bars, *losses), grids=tuple(tune_grids(result)))]
