"""Convert numbers to text in the same way for terminals and pages.

This module imports only the standard library and other modules of mmsent that do the same.

Shares from 0 to 1 are shown in per cent, and differences in percentage points, with one decimal.
"""

import math
from collections.abc import Mapping, Sequence

from mmsent_cli.errors import counted as counted
from mmsent_cli.results import NOT_DISTINGUISHABLE, Interval, SeedScores

DASH = "-"
SHOWN_VALUES = 4
LOSSES = (
    "Both losses are the cross-entropy of the main head. The training loss is averaged while the epoch runs, with "
    "dropout, so it can be the higher one."
)
"""An explanation of the difference between training and validation loss."""


def points(difference: float) -> str:
    """Return a difference in percentage points with its sign, such as `+1.2`. Zero gets a plus."""
    # Adding zero turns -0.0 into 0.0. Rounded to 9 decimals first, as in `number`: 100 * 0.0125 is not quite 1.25.
    return f"{round(round(100 * difference, 9), 1) + 0.0:+.1f}" if math.isfinite(difference) else DASH


def points_interval(bounds: Interval) -> str:
    """Return an interval of a difference, such as `-0.3 to +2.7`."""
    return f"{points(bounds[0])} to {points(bounds[1])}" if all(map(math.isfinite, bounds)) else DASH


def size(difference: float) -> str:
    """Return the absolute value of a difference, such as `1.2 points`."""
    return f"{number(abs(difference))} points" if math.isfinite(difference) else DASH


def number(share: float) -> str:
    """Return a share in per cent without the unit, such as `74.6`, for tables whose header has the unit."""
    return f"{round(100 * share, 9):.1f}" if math.isfinite(share) else DASH


def number_interval(bounds: Interval) -> str:
    """Return an interval of shares in per cent without the unit, such as `71.5 to 77.5`."""
    return f"{number(bounds[0])} to {number(bounds[1])}" if all(map(math.isfinite, bounds)) else DASH


def accuracy_spread(scores: SeedScores) -> str:
    """Return mean and standard deviation over seeds in per cent, such as `74.6 ± 0.5`; only the mean for one seed."""
    mean = number(scores.accuracy_mean)
    return f"{mean} ± {number(scores.accuracy_sd)}" if len(scores.accuracies) > 1 else mean


def macro_f1_spread(scores: SeedScores) -> str:
    """Return mean and standard deviation of macro-F1 over seeds, such as `0.652 ± 0.010`."""
    mean = score(scores.macro_f1_mean)
    return f"{mean} ± {score(scores.macro_f1_sd)}" if len(scores.macro_f1s) > 1 else mean


def score(value: float) -> str:
    """Return a loss or macro-F1 with three decimals."""
    return f"{value:.3f}" if math.isfinite(value) else DASH


def signed_score(difference: float) -> str:
    """Return a difference of losses or macro-F1 with its sign, such as `+0.012`."""
    return f"{round(difference, 3) + 0.0:+.3f}" if math.isfinite(difference) else DASH


def score_interval(bounds: Interval) -> str:
    """Return an interval of macro-F1, such as `0.612 to 0.688`."""
    return f"{score(bounds[0])} to {score(bounds[1])}" if all(map(math.isfinite, bounds)) else DASH


def signed_score_interval(bounds: Interval) -> str:
    """Return an interval of a difference of macro-F1, such as `-0.012 to +0.034`."""
    return f"{signed_score(bounds[0])} to {signed_score(bounds[1])}"


def calibration_text(error: float) -> str:
    """Return a sentence with the expected calibration error."""
    return (
        f"The probability of the predicted class differs from the accuracy by {score(error)} on average over "
        "15 bins of equal width (expected calibration error)."
    )


def probability(p: float | None) -> str:
    """Return a p value, such as `0.034` or `<0.001`; a dash without a value."""
    if p is None or not math.isfinite(p):
        return DASH
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def verdict_text(verdict: str | None, detectable: str) -> str:
    """Return the verdict. The verdict "not distinguishable" is followed by the smallest detectable difference."""
    if verdict == NOT_DISTINGUISHABLE:
        return f"{NOT_DISTINGUISHABLE}; detectable: {detectable} or more"
    return verdict or DASH


def adding_up(parts: Sequence[float]) -> list[float]:
    """Round shares to tenths of a per cent so that they add up to the rounded sum.

    The shares with the largest rounding errors are adjusted.
    """
    if not all(map(math.isfinite, parts)):
        return list(parts)
    tenths = [round(10 * float(number(part))) for part in parts]
    rest = round(10 * float(number(math.fsum(parts)))) - sum(tenths)
    step = 1 if rest > 0 else -1
    order = sorted(range(len(parts)), key=lambda place: step * (tenths[place] - 1000 * parts[place]))
    for place in order[: abs(rest)]:
        tenths[place] += step
    return [tenth / 1000 for tenth in tenths]


def mean(values: Sequence[float]) -> float:
    """Return the mean of values, one per seed; NaN if there are no values."""
    return math.fsum(values) / len(values) if values else math.nan


def several(values: Sequence[int]) -> str:
    """Return a few whole numbers as a list, such as `4, 7, 10`, or many numbers as a range, such as `3 to 10`."""
    if len(values) <= SHOWN_VALUES:
        return ", ".join(map(str, values)) or DASH
    return f"{min(values)} to {max(values)}"


def listed(names: Sequence[str], joint: str = "and") -> str:
    """Return names as a part of a sentence: `a, b and c`."""
    return f"{', '.join(names[:-1])} {joint} {names[-1]}" if len(names) > 1 else "".join(names)


def in_pairs(difference: float, pairs: int) -> str:
    """Return a difference of shares as a number of pairs, such as `9 of 800 pairs`."""
    return f"{round(abs(difference) * pairs)} of {pairs:,} pairs"


def settings_text(settings: Mapping[str, float | int | str]) -> str:
    """Return tuned settings in one line, such as `encoder_lr 5e-05, weight_decay 0.0003`."""
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in settings.items()
    )


def excludes_zero(bounds: Interval) -> bool:
    """Return True if an interval does not contain 0, so that the difference is significant."""
    return not bounds[0] <= 0 <= bounds[1]


def sentence(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def percent(share: float) -> str:
    """Return a share in per cent with one decimal, such as `74.6 %`; a dash for NaN."""
    return f"{number(share)} %" if math.isfinite(share) else DASH


def interval(bounds: Interval) -> str:
    """Return an interval of shares in per cent, such as `71.5 to 77.5 %`."""
    return f"{number_interval(bounds)} %"


def duration(seconds: float) -> str:
    """Return a duration in a suitable unit: `0.4 s`, `38 s`, `4 min 10 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def parameters(trainable: int, total: int) -> str:
    """Return the numbers of parameters, such as `1,234,567 of 37,000,000 trainable (3.3 %)`."""
    return f"{trainable:,} of {total:,} trainable ({percent(trainable / total if total else 0.0)})"


def majority_macro_f1(majority_accuracy: float, classes: int) -> float:
    """Return the macro-F1 of always predicting the most frequent class. The F1 of all other classes is 0."""
    return 2 * majority_accuracy / (1 + majority_accuracy) / classes
