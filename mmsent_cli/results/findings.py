"""What is wrong with a model that has learned too little: found once, and shown wherever the model is."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ONE_CLASS, MAJORITY, NEVER_ANSWERED = "one class", "majority", "never answered"
IGNORES_TEXT, IGNORES_IMAGE = "ignores text", "ignores image"
"""Kinds of findings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason why a model's predictions are of little use.

    Attributes:
        kind: ONE_CLASS (nearly every pair gets the same class), MAJORITY (no better than always answering the most
            frequent class), NEVER_ANSWERED (a class is never predicted), IGNORES_TEXT or IGNORES_IMAGE (predictions do
            not depend on it).
        message: the finding with its numbers, one sentence without its end.
        advice: what to try next, one sentence without its end; empty where nothing is known.
    """

    kind: str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.message}; {self.advice}" if self.advice else self.message


def noted(findings: Iterable[Finding], notes: Iterable[str]) -> tuple[str, ...]:
    """Return the notes of a result with its findings first."""
    return (*map(str, findings), *notes)


def has_learned_nothing(findings: Iterable[Finding]) -> bool:
    """Return True if a model predicts the same class for nearly all pairs."""
    return any(finding.kind == ONE_CLASS for finding in findings)


def warn_of_findings(result: Any) -> None:
    """Give a warning of Python if a result's model predicts the same class for nearly all pairs."""
    findings = getattr(result, "findings", ())
    for finding in findings if has_learned_nothing(findings) else ():
        if finding.kind == ONE_CLASS:
            warnings.warn(str(finding), stacklevel=3)
