"""A whole published work repeated: our figures beside the published ones, as a page and on a terminal."""

from collections.abc import Sequence
from dataclasses import replace

from mmsent_cli.reports.ablation import text as ablate_words
from mmsent_cli.reports.ablation.sections import ablate_sections
from mmsent_cli.reports.blocks import Answer, Figures, Grid, Section, filled, picture
from mmsent_cli.reports.class_grids import class_grid
from mmsent_cli.reports.comparison import text as compare_words
from mmsent_cli.reports.comparison.sections import compare_sections
from mmsent_cli.reports.facts import setup_facts
from mmsent_cli.reports.format import duration, number_interval, percent
from mmsent_cli.reports.paper import text as paper_words
from mmsent_cli.reports.paper.figures import beside_png
from mmsent_cli.reports.paper.tables import (
    ablation_beside,
    comparison_beside,
    differences_beside,
    losses_beside,
    train_beside,
    tune_beside,
)
from mmsent_cli.reports.train import train_pictures
from mmsent_cli.reports.tuning import text as tune_words
from mmsent_cli.reports.tuning.sections import tune_sections
from mmsent_cli.results import CompareResult, PaperResult, Published, PublishedArm, SharedSetup


def paper_figures(result: PaperResult) -> Figures:
    """Published accuracies beside ours, one figure a comparison."""
    return {f"{name}.png": beside_png(ours, rows) for name, _, ours, rows in _comparisons(result)}


def paper_grids(result: PaperResult) -> list[Grid]:
    """What a terminal shows: our scores beside the published ones, a table or two an experiment."""
    published = result.published
    beside = [
        replace(tune_beside(result, published), title="Tuning: best accuracies, %"),
        train_beside(result, published),
        ablation_beside(result, published),
        *(
            replace(grid, title=f"{name.capitalize()}: {grid.title}")
            for name, _, ours, rows in _comparisons(result)
            for grid in (comparison_beside(ours, rows), differences_beside(ours, rows))
        ),
    ]
    return [grid for grid in beside if grid.rows]


def paper_sections(results: PaperResult, figures: Figures) -> list[Section]:
    """The five experiments in the order in which the work ran them, then how all of it was measured.

    Args:
        results: ours and theirs.
        figures: its own, and those of its steps under names such as `tune/tuning.png`.
    """
    published = results.published
    return filled(
        [
            _tune(results, published, _figures_of("tune", figures)),
            _train(results, published, _figures_of("train", figures)),
            _ablate(results, published, _figures_of("ablate", figures)),
            *(
                _compare(title, ours, rows, figures.get(f"{name}.png"), _figures_of(name, figures))
                for name, title, ours, rows in _comparisons(results)
            ),
        ]
    )


def paper_answer(results: PaperResult, seconds: float) -> Answer:
    """The head of the page; `seconds` is how long all experiments took."""
    published = results.published
    return Answer(
        question=paper_words.question(published),
        headline=paper_words.headline(results, published),
        paragraphs=tuple(paper_words.summary(results, published)),
        facts=(("Published", published.set_up), *setup_facts(_setup(results)), ("Time", duration(seconds))),
        notes=tuple(_notes(results)),
    )


def _setup(results: PaperResult) -> SharedSetup:
    """What the comparison of the fusions shares with the rest; the encoders ran in whichever step came first."""
    steps = (results.tune, results.fusions, results.augmentation)
    runs = {side: sum(step.setup.encoder_runs[side] for step in steps) for side in ("text", "image")}
    return replace(results.fusions.setup, encoder_runs=runs)


def _comparisons(results: PaperResult) -> list[tuple[str, str, CompareResult, tuple[PublishedArm, ...]]]:
    """Both comparisons: name of the step, title, our result, published rows."""
    published = results.published
    return [
        ("fusions", "4. Fusions", results.fusions, published.fusions),
        ("augmentation", "5. Augmentation", results.augmentation, published.augmentation),
    ]


def _figures_of(step: str, figures: Figures) -> Figures:
    """The figures of one step by their names in its own run."""
    return {name.removeprefix(f"{step}/"): png for name, png in figures.items() if name.startswith(f"{step}/")}


def _tune(results: PaperResult, published: Published, figures: Figures) -> Section:
    title = f"1. Tuning: {tune_words.headline(results.tune)}"
    return _joined(
        title,
        tune_words.findings_text(results.tune),
        [tune_beside(results, published)],
        tune_sections(results.tune, figures),
    )


def _train(results: PaperResult, published: Published, figures: Figures) -> Section:
    result = results.train
    return Section(
        title=f"2. Training: {percent(result.best.accuracy)} *",
        paragraphs=(
            f"{result.encoders} with {result.fusion}: {percent(result.best.accuracy)} at epoch {result.best_epoch} "
            f"(95 % interval {number_interval(result.best.interval)} %), {percent(result.last.accuracy)} at the last "
            f"epoch, {result.epochs}. Always answering the most frequent class gives "
            f"{percent(result.majority_accuracy)}.",
        ),
        pictures=train_pictures(result, figures),
        grids=(
            train_beside(results, published),
            class_grid(f"Classes, epoch {result.best_epoch} *", result.best.per_class),
        ),
    )


def _ablate(results: PaperResult, published: Published, figures: Figures) -> Section:
    result = results.ablate
    title = f"3. Ablation: {ablate_words.headline(result)}"
    return _joined(
        title,
        ablate_words.findings_text(result),
        [ablation_beside(results, published)],
        ablate_sections(result, figures),
    )


def _compare(
    title: str, result: CompareResult, published: tuple[PublishedArm, ...], own: bytes | None, figures: Figures
) -> Section:
    beside = picture(
        own,
        "Published and own accuracies",
        "Orange: published best epochs, one run each. Grey: our best epochs, blue: nested selection with its 95 % "
        "interval, mean over seeds.",
    )
    grids = [
        comparison_beside(result, published),
        differences_beside(result, published),
        losses_beside(result, published),
    ]
    section = _joined(
        f"{title}: {compare_words.headline(result)}",
        compare_words.findings_text(result),
        grids,
        compare_sections(result, figures),
    )
    return replace(section, pictures=(*beside, *section.pictures))


def _joined(title: str, paragraphs: Sequence[str], grids: Sequence[Grid], parts: Sequence[Section]) -> Section:
    """One section of an experiment's own, without its methods, the published figures first."""
    shown = [part for part in parts if not part.paragraphs]
    return Section(
        title=title,
        paragraphs=tuple(paragraphs),
        pictures=tuple(one for part in shown for one in part.pictures),
        grids=(*grids, *(grid for part in shown for grid in part.grids)),
        folded=tuple(grid for part in shown for grid in part.folded),
    )


def _notes(results: PaperResult) -> list[str]:
    """Remarks of all experiments, each once, and with its name where only one has it."""
    parts = {
        "Tuning": results.tune,
        "Training": results.train,
        "Ablation": results.ablate,
        "Fusions": results.fusions,
        "Augmentation": results.augmentation,
    }
    said: dict[str, list[str]] = {}
    for name, result in parts.items():
        for note in result.notes:
            said.setdefault(note, []).append(name)
    return [f"{names[0]}: {note}" if len(names) == 1 else note for note, names in said.items()]
