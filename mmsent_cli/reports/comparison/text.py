"""Report a comparison: findings in words, and sections of the page."""

from collections.abc import Iterator, Sequence

from mmsent_cli.reports.blocks import Answer, Figures, Section, picture
from mmsent_cli.reports.comparison.figures import CURVES, DIFFERENCES, LEVELS, LOSSES, MAX_ARMS_WITH_SEEDS, WEIGHTS
from mmsent_cli.reports.comparison.tables import (
    accuracy_grid,
    difference_grid,
    gates_grid,
    macro_f1_difference_grid,
    macro_f1_grid,
    mcnemar_grid,
    recalls_grid,
    tested_arms,
)
from mmsent_cli.reports.facts import setup_facts
from mmsent_cli.reports.format import (
    duration,
    in_pairs,
    listed,
    mean,
    percent,
    points,
    points_interval,
    probability,
    sentence,
    signed_score,
    signed_score_interval,
    size,
)
from mmsent_cli.results import BETTER, NOT_DISTINGUISHABLE, WORSE, ComparedArm, CompareResult, Difference

QUESTIONS = {
    "compare-fusions": "Does another fusion layer than {baseline} classify text with image better?",
    "augment-compare": "Does augmenting the training images help?",
}
Tested = Sequence[tuple[ComparedArm, Difference]]


def question(result: CompareResult) -> str:
    """Return the question that the experiment answers, for the head of the page."""
    return QUESTIONS.get(result.experiment, "Is any arm better than {baseline}?").format(baseline=result.baseline)


def headline(result: CompareResult) -> str:
    """State which arms are better or worse than the baseline, in accuracy and in macro-F1."""
    result = result.in_words()
    if not tested_arms(result):
        return f"Nothing to compare: {result.baseline} is the only arm"
    by_accuracy, by_macro_f1 = _verdicts(result, "verdict"), _verdicts(result, "macro_f1_verdict")
    if by_accuracy == by_macro_f1:
        return f"In accuracy and in macro-F1, {by_accuracy}"
    return f"In accuracy, {by_accuracy}. In macro-F1, {by_macro_f1}"


def _verdicts(result: CompareResult, field: str) -> str:
    """Return the verdicts of one metric, as a part of a sentence."""
    tested = [arm for arm, _ in tested_arms(result)]
    words = (BETTER, WORSE, NOT_DISTINGUISHABLE)
    names = {word: [arm.name for arm in tested if getattr(arm, field) == word] for word in words}
    parts = [
        f"{listed(names[word])} {'are' if len(names[word]) > 1 else 'is'} {word} than {result.baseline}"
        for word in (BETTER, WORSE)
        if names[word]
    ]
    if names[NOT_DISTINGUISHABLE]:
        parts.append(_undecided_arms(names[NOT_DISTINGUISHABLE], result.baseline, is_first=not parts))
    return "; ".join(parts)


def findings_text(result: CompareResult) -> list[str]:
    """Return paragraphs with the numbers that support the headline, and their uncertainty."""
    result = result.in_words()
    tested = tested_arms(result)
    paragraphs = [_decided(result, arm, gap) for arm, gap in tested if arm.verdict != NOT_DISTINGUISHABLE]
    undecided = [(arm, gap) for arm, gap in tested if arm.verdict == NOT_DISTINGUISHABLE]
    if undecided:
        paragraphs.append(_undecided(result, undecided, is_all=len(undecided) == len(tested)))
    return [
        *paragraphs,
        *_by_macro_f1(result),
        *_ranking(result),
        _references(result),
        *_optimism(result),
        *_chosen(result),
    ]


def detectable_range(tested: Tested) -> tuple[float, float] | None:
    """Return the smallest and the largest detectable difference of all tested arms; None if there are no such arms."""
    values = [gap.detectable for _, gap in tested]
    return (min(values), max(values)) if values else None


def _undecided_arms(names: Sequence[str], baseline: str, is_first: bool) -> str:
    """Name the arms without a verdict. If `is_first`, the clause also names the baseline."""
    whom = baseline if is_first else "it"
    if len(names) == 1:
        return f"{names[0]} is {NOT_DISTINGUISHABLE} from {whom}"
    none = f"none of the {len(names)}" if is_first else f"none of the other {len(names)}"
    return f"{none} arms is {NOT_DISTINGUISHABLE.removeprefix('not ')} from {whom}"


def _decided(result: CompareResult, arm: ComparedArm, gap: Difference) -> str:
    return (
        f"{sentence(arm.verdict or '')} than {result.baseline}: {arm.name}, by {size(gap.difference)} "
        f"({in_pairs(gap.difference, result.setup.val_pairs)}; 95 % interval of the difference "
        f"{points_interval(gap.interval)} points; Holm's p {probability(arm.p_adjusted)})."
    )


def _by_macro_f1(result: CompareResult) -> Iterator[str]:
    """Name the arms that differ from the baseline in macro-F1."""
    decided = [arm for arm in result.arms if arm.macro_f1_verdict in (BETTER, WORSE)]
    rows = [
        f"{arm.name} by {signed_score(gap.difference)} (95 % interval {signed_score_interval(gap.interval)}; Holm's p "
        f"{probability(arm.macro_f1_p_adjusted)})"
        for arm in decided
        for gap in (arm.macro_f1_difference,)
        if gap is not None
    ]
    if rows:
        yield f"In macro-F1, different from {result.baseline}: {listed(rows)}."


