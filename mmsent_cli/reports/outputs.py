"""Make the files and the printed summary of a finished run.

The table `REPORTS` has the report for each type of result. Each figure is drawn only once, both for its file and for
the page.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmsent_cli.reports.ablation import ablate_answer, ablate_figures, ablate_grids, ablate_sections
from mmsent_cli.reports.blocks import Answer, Examples, Figures, Grid, Section, filled
from mmsent_cli.reports.checks import (
    check_answer,
    check_grids,
    check_sections,
    encoding_answer,
    encoding_grids,
    encoding_sections,
    snippets_grid,
)
from mmsent_cli.reports.comparison.figures import compare_figures
from mmsent_cli.reports.comparison.tables import compare_grids
from mmsent_cli.reports.comparison.text import compare_answer, compare_sections
from mmsent_cli.reports.confidence import (
    Confidence,
    confidence_figures,
    confidence_sections,
    doubtful_texts,
    with_findings,
)
from mmsent_cli.reports.evaluation.models import models_answer, models_figures, models_grids, models_sections
from mmsent_cli.reports.evaluation.sections import evaluate_answer, evaluate_figures, evaluate_sections
from mmsent_cli.reports.evaluation.tables import evaluate_grids
from mmsent_cli.reports.examples import AUGMENTED, AugmentedImage, augmented_sections, draw_augmented
from mmsent_cli.reports.explanation import explain_answer, explain_grids, explain_sections
from mmsent_cli.reports.folds import folds_answer, folds_figures, folds_grids, folds_sections
from mmsent_cli.reports.page import flat_rows, keep_options_whole, render_page, settings_rows
from mmsent_cli.reports.paper.page import paper_answer, paper_figures, paper_grids, paper_sections
from mmsent_cli.reports.plot_style import Drawn, as_image, missing_note
from mmsent_cli.reports.table_files import table_files
from mmsent_cli.reports.tables import cell, facts_table, out, print_grid, print_notes, print_paths
from mmsent_cli.reports.train import train_answer, train_figures, train_grids, train_sections
from mmsent_cli.reports.trained import formulas_of, model_sections
from mmsent_cli.reports.translate import translate_figure, translate_page, translated, translator
from mmsent_cli.reports.tuning import tune_answer, tune_figures, tune_grids, tune_sections
from mmsent_cli.results import (
    AblateResult,
    CheckResult,
    CompareResult,
    EncodingResult,
    EvaluateResult,
    ExplainResult,
    FoldsResult,
    ModelComparison,
    PaperResult,
    TrainResult,
    TuneResult,
)
from mmsent_cli.results.summary import Counts, labels_of

REPORT = "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The parts of one kind of report.

    Attributes:
        figures: a function that draws the figures of a result. The keys are file names without suffix.
        answer: makes the head of the page from a result and its duration in seconds.
        grids: makes the tables for a terminal from a result.
        sections: makes the sections of the page from a result and its figures.
    """

    figures: Callable[[Any], Drawn]
    answer: Callable[[Any, float], Answer]
    grids: Callable[[Any], list[Grid]]
    sections: Callable[[Any, Figures], list[Section]]


REPORTS = {
    TrainResult: Report(figures=train_figures, answer=train_answer, grids=train_grids, sections=train_sections),
    FoldsResult: Report(figures=folds_figures, answer=folds_answer, grids=folds_grids, sections=folds_sections),
    CompareResult: Report(
        figures=compare_figures, answer=compare_answer, grids=compare_grids, sections=compare_sections
    ),
    AblateResult: Report(figures=ablate_figures, answer=ablate_answer, grids=ablate_grids, sections=ablate_sections),
    TuneResult: Report(figures=tune_figures, answer=tune_answer, grids=tune_grids, sections=tune_sections),
    EvaluateResult: Report(
        figures=evaluate_figures, answer=evaluate_answer, grids=evaluate_grids, sections=evaluate_sections
    ),
    ModelComparison: Report(figures=models_figures, answer=models_answer, grids=models_grids, sections=models_sections),
    ExplainResult: Report(
        figures=lambda result: {}, answer=explain_answer, grids=explain_grids, sections=explain_sections
    ),
    CheckResult: Report(figures=lambda result: {}, answer=check_answer, grids=check_grids, sections=check_sections),
    EncodingResult: Report(
        figures=lambda result: {}, answer=encoding_answer, grids=encoding_grids, sections=encoding_sections
    ),
    PaperResult: Report(figures=paper_figures, answer=paper_answer, grids=paper_grids, sections=paper_sections),
}


