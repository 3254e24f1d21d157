"""A whole published work repeated: our figures beside the published ones, as a page and on a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmsent_cli.reports.ablation import text as ablate_words
from mmsent_cli.reports.ablation.sections import ablate_sections
from mmsent_cli.reports.blocks import Answer, Grid, Section, filled, picture
from mmsent_cli.reports.classes import class_grid
from mmsent_cli.reports.comparison import text as compare_words
from mmsent_cli.reports.comparison.sections import compare_sections
from mmsent_cli.reports.experiment import print_experiment
from mmsent_cli.reports.experiment_report import Groups, experiment_page
from mmsent_cli.reports.format import number_interval
from mmsent_cli.reports.paper import text as paper_words
from mmsent_cli.reports.paper.figures import beside_png
from mmsent_cli.reports.paper.published import PaperResults, Published, PublishedArm
from mmsent_cli.reports.paper.tables import (
    ablation_beside,
    comparison_beside,
    differences_beside,
    losses_beside,
    train_beside,
    tune_beside,
)
from mmsent_cli.reports.report import train_pictures
from mmsent_cli.reports.setting import setting_facts
from mmsent_cli.reports.tables import percent
from mmsent_cli.reports.tables import seconds as duration
from mmsent_cli.reports.tuning import text as tune_words
from mmsent_cli.reports.tuning.sections import tune_sections
from mmsent_cli.results import CompareResult, SharedSetup


def paper_report(
    results: PaperResults,
    published: Published,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    groups: Groups,
    command: str,
    seconds: float,
) -> str:
    """Write the report of all experiments as one self-contained HTML page.

    Args:
        results: ours.
        published: theirs.
        config: resolved configurations: sections of settings; may be empty.
        environment: versions, device and digests, in any nesting.
        groups: validation pairs to show, under their headings; empty groups are left out.
        command: what to type to repeat it.
        seconds: how long all of it took.
    """
    answer = _answer(results, published, seconds)
    return experiment_page(answer, paper_sections(results, published), config, environment, groups, command)


def print_paper(results: PaperResults, published: Published, run: str, files: Iterable[str], seconds: float) -> None:
    """Print all experiments beside the published figures on stdout.

    Args:
        results: ours.
        published: theirs.
        run: the run's folder.
        files: names of the files in it.
        seconds: how long all of it took.
    """
    beside = [
        replace(tune_beside(results, published), title="Tuning: best accuracies, %"),
        train_beside(results, published),
        ablation_beside(results, published),
        *_comparison_grids("Fusions", results.fusions, published.fusions),
        *_comparison_grids("Augmentation", results.augmentation, published.augmentation),
    ]
    print_experiment(_answer(results, published, seconds), [grid for grid in beside if grid.rows], run, files)


def paper_sections(results: PaperResults, published: Published) -> list[Section]:
    """The five experiments in the order in which the work ran them, then how all of it was measured."""
    compared = (
        ("4. Fusions", results.fusions, published.fusions),
        ("5. Augmentation", results.augmentation, published.augmentation),
    )
    methods = [
        *_named("Fusions and augmentation", compare_words.methods_text(results.fusions)),
        *_named("Ablation", ablate_words.methods_text(results.ablate)),
        *_named("Tuning", tune_words.methods_text(results.tune)),
    ]
    return filled(
        [
            _tune(results, published),
            _train(results, published),
            _ablate(results, published),
            *(_compare(title, result, rows) for title, result, rows in compared),
            Section(title="How it was measured, and what it cannot show", paragraphs=tuple(methods)),
        ]
    )


def _answer(results: PaperResults, published: Published, seconds: float) -> Answer:
    return Answer(
        question=paper_words.question(published),
        headline=paper_words.headline(results, published),
        paragraphs=tuple(paper_words.summary(results, published)),
        facts=(("Published", published.set_up), *setting_facts(_setting(results)), ("Time", duration(seconds))),
        notes=tuple(_notes(results)),
    )


def _setting(results: PaperResults) -> SharedSetup:
    """What the comparison of the fusions shares with the rest; the encoders ran in whichever step came first."""
    steps = (results.tune, results.fusions, results.augmentation)
    runs = {side: sum(step.setting.encoder_runs[side] for step in steps) for side in ("text", "image")}
    return replace(results.fusions.setting, encoder_runs=runs)


def _comparison_grids(name: str, result: CompareResult, published: tuple[PublishedArm, ...]) -> list[Grid]:
    grids = comparison_beside(result, published), differences_beside(result, published)
    return [replace(grid, title=f"{name}: {grid.title}") for grid in grids]


def _tune(results: PaperResults, published: Published) -> Section:
    title = f"1. Tuning: {tune_words.headline(results.tune)}"
    return _joined(
        title, tune_words.findings_text(results.tune), [tune_beside(results, published)], tune_sections(results.tune)
    )


def _train(results: PaperResults, published: Published) -> Section:
    result = results.train
    return Section(
        title=f"2. Training: {percent(result.best.accuracy)} *",
        paragraphs=(
            f"{result.encoders} with {result.fusion}: {percent(result.best.accuracy)} at epoch {result.best_epoch} "
            f"(95 % interval {number_interval(result.best.interval)} %), {percent(result.last.accuracy)} at the last "
            f"epoch, {result.epochs}. Always answering the most frequent class gives "
            f"{percent(result.majority_accuracy)}.",
        ),
        pictures=train_pictures(result),
        grids=(
            train_beside(results, published),
            class_grid(f"Classes, epoch {result.best_epoch} *", result.best.per_class),
        ),
    )


def _ablate(results: PaperResults, published: Published) -> Section:
    result = results.ablate
    title = f"3. Ablation: {ablate_words.headline(result)}"
    return _joined(
        title, ablate_words.findings_text(result), [ablation_beside(results, published)], ablate_sections(result)
    )


def _compare(title: str, result: CompareResult, published: tuple[PublishedArm, ...]) -> Section:
    beside = picture(
        beside_png(result, published),
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
        compare_sections(result),
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


def _notes(results: PaperResults) -> list[str]:
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


def _named(name: str, paragraphs: Sequence[str]) -> list[str]:
    """Paragraphs, the first of which begins with what they are about."""
    return [f"{name}. {paragraphs[0]}", *paragraphs[1:]]