def _undecided(result: CompareResult, tested: Tested, is_all: bool) -> str:
    gaps = [gap.difference for _, gap in tested]
    is_one = len(gaps) == 1
    amount = points(gaps[0]) if is_one else f"{points(min(gaps))} to {points(max(gaps))}"
    whose = "" if is_all else f" of {listed([arm.name for arm, _ in tested])}"
    return (
        f"The difference{'' if is_one else 's'}{whose} to {result.baseline} {'is' if is_one else 'are'} {amount} "
        f"points and may be due to chance. {_power(result, tested)}"
    )


def _power(result: CompareResult, tested: Tested) -> str:
    low, high = detectable_range(tested) or (0.0, 0.0)
    least, most = (f"{size(value)} ({in_pairs(value, result.setup.val_pairs)})" for value in (low, high))
    amount = least if least == most else f"{least} for the arm that is the most like {result.baseline}, up to {most},"
    return (
        f"This comparison detects a true difference of about {amount} in four of five repetitions; smaller ones may "
        "exist and go undetected."
    )


def _chosen(result: CompareResult) -> Iterator[str]:
    """Name the arm to train, and the reason."""
    if tested_arms(result):
        why = (
            f"none of the tested arms is better than {result.baseline} in accuracy"
            if result.chosen.name == result.baseline
            else f"of the arms that are better than {result.baseline}, it has the highest nested accuracy"
        )
        yield f"To train next: {result.chosen.name}, since {why}."


def _ranking(result: CompareResult) -> Iterator[str]:
    arms = sorted((arm for arm in result.arms if not arm.is_reference), key=lambda arm: arm.nested.accuracy_mean)
    if len(arms) > 2:
        yield (
            f"Nested accuracy runs from {percent(arms[0].nested.accuracy_mean)} ({arms[0].name}) to "
            f"{percent(arms[-1].nested.accuracy_mean)} ({arms[-1].name}). Only the differences to {result.baseline} "
            "were tested, so the order of the other arms is not a finding."
        )


def _references(result: CompareResult) -> str:
    rows = [f"{arm.name} {percent(arm.nested.accuracy_mean)}" for arm in result.arms if arm.is_reference]
    majority = f"always predicting the most frequent class {percent(result.setup.majority_accuracy)}"
    return f"For scale, nested accuracy of the references: {listed([*rows, majority])}."


def _optimism(result: CompareResult) -> Iterator[str]:
    if result.arms:
        gain = mean([arm.best.accuracy_mean - arm.nested.accuracy_mean for arm in result.arms])
        yield (
            f"On average, best-epoch accuracies are {size(gain)} {'above' if gain >= 0 else 'below'} the nested ones: "
            "the bias of choosing an epoch on the pairs that it is measured on."
        )


def compare_answer(result: CompareResult, seconds: float) -> Answer:
    """Make the answer at the top of the page. `seconds` is the duration of the experiment."""
    return Answer(
        question=question(result),
        headline=headline(result),
        paragraphs=tuple(findings_text(result)),
        facts=(*setup_facts(result.setup), ("Time", duration(seconds))),
        notes=result.notes,
    )


def compare_sections(result: CompareResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    baseline = result.in_words().baseline
    seeds = "thin lines are single seeds" if len(result.arms) <= MAX_ARMS_WITH_SEEDS else "single seeds are not shown"
    mean = f"Mean over {len(result.setup.seeds)} seeds; {seeds}. " if len(result.setup.seeds) > 1 else ""
    differences = picture(
        figures.get(DIFFERENCES),
        f"Differences of each arm to {baseline} with intervals",
        f"Accuracy by nested selection minus that of {baseline}, with 95 % intervals. Triangle up (blue): "
        "better, down (orange): worse, circle (grey): not distinguishable. Differences inside the grey band are "
        "too small for this comparison to show them reliably.",
    )
    levels = picture(
        figures.get(LEVELS),
        "Accuracy of each arm with its interval",
        f"Accuracy by nested selection with its 95 % interval, the highest first. Bold: {baseline}, grey: references.",
    )
    curves = picture(
        figures.get(CURVES),
        "Accuracy of all arms over the epochs",
        f"{mean}Accuracy on the validation pairs after each epoch.",
    )
    losses = picture(
        figures.get(LOSSES),
        "Losses of all arms over the epochs",
        f"{mean}Cross-entropy of the main head over the epochs.",
    )
    weights = picture(
        figures.get(WEIGHTS),
        "Learned modality weights over the epochs",
        "Learned modality weights, mean over the validation pairs; thick lines are means over seeds.",
    )
    return [
        Section(
            title="Differences",
            pictures=(*differences, *levels),
            grids=(difference_grid(result), macro_f1_difference_grid(result), macro_f1_grid(result)),
            folded=(mcnemar_grid(result),),
        ),
        Section(title="Accuracy", pictures=(*curves, *losses), grids=(accuracy_grid(result),)),
        Section(title="Classes", grids=(recalls_grid(result),)),
        Section(title="Learned weights", pictures=weights, grids=(gates_grid(result),)),
    ]
