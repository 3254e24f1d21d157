"""Checks of the classes: how many, how frequent, and whether they can be divided into training and validation."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmsent_cli.checks.reading import ReadPairs
from mmsent_cli.config import TrainConfig
from mmsent_cli.data.rows import require_classes
from mmsent_cli.data.split import Split, apply_split, describe
from mmsent_cli.data.tags import require_few_classes
from mmsent_cli.errors import DataError, MmsentError
from mmsent_cli.results import ERROR, OK, WARNING, CheckOutcome
from mmsent_cli.stats import accuracy_interval
from mmsent_cli.training.plan import divide

FEW_PAIRS = 50
"""Source: spaCy's `debug data`, which reports labels with fewer examples as rare."""
MOST_TO_LEAST = 10.0
WIDEST_INTERVAL = 0.1


def class_counts(data: ReadPairs) -> dict[str, int]:
    """Usable pairs of each class."""
    counts = Counter(pair.tag for pair in data.pairs)
    return {label: counts[label] for label in data.dataset.labels}


def class_outcomes(data: ReadPairs, splits: Sequence[Split] | MmsentError) -> Iterator[CheckOutcome]:
    """The outcomes of all checks of the classes. `splits` is what `try_split` returned."""
    counts = class_counts(data)
    yield _classes(data, counts)
    yield _rare(counts)
    yield _imbalance(counts)
    yield _split(data, splits)


def try_split(data: ReadPairs, config: TrainConfig) -> Sequence[Split] | MmsentError:
    """The split or the folds that training would use, or why there can be none."""
    try:
        splits = divide(data.dataset, config)
        for split in splits[:1]:
            apply_split(split, data.pairs)
    except MmsentError as error:
        return error
    return splits


def _classes(data: ReadPairs, counts: dict[str, int]) -> CheckOutcome:
    total = max(sum(counts.values()), 1)
    shares = ", ".join(f"{label} {count:,} ({100 * count / total:.1f} %)" for label, count in counts.items())
    advice = ""
    try:
        require_classes(data.dataset.labels)
        require_few_classes(data.dataset.labels, len(data.rows))
    except DataError as error:
        shares, advice = error.message, error.hint
    return CheckOutcome(
        check="classes",
        level=ERROR if advice else OK,
        message=shares,
        rule="error below 2 classes, and above 20 classes if that is more than half the number of pairs",
        advice=advice,
    )


def _rare(counts: dict[str, int]) -> CheckOutcome:
    rare = [f"{label} ({count:,})" for label, count in counts.items() if count < FEW_PAIRS]
    least = min(counts, key=lambda label: counts[label], default="")
    return CheckOutcome(
        check="class sizes",
        level=WARNING if rare else OK,
        message=f"few pairs of {', '.join(rare)}"
        if rare
        else f"the rarest class is {least}, {counts.get(least, 0):,} pairs",
        rule=f"warning below {FEW_PAIRS} pairs of a class",
        advice="add pairs of these classes, whose recall will vary much" if rare else "",
    )


def _imbalance(counts: dict[str, int]) -> CheckOutcome:
    numbers = [count for count in counts.values() if count]
    ratio = max(numbers) / min(numbers) if numbers else 1.0
    is_much = ratio > MOST_TO_LEAST
    return CheckOutcome(
        check="imbalance",
        level=WARNING if is_much else OK,
        message=f"the most frequent class has {ratio:.1f} times as many pairs as the rarest",
        rule=f"warning above {MOST_TO_LEAST:.0f} times",
        advice="read macro-F1 beside accuracy; try --class-weights sqrt" if is_much else "",
    )


def _split(data: ReadPairs, splits: Sequence[Split] | MmsentError) -> CheckOutcome:
    """Whether the pairs can be divided, the width of the interval on the validation pairs, and leaks."""
    widest = f"warning above ±{100 * WIDEST_INTERVAL:.0f} points"
    rule = f"error if the pairs cannot be divided; {widest}; warning if near-duplicates are divided"
    if isinstance(splits, MmsentError):
        return CheckOutcome(
            check="split", level=ERROR, message=splits.message, rule=rule, advice=_sentence_free(splits.hint)
        )
    first = splits[0]
    judged = len(data.pairs) if first.folds else len(first.val)
    low, high = accuracy_interval(judged // 2, judged)
    parts = f"{first.folds} folds" if first.folds else f"{len(first.train):,} training and {judged:,} validation pairs"
    known = set(first.train + first.val)
    leaks = describe(splits, [p for p in data.pairs if p.guid in known], data.dataset.labels, Path()).leaks
    is_wide = (high - low) / 2 > WIDEST_INTERVAL
    advice = ["add labelled pairs, or use --folds 5"] * is_wide
    advice += ["use --strategy grouped, which keeps near-duplicates together"] * bool(leaks)
    return CheckOutcome(
        check="split",
        level=WARNING if advice else OK,
        message=f"{parts}. The accuracy is known to ±{50 * (high - low):.1f} points. "
        f"{leaks:,} validation pairs have a near-duplicate in training",
        rule=rule,
        advice="; ".join(advice),
    )


def _sentence_free(hint: str) -> str:
    return hint.rstrip(".")
