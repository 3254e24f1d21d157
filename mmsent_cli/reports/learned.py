"""What a result found wrong with its models, put where a reader looks first: the headline and the lines below it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mmsent_cli.reports.blocks import Answer
from mmsent_cli.reports.format import listed, sentence
from mmsent_cli.results import (
    MAJORITY,
    ONE_CLASS,
    CompareResult,
    Finding,
    PaperResult,
    has_learned_nothing,
)

OF_ARMS = {
    ONE_CLASS: "{} give{} nearly every pair the same class, so differences to {} mean little",
    MAJORITY: "{} {} not distinguishable from always answering the most frequent class",
}


def with_findings(answer: Answer, result: Any) -> Answer:
    """The head of a page with the findings of its result: in the headline, as warnings, and no longer as notes."""
    findings = findings_of(result)
    said = {str(finding) for finding in findings}
    answer = replace(
        answer,
        warnings=(*(sentence(f"{finding}.") for finding in findings), *_of_arms(result)),
        notes=tuple(note for note in answer.notes if note not in said),
    )
    if not findings:
        return answer
    number = "" if has_learned_nothing(findings) else answer.number
    return replace(answer, headline=f"{answer.headline}, but {findings[0].message}", number=number)


def findings_of(result: Any) -> tuple[Finding, ...]:
    """The findings on the one model that a result is about; none for a comparison."""
    return findings_of(result.train) if isinstance(result, PaperResult) else getattr(result, "findings", ())


def _of_arms(result: Any) -> Iterator[str]:
    """A sentence for each kind of finding, with the arms of a comparison that it is about."""
    comparison = result.fusions if isinstance(result, PaperResult) else result
    if not isinstance(comparison, CompareResult):
        return
    for kind, words in OF_ARMS.items():
        names = [arm.name for arm in comparison.arms if any(finding.kind == kind for finding in arm.findings)]
        is_one = len(names) == 1
        verb = ("s" if is_one else "") if kind == ONE_CLASS else "is" if is_one else "are"
        if names:
            yield sentence(f"{words.format(listed(names), verb, comparison.baseline)}.")
