"""A comparison in words: what was asked, what was found, how sure that is, how it was measured."""

import math
from collections.abc import Iterator

from mmsent_cli.reports.facts import seeds_text
from mmsent_cli.reports.format import (
    NOT_DISTINGUISHABLE,
    in_pairs,
    listed,
    mean,
    percent,
    points,
    points_interval,
    probability,
    sentence,
    size,
)
from mmsent_cli.results import ComparedArm, CompareResult

AGAIN = "(again)"
"""Ends the name of an arm that is another one with other seeds."""
NOUNS = {"compare-fusions": "fusion layer", "augment-compare": "augmentation of the training images"}
QUESTIONS = {
    "compare-fusions": "Does another fusion layer than {baseline} classify text with image better?",
    "augment-compare": "Does augmenting the training images help?",
}


def question(result: CompareResult) -> str:
    """What the experiment asks."""
    return QUESTIONS.get(result.experiment, "Is any arm better than {baseline}?").format(baseline=result.baseline)


def headline(result: CompareResult) -> str:
    """The answer in one sentence."""
    tested = tested_arms(result)
    if not tested:
        return f"Nothing to compare: {result.baseline} is the only arm"
    decided = {word: [arm.name for arm in tested if arm.verdict == word] for word in ("better", "worse")}
    parts = [
        f"{listed(names)} {'are' if len(names) > 1 else 'is'} {word} than {result.baseline}"
        for word, names in decided.items()
        if names
    ]
    undecided = [arm.name for arm in tested if arm.verdict == NOT_DISTINGUISHABLE]
    if undecided and parts:
        parts.append(f"{_none_of(undecided, 'other ')} from it")
    elif undecided:
        parts.append(f"{_none_of(undecided)} from {result.baseline} on these pairs")
    return "; ".join(parts)


def findings_text(result: CompareResult) -> list[str]:
    """The figures behind the answer and their uncertainty, a paragraph each."""
    tested = tested_arms(result)
    paragraphs = [_decided(result, arm) for arm in tested if arm.verdict != NOT_DISTINGUISHABLE]
    undecided = [arm for arm in tested if arm.verdict == NOT_DISTINGUISHABLE]
    if undecided:
        paragraphs.append(_undecided(result, undecided, is_all=len(undecided) == len(tested)))
    return [*paragraphs, *_ranking(result), *_references(result), *_optimism(result)]


def methods_text(result: CompareResult) -> list[str]:
    """What was compared, on what, and what the figures can and cannot show."""
    setting, what = result.setting, NOUNS.get(result.experiment, "arm")
    again = [arm.name for arm in result.arms if arm.name.endswith(AGAIN)]
    control = (
        f" {listed(again)} is a control: trained anew with other seeds, so without a true difference." if again else ""
    )
    return [
        f"The arms differ in one thing, the {what}. All have the same encoders ({setting.encoders}), the same "
        f"{setting.train_pairs:,} training and {setting.val_pairs:,} validation pairs, the same batches, the same "
        f"budget of {setting.epochs} epochs and the same seeds of initialisation and dropout ({seeds_text(setting)}). "
        f"Text-only and image-only rows are references; they are shown and not tested.{control}",
        "Best epoch is the figure that the literature mostly quotes. It is optimistic, because the epoch is chosen on "
        "the pairs on which it is then measured. Nested selection mends that: the validation pairs are dealt into five "
        "parts, and each part is predicted by the epoch that is best on the other four. Differences, intervals and "
        "verdicts are those of nested selection.",
        "An interval adds up two sources of chance, which pairs happened to be held out and which seed a model got "
        "(Satterthwaite's degrees of freedom); with a single seed it covers the pairs alone. p is of no difference and "
        "Holm's adjustment keeps the chance of any false alarm among all rows below 5 %. "
        "What an arm could show is about the smallest true difference that this comparison would detect in four of "
        "five repetitions, at the strictest of Holm's levels.",
        "What this cannot show: how the arms compare on other data, on another split, or with settings tuned for each "
        "of them. Not distinguishable does not mean equal; it means that a difference, if there is one, is too small "
        "for this many pairs and seeds.",
    ]


