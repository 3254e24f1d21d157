"""What the published rankings are worth, in words made from the values."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from mmsent_cli.reports.comparison.tables import tested_arms, verdict_text
from mmsent_cli.reports.comparison.text import detectable_range
from mmsent_cli.reports.format import (
    in_pairs,
    listed,
    mean,
    number_interval,
    percent,
    points,
    points_interval,
    size,
)
from mmsent_cli.reports.paper.tables import agreement
from mmsent_cli.results import NOT_DISTINGUISHABLE, AblationArm, CompareResult, PaperResult, Published, PublishedArm


def question(published: Published) -> str:
    """What the page asks."""
    return f"Which conclusions of {published.name} does this data support?"


def headline(results: PaperResult, published: Published) -> str:
    """The answer in one sentence."""
    rows = {**outcomes(results.fusions, published.fusions), **outcomes(results.augmentation, published.augmentation)}
    counts = Counter(rows.values())
    if not rows:
        return "No published difference was tested here"
    shown, against = counts["shown"], counts["contradicted"]
    return (
        f"Of {len(rows)} published differences, {shown or 'none'} can be shown here, {against or 'none'} "
        f"{'is' if against == 1 else 'are'} contradicted, {counts[NOT_DISTINGUISHABLE]} cannot be told from chance"
    )


def outcomes(result: CompareResult, published: Sequence[PublishedArm]) -> dict[str, str]:
    """For each tested arm with a published figure, whether our verdict bears out its difference to the baseline."""
    known = {row.name: row.accuracy for row in published}
    if result.baseline not in known:
        return {}
    base = known[result.baseline]
    return {
        arm.name: agreement(known[arm.name] - base, gap.difference, arm.verdict)
        for arm, gap in tested_arms(result)
        if arm.name in known
    }


def summary(results: PaperResult, published: Published) -> list[str]:
    """The head of the page: each experiment in a paragraph, then what the figures have in common."""
    return [
        *fusions_text(results, published),
        *augmentation_text(results, published),
        *tune_text(results, published),
        *ablation_text(results, published),
        *_level(results, published),
    ]


def fusions_text(results: PaperResult, published: Published) -> Iterator[str]:
    """The published ranking of the fusions against what this comparison could show."""
    ranked = sorted(published.fusions, key=lambda row: row.accuracy)
    bounds = detectable_range(tested_arms(results.fusions))
    if len(ranked) < 2:
        return
    steps = published_steps(published)
    pairs = published.val_pairs
    yield (
        f"Fusions. Published, they lie between {percent(ranked[0].accuracy)} ({ranked[0].name}) and "
        f"{percent(ranked[-1].accuracy)} ({ranked[-1].name}); neighbours in that ranking are "
        f"{round(min(steps) * pairs)} to {round(max(steps) * pairs)} of {pairs:,} pairs apart, one run each."
        + (_steps_text(steps, bounds[0], results) if bounds else "")
    )
    yield from _outcome_text(results.fusions, published.fusions)


def _steps_text(steps: Sequence[float], detectable: float, results: PaperResult) -> str:
    below = sum(step < detectable for step in steps)
    seeds = len(results.fusions.setup.seeds)
    return (
        f" The smallest difference that our comparison ({seeds} seed{'s' if seeds > 1 else ''}) would reliably show is "
        f"{size(detectable)}, {in_pairs(detectable, results.fusions.setup.val_pairs)}: {below} of the {len(steps)} "
        "steps of the published ranking are smaller than that, too small for a comparison of this size to rely on."
    )


def _outcome_text(result: CompareResult, published: Sequence[PublishedArm]) -> Iterator[str]:
    rows = outcomes(result, published)
    for outcome, words in (
        ("shown", f"Shown here as well: the difference to {result.baseline} of"),
        ("contradicted", f"Contradicted here: the difference to {result.baseline} of"),
        (NOT_DISTINGUISHABLE, f"Not distinguishable from {result.baseline} here:"),
    ):
        names = [name for name, what in rows.items() if what == outcome]
        if names:
            yield f"{words} {listed(names)}."


def augmentation_text(results: PaperResult, published: Published) -> Iterator[str]:
    """The published gain of augmentation against ours."""
    result = results.augmentation
    known = {row.name: row.accuracy for row in published.augmentation}
    for arm, ours in tested_arms(result):
        if {arm.name, result.baseline} <= known.keys():
            gap = known[arm.name] - known[result.baseline]
            yield (
                f"Augmentation. Published {points(gap)} points, {in_pairs(gap, published.val_pairs)}; here "
                f"{points(ours.difference)} (95 % interval {points_interval(ours.interval)}): "
                f"{verdict_text(arm, ours)}."
            )


def tune_text(results: PaperResult, published: Published) -> Iterator[str]:
    """The published choice of settings against ours, and what repeating a setting alone does."""
    known = sorted((step for step in published.tune if step.accuracy is not None), key=lambda step: step.accuracy or 0)
    if known:
        low, high = known[0], known[-1]
        gap = (high.accuracy or 0.0) - (low.accuracy or 0.0)
        yield (
            f"Tuning. Published best accuracies run from {percent(low.accuracy or 0.0)} ({low.name}) to "
            f"{percent(high.accuracy or 0.0)} ({high.name}), {in_pairs(gap, published.val_pairs)}. "
            f"{_our_choice(results)}"
        )
    yield from _repeated(published)


def _our_choice(results: PaperResult) -> str:
    gap = results.tune.difference
    if gap is None:
        return "Here a single trial was completed."
    return (
        f"Here the best trial lies {points(gap.difference)} points from the runner-up by nested selection (95 % "
        f"interval {points_interval(gap.interval)}): {results.tune.verdict}."
    )


def _repeated(published: Published) -> Iterator[str]:
    """What chance alone does in the published tables."""
    if len(set(published.repeated)) > 1:
        gap, steps = max(published.repeated) - min(published.repeated), published_steps(published)
        smaller = sum(step <= gap for step in steps)
        shares = listed([percent(share) for share in published.repeated])
        yield (
            f"The published tables give {shares} for one and the same setting: running it again made a difference of "
            f"{in_pairs(gap, published.val_pairs)}, and {smaller} of the {len(steps)} steps of the published ranking "
            "of fusions are no larger."
        )


def published_steps(published: Published) -> list[float]:
    """Differences between neighbours in the published ranking of fusions, each at least 0."""
    ranked = sorted(row.accuracy for row in published.fusions)
    return [high - low for low, high in pairwise(ranked)]


def ablation_text(results: PaperResult, published: Published) -> Iterator[str]:
    """The published order of the modalities against ours."""
    ours = {arm.inputs: arm for arm in results.ablate.arms if arm.method == "zero"}
    if not {"text", "image"} <= ours.keys() & published.ablation.keys():
        return
    text, image = ours["text"], ours["image"]
    gap = published.ablation["text"] - published.ablation["image"]
    yield (
        f"Ablation. Published, text alone {percent(published.ablation['text'])} and image alone "
        f"{percent(published.ablation['image'])}, {in_pairs(gap, published.val_pairs)} apart; here "
        f"{percent(text.accuracy)} ({number_interval(text.interval)} %) and {percent(image.accuracy)} "
        f"({number_interval(image.interval)} %): {_order(text, image, gap)}."
    )


def _order(text: AblationArm, image: AblationArm, published_gap: float) -> str:
    is_apart = text.interval[0] > image.interval[1] or image.interval[0] > text.interval[1]
    if not is_apart:
        return "the intervals overlap, so this alone does not decide which modality is worth more"
    if (text.accuracy - image.accuracy) * published_gap > 0:
        return "the same order, and the intervals do not overlap"
    return "the opposite order, and the intervals do not overlap; the encoders are others, so that contradicts nothing"


def _level(results: PaperResult, published: Published) -> Iterator[str]:
    arms = [arm for arm in results.fusions.arms if not arm.is_reference]
    gain = mean([arm.best.accuracy_mean - arm.nested.accuracy_mean for arm in arms])
    yield (
        f"All published figures are best epochs, chosen on the pairs that they are measured on; ours of that kind lie "
        f"{size(gain)} {'above' if gain >= 0 else 'below'} nested selection. The level of the accuracies is not to be "
        f"compared: {published.set_up} there, {results.fusions.setup.encoders} here, and another split."
    )