METHODS = {
    CompareResult: "methods/comparison.html",
    AblateResult: "methods/ablation.html",
    TuneResult: "methods/tuning.html",
    ModelComparison: "methods/models.html",
}
"""Templates that explain how a result was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """The parts of a report that are not in its result.

    Attributes:
        config: the resolved configuration as in `config.json`, by section.
        environment: versions, device and digests, possibly nested.
        examples: labelled pairs to show. Empty groups are left out.
        command: the command that repeats the run.
        seconds: a function that returns the duration of the run. It is called once, when the figures are drawn.
        formats: additional file formats of the figures: pdf, svg.
        language: language of the page and the figures, `en` or `zh`.
        drawn: PNG figures that already exist: figures of explained pairs, or of the steps of a `PaperResult` (with keys
            such as `tune/tuning`). If it is None, the figures of the steps are drawn again.
        confidence: evaluation of the probabilities of a training.
        counts: number of pairs of each class, by part of the data.
        date: date of the run (year, month and day).
        augmented: training images with augmented versions.
    """

    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    examples: Examples
    command: str
    seconds: Callable[[], float]
    formats: Sequence[str] = ()
    language: str = "en"
    drawn: Figures | None = None
    confidence: Confidence | None = None
    counts: Counts = field(default_factory=dict)
    date: str = ""
    augmented: Sequence[AugmentedImage] = ()


def run_files(result: Any, parts: Particulars) -> dict[str, str | bytes]:
    """Return figures, tables and `report.html` (a single self-contained page) of a result, by file name.

    Args:
        result: a result of any type in `REPORTS`.
        parts: the parts of the page that are not in the result.
    """
    report = REPORTS[type(result)]
    own_texts = (*_untranslated(result), *formulas_of(result), *doubtful_texts(parts.confidence))
    translate = translator(parts.language, own_texts)
    drawn = dict(report.figures(result))
    if parts.augmented:
        drawn[AUGMENTED] = draw_augmented(parts.augmented)
    if parts.confidence is not None:
        drawn |= confidence_figures(parts.confidence)
    for figure in drawn.values() if parts.language != "en" else ():
        translate_figure(figure, translate)
    figures = images(drawn)
    shown = dict(figures)
    if parts.drawn is not None:
        shown |= parts.drawn
    elif isinstance(result, PaperResult):
        shown |= step_figures(result)
    answer = with_findings(report.answer(result, parts.seconds()), result)
    unread = missing_note(labels_of(result))
    sections = filled(
        [
            *model_sections(result, parts.config, {"date": parts.date, **parts.environment}, parts.counts),
            *report.sections(result, shown),
            *_further(parts, shown),
        ]
    )
    page = render_page(
        "page.html",
        answer=replace(answer, notes=(*answer.notes, unread)) if unread else answer,
        sections=sections,
        methods=methods_of(result),
        groups=[(name, pairs) for name, pairs in parts.examples.groups if pairs],
        picked=parts.examples.picked,
        settings=settings_rows(parts.config),
        environment=flat_rows(parts.environment),
        command=parts.command,
        has_scores=not isinstance(result, CheckResult | EncodingResult),
    )
    grids = [grid for part in sections for grid in (*part.grids, *part.folded)]
    return {
        **table_files(grids, report.grids(result), translate),
        **{f"{name}.png": png for name, png in figures.items()},
        **{f"{name}.{kind}": as_image(figure, kind) for kind in parts.formats for name, figure in drawn.items()},
        REPORT: keep_options_whole(page if parts.language == "en" else translate_page(page, parts.language, translate)),
    }


def _untranslated(result: Any) -> Sequence[str]:
    """Return names and texts from the data, which are not translated."""
    if isinstance(result, EncodingResult):
        return [text for row in snippets_grid(result).rows for text in row]
    return labels_of(result)


def _further(parts: Particulars, figures: Figures) -> list[Section]:
    """Make the sections about confidence and about augmented images. Their content is not in the result."""
    confidence = [] if parts.confidence is None else confidence_sections(parts.confidence, figures)
    return [*confidence, *augmented_sections(parts.augmented, figures)]


def images(drawn: Drawn) -> dict[str, bytes]:
    """Convert figures to PNG bytes, with the same names."""
    return {name: as_image(figure) for name, figure in drawn.items()}


def methods_of(result: Any) -> list[tuple[str, str, Any]]:
    """Return the sections on the methods of an experiment.

    Each has a heading, a template, and the result that is inserted into the template.
    """
    if isinstance(result, PaperResult):
        named = (
            ("Fusions and augmentation", result.fusions),
            ("Ablation", result.ablate),
            ("Tuning", result.tune),
        )
        return [(name, METHODS[type(step)], step) for name, step in named]
    return [("", METHODS[type(result)], result)] if type(result) in METHODS else []


def step_figures(result: PaperResult) -> dict[str, bytes]:
    """Draw the figures of each step of `paper`. The keys are names such as `tune/tuning`."""
    return {
        f"{name}/{file}": png
        for name, step in result.steps.items()
        for file, png in images(REPORTS[type(step)].figures(step)).items()
    }


def print_result(
    result: Any,
    *,
    folder: Path | str,
    files: Iterable[str],
    seconds: float,
    next_commands: Iterable[str] = (),
    language: str = "en",
) -> None:
    """Print a finished run on stdout. The answer is printed last.

    Args:
        result: a result of any type in `REPORTS`.
        folder: the run folder.
        files: the names of the files in the run folder.
        seconds: the duration in seconds.
        next_commands: commands to suggest.
        language: `en` or `zh`.
    """
    report, console = REPORTS[type(result)], out()
    translate = translator(language, _untranslated(result))
    answer = translated(with_findings(report.answer(result, seconds), result), translate)
    facts = {translate("Run"): str(folder), **dict(answer.facts)}
    console.print(facts_table(facts.items()))
    for grid in report.grids(result):
        print_grid(console, translated(grid, translate), translate("continued"))
    console.print(cell(f"\n{answer.headline}", "bold"))
    for warning in answer.warnings:
        console.print(cell(warning, "bold yellow"))
    for paragraph in answer.paragraphs:
        console.print(cell(paragraph))
    print_notes(console, answer.notes, translate("Notes"))
    print_paths(console, translate(f"Written to {folder}"), files)
    print_paths(console, translate("Next"), next_commands)