def tested_arms(result: CompareResult) -> list[ComparedArm]:
    """Arms that were tested against the baseline."""
    return [arm for arm in result.arms if arm.difference is not None]


def detectable_range(arms: list[ComparedArm]) -> tuple[float, float] | None:
    """The smallest and the largest of the arms' smallest detectable differences."""
    known = [arm.detectable for arm in arms if arm.detectable is not None]
    return (min(known), max(known)) if known else None


def _none_of(names: list[str], which: str = "") -> str:
    if len(names) == 1:
        return f"{names[0]} is {NOT_DISTINGUISHABLE}"
    none = "none" if which else "None"  # alone, it begins the sentence
    return f"{none} of the {which}{len(names)} arms is {NOT_DISTINGUISHABLE.removeprefix('not ')}"


def _decided(result: CompareResult, arm: ComparedArm) -> str:
    difference, bounds = arm.difference or 0.0, arm.interval or (math.nan, math.nan)
    return (
        f"{sentence(arm.verdict or '')} than {result.baseline}: {arm.name}, by {size(difference)} "
        f"({in_pairs(difference, result.setting.val_pairs)}; 95 % interval of the difference "
        f"{points_interval(bounds)} points; Holm's p {probability(arm.p_adjusted)})."
    )


def _undecided(result: CompareResult, arms: list[ComparedArm], is_all: bool) -> str:
    low, high = min(arm.difference or 0.0 for arm in arms), max(arm.difference or 0.0 for arm in arms)
    amount = points(low) if len(arms) == 1 else f"{points(low)} to {points(high)}"
    noun = "The difference" if len(arms) == 1 else "The differences"
    whose = "" if is_all else f" of {listed([arm.name for arm in arms])}"
    verb = "is" if len(arms) == 1 else "are"
    return (
        f"{noun}{whose} to {result.baseline} {verb} {amount} points, which this comparison cannot tell from chance. "
        f"{_power(result, arms)}"
    )


def _power(result: CompareResult, arms: list[ComparedArm]) -> str:
    bounds = detectable_range(arms)
    if bounds is None:
        return ""
    low, high = bounds
    pairs = result.setting.val_pairs
    amount = f"{size(high)} ({in_pairs(high, pairs)})"
    if f"{low:.3f}" != f"{high:.3f}":
        amount = f"{size(low).removesuffix(' points')} to {amount}"
    shown = f"It would show a true difference of about {amount} in four of five repetitions"
    return f"{shown}; smaller ones can be there unseen."


def _ranking(result: CompareResult) -> Iterator[str]:
    arms = sorted((arm for arm in result.arms if not arm.is_reference), key=lambda arm: arm.accuracy_mean)
    if len(arms) > 2:
        yield (
            f"Nested accuracy runs from {percent(arms[0].accuracy_mean)} ({arms[0].name}) to "
            f"{percent(arms[-1].accuracy_mean)} ({arms[-1].name}). Only the differences to {result.baseline} were "
            "tested; the order of the other arms among themselves is no finding."
        )


def _references(result: CompareResult) -> Iterator[str]:
    rows = [f"{arm.name} {percent(arm.accuracy_mean)}" for arm in result.arms if arm.is_reference]
    majority = f"always answering the most frequent class {percent(result.setting.majority_accuracy)}"
    yield f"For scale, nested accuracy of the references: {listed([*rows, majority])}."


def _optimism(result: CompareResult) -> Iterator[str]:
    if result.arms:
        gain = mean([arm.best_accuracy_mean - arm.accuracy_mean for arm in result.arms])
        where = "above" if gain >= 0 else "below"
        yield (
            f"The best epochs' figures lie {size(gain)} {where} the nested ones on average: "
            "what choosing an epoch on the pairs that it is measured on does to it."
        )
