"""What a result found wrong with its models, put where a reader looks first: the headline and the lines below it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from mmsent_cli.reports.blocks import Answer
from mmsent_cli.reports.format import listed, sentence
from mmsent_cli.results import (
    IGNORES_IMAGE,
    IGNORES_TEXT,
    MAJORITY,
    NEVER_ANSWERED,
    ONE_CLASS,
    ComparedArm,
    ComparedModel,
    CompareResult,
    Finding,
    ModelComparison,
    PaperResult,
    has_learned_nothing,
)

NEVER = "the model never answers "
OF_MODELS = {
    ONE_CLASS: ("{} gives nearly every pair the same class", "{} give nearly every pair the same class"),
    MAJORITY: tuple(
        f"{{}} {verb} not distinguishable from always answering the most frequent class" for verb in ("is", "are")
    ),
    NEVER_ANSWERED: ("{} never answers {classes}", "{} never answer {classes}"),
    IGNORES_TEXT: ("{} ignores the text", "{} ignore the text"),
    IGNORES_IMAGE: ("{} ignores the image", "{} ignore the image"),
}
"""What is said of one model, and of several, by kind of finding."""


def with_findings(answer: Answer, result: Any) -> Answer:
    """Add the findings of a result to the head of its page: in the headline and as warnings, instead of notes."""
    findings = findings_of(result)
    said = {str(finding) for finding in findings}
    answer = replace(
        answer,
        warnings=(*(sentence(f"{finding}.") for finding in findings), *_of_models(result)),
        notes=tuple(note for note in answer.notes if note not in said),
    )
    if not findings:
        return answer
    number = "" if has_learned_nothing(findings) else answer.number
    return replace(answer, headline=f"{answer.headline}, but {findings[0].message}", number=number)


def _kinds(models: Iterable[ComparedArm | ComparedModel]) -> list[tuple[str, str]]:
    """Return each kind of finding once, with the classes that are never answered."""
    every = [finding for model in models for finding in model.findings]
    classes = [one.message.removeprefix(NEVER) if one.kind == NEVER_ANSWERED else "" for one in every]
    return list(dict.fromkeys(zip((one.kind for one in every), classes, strict=True)))


def findings_of(result: Any) -> tuple[Finding, ...]:
    """Return the findings on the one model that a result is about; none for a comparison."""
    return findings_of(result.train) if isinstance(result, PaperResult) else getattr(result, "findings", ())


def _of_models(result: Any) -> Iterator[str]:
    """A sentence for each kind of finding, with the compared models that it is about."""
    comparison = result.fusions if isinstance(result, PaperResult) else result
    if isinstance(comparison, CompareResult):
        models, baseline = comparison.arms, comparison.baseline
        little = f", so differences to {baseline} mean little"
        compared = {arm.name for arm in models if not arm.is_reference}
    elif isinstance(comparison, ModelComparison):
        models, little, compared = comparison.models, "", set()
    else:
        return
    for kind, classes in sorted(_kinds(models), key=lambda found: list(OF_MODELS).index(found[0])):
        one, many = OF_MODELS[kind]
        found = [model.name for model in models if (kind, classes) in _kinds([model])]
        for names in filter(None, ([n for n in found if n in compared], [n for n in found if n not in compared])):
            words = (one if len(names) == 1 else many).format(listed(names), classes=classes)
            is_compared = kind == ONE_CLASS and not compared.isdisjoint(names)
            yield sentence(f"{words}{little if is_compared else ''}.")
