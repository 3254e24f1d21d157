"""The one-page reports of experiments; each is a page that a student can hand in."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmsent_cli.reports.ablation.sections import ablate_answer, ablate_sections
from mmsent_cli.reports.blocks import Answer, ReportExample, Section
from mmsent_cli.reports.comparison.sections import compare_answer, compare_sections
from mmsent_cli.reports.page import flat_rows, render_page, settings_rows
from mmsent_cli.reports.tuning.sections import tune_answer, tune_sections
from mmsent_cli.results import AblateResult, CompareResult, TuneResult

Groups = Sequence[tuple[str, Sequence[ReportExample]]]
"""Validation pairs under headings, such as those on which the arms disagree."""


def compare_report(
    result: CompareResult,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    groups: Groups,
    command: str,
    seconds: float,
) -> str:
    """Write the report of `compare-fusions` or `augment-compare` as one self-contained HTML page.

    Args:
        result: the comparison.
        config: its resolved configuration: sections of settings.
        environment: versions, device and digests, in any nesting.
        groups: validation pairs to show, under their headings; empty groups are left out.
        command: what to type to repeat it.
        seconds: how long it took.
    """
    return experiment_page(
        compare_answer(result, seconds), compare_sections(result), config, environment, groups, command
    )


def ablate_report(
    result: AblateResult,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    groups: Groups,
    command: str,
    seconds: float,
) -> str:
    """Write the report of `ablate` as one self-contained HTML page; arguments as in `compare_report`."""
    return experiment_page(
        ablate_answer(result, seconds), ablate_sections(result), config, environment, groups, command
    )


def tune_report(
    result: TuneResult,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    groups: Groups,
    command: str,
    seconds: float,
) -> str:
    """Write the report of `tune` as one self-contained HTML page; arguments as in `compare_report`."""
    return experiment_page(tune_answer(result, seconds), tune_sections(result), config, environment, groups, command)


def experiment_page(
    answer: Answer,
    sections: Sequence[Section],
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    groups: Groups,
    command: str,
) -> str:
    """The page of an experiment: its answer, its sections, and what all reports share."""
    return render_page(
        "experiment.html",
        answer=answer,
        sections=sections,
        groups=[(name, examples) for name, examples in groups if examples],
        settings=settings_rows(config),
        environment=flat_rows(environment),
        command=command,
    )
