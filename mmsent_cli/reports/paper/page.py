"""A published work repeated: its scores next to ours, as a page and on a terminal."""

from collections.abc import Sequence
from dataclasses import replace

from mmsent_cli.reports.ablation import text as ablation_text
from mmsent_cli.reports.ablation.sections import ablate_sections
from mmsent_cli.reports.blocks import Answer, Figures, Grid, Section, picture
from mmsent_cli.reports.class_grids import class_grid
from mmsent_cli.reports.comparison import text as comparison_text
from mmsent_cli.reports.comparison.sections import compare_sections
from mmsent_cli.reports.facts import setup_facts
from mmsent_cli.reports.format import duration, percent
from mmsent_cli.reports.paper.beside import (
    ablation_beside,
    comparison_beside,
    differences_beside,
    draw_beside,
    losses_beside,
    train_beside,
    tune_beside,
)
from mmsent_cli.reports.paper.text import headline, question, summary
from mmsent_cli.reports.plot_style import Drawn
from mmsent_cli.reports.train import train_answer, train_pictures
from mmsent_cli.reports.tuning import text as tuning_text
from mmsent_cli.reports.tuning.sections import tune_sections
from mmsent_cli.results import CompareResult, PaperResult, PublishedArm, SharedSetup


def paper_figures(result: PaperResult) -> Drawn:
    """Draw published accuracies next to ours, one figure per comparison."""
    return {name: draw_beside(ours, rows) for name, ours, rows in _comparisons(result)}


def paper_answer(result: PaperResult, seconds: float) -> Answer:
    """Return the head of the page; `seconds` is how long all experiments took."""
    published = result.published
    return Answer(
        question=question(published),
        headline=headline(result),
        paragraphs=tuple(summary(result)),
        facts=(
            ("Source", published.source),
            ("Published", published.set_up),
            *setup_facts(_setup(result)),
            ("Time", duration(seconds)),
        ),
        notes=tuple(_notes(result)),
    )


def paper_grids(result: PaperResult) -> list[Grid]:
    """Return what a terminal shows: our scores next to the published ones, one or two tables per experiment."""
    grids = [
        replace(tune_beside(result), title="Tuning: best accuracies, %"),
        train_beside(result),
        ablation_beside(result),
        *(
            replace(grid, title=f"{name.capitalize()}: {grid.title}")
            for name, ours, rows in _comparisons(result)
            for grid in (comparison_beside(ours, rows), differences_beside(ours, rows))
        ),
    ]
    return [grid for grid in grids if grid.rows]


def paper_sections(result: PaperResult, figures: Figures) -> list[Section]:
    """Return the five experiments in the order in which the work ran them.

    Args:
        result: ours and theirs.
        figures: figures of the page and of its steps, the latter under names such as `tune/tuning`.
    """
    steps = {
        name: {file.removeprefix(f"{name}/"): png for file, png in figures.items() if file.startswith(f"{name}/")}
        for name in result.steps
    }
    sections = [
        _joined(
            f"1. Tuning: {tuning_text.headline(result.tune)}",
            tuning_text.findings_text(result.tune),
            [tune_beside(result)],
            tune_sections(result.tune, steps["tune"]),
        ),
        _train(result, steps["train"]),
        _joined(
            f"3. Ablation: {ablation_text.headline(result.ablate)}",
            ablation_text.findings_text(result.ablate),
            [ablation_beside(result)],
            ablate_sections(result.ablate, steps["ablate"]),
        ),
    ]
    for number, (name, ours, rows) in enumerate(_comparisons(result), start=4):
        section = _joined(
            f"{number}. {name.capitalize()}: {comparison_text.headline(ours)}",
            comparison_text.findings_text(ours),
            [comparison_beside(ours, rows), differences_beside(ours, rows), losses_beside(ours, rows)],
            compare_sections(ours, steps[name]),
        )
        beside = picture(
            figures.get(name),
            "Published and own accuracies",
            "Orange: published best epochs, one run each. Grey: our best epochs, blue: nested selection with its 95 % "
            "interval, mean over seeds.",
        )
        sections.append(replace(section, pictures=(*beside, *section.pictures)))
    return sections


def _train(result: PaperResult, figures: Figures) -> Section:
    trained = result.train
    classes = class_grid(f"Classes, epoch {trained.best_epoch} *", trained.best.per_class)
    model = f"Encoders {trained.encoders}, fusion {trained.fusion}."
    return Section(
        title=f"2. Training: {percent(trained.best.accuracy)} *",
        paragraphs=(model, *train_answer(trained, trained.seconds).paragraphs),
        pictures=train_pictures(trained, figures),
        grids=(train_beside(result), classes),
    )


def _joined(title: str, paragraphs: Sequence[str], grids: Sequence[Grid], parts: Sequence[Section]) -> Section:
    """An experiment's sections as one, the tables with the published scores first."""
    return Section(
        title=title,
        paragraphs=tuple(paragraphs),
        pictures=tuple(one for part in parts for one in part.pictures),
        grids=(*grids, *(grid for part in parts for grid in part.grids)),
        folded=tuple(grid for part in parts for grid in part.folded),
    )


def _comparisons(result: PaperResult) -> list[tuple[str, CompareResult, tuple[PublishedArm, ...]]]:
    """Both comparisons: name of the step, our result, published rows."""
    published = result.published
    return [
        ("fusions", result.fusions, published.fusions),
        ("augmentation", result.augmentation, published.augmentation),
    ]


def _setup(result: PaperResult) -> SharedSetup:
    """The set-up of the comparison of fusions, with the encoder passes of all steps: the first step fills the cache."""
    steps = (result.tune, result.fusions, result.augmentation)
    runs = {name: sum(step.setup.encoder_runs[name] for step in steps) for name in ("text", "image")}
    return replace(result.fusions.setup, encoder_runs=runs)


def _notes(result: PaperResult) -> list[str]:
    """Notes of all experiments, each once, and with its experiment's name where only one has it."""
    named = {"tune": "Tuning", "train": "Training", "ablate": "Ablation"}
    owners: dict[str, list[str]] = {}
    for name, step in result.steps.items():
        for note in step.notes:
            owners.setdefault(note, []).append(named.get(name, name.capitalize()))
    return [f"{names[0]}: {note}" if len(names) == 1 else note for note, names in owners.items()]
