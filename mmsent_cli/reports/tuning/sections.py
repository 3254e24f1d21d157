"""Tuning as parts of a page: the answer, then trials with the figure, methods."""

from mmsent_cli.reports.blocks import Answer, Figures, Section, filled, picture
from mmsent_cli.reports.facts import setup_facts
from mmsent_cli.reports.format import duration
from mmsent_cli.reports.tuning.figures import FEW_TRIALS, tune_png
from mmsent_cli.reports.tuning.tables import tune_grids
from mmsent_cli.reports.tuning.text import QUESTION, findings_text, headline, methods_text
from mmsent_cli.results import TuneResult


def tune_answer(result: TuneResult, seconds: float) -> Answer:
    """The head of the page; `seconds` is how long the experiment took."""
    return Answer(
        question=QUESTION,
        headline=headline(result),
        paragraphs=tuple(findings_text(result)),
        facts=(
            ("Strategy", result.strategy),
            ("Fusion", result.fusion),
            *setup_facts(result.setting),
            ("Time", duration(seconds)),
        ),
        notes=result.notes,
    )


def tune_figures(result: TuneResult) -> Figures:
    """Losses and best accuracies of all trials, where there are any."""
    return {"tuning.png": tune_png(result)} if result.trials else {}


def tune_sections(result: TuneResult, figures: Figures) -> list[Section]:
    """All parts below the head."""
    colours = "Bars have the colours of their lines" if len(result.trials) <= FEW_TRIALS else "Orange: the best trial"
    figure = picture(
        figures.get("tuning.png"),
        "Losses over the epochs and best accuracies of all trials",
        f"Losses over the epochs, and each trial's best accuracy with its 95 % interval. {colours}; dotted lines were "
        "pruned. The star marks the best trial.",
    )
    return filled(
        [
            Section(title="Trials", pictures=figure, grids=tuple(tune_grids(result))),
            Section(title="How it was measured, and what it cannot show", paragraphs=tuple(methods_text(result))),
        ]
    )
