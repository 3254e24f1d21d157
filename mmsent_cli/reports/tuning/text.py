"""The findings of a tuning in words: the best settings, and whether they are really better."""

from collections.abc import Iterator

from mmsent_cli.reports.format import (
    counted,
    in_pairs,
    percent,
    points,
    points_interval,
    probability,
    settings_text,
    size,
)
from mmsent_cli.reports.tuning.tables import PRUNED
from mmsent_cli.results import TrialResult, TuneResult

QUESTION = "Which settings suit this model, and is the best of them really better?"


def trial_numbered(result: TuneResult, number: int) -> TrialResult:
    """The trial of that number."""
    return next(trial for trial in result.trials if trial.number == number)


def headline(result: TuneResult) -> str:
    """Return the answer in one sentence."""
    best = trial_numbered(result, result.best)
    return f"Best of {counted(len(result.trials), 'trial')}: {settings_text(best.settings)}, {percent(best.accuracy)} *"


def findings_text(result: TuneResult) -> list[str]:
    """Return paragraphs with the numbers behind the answer and their uncertainty."""
    return [*_runner_up(result), *_range(result), _optimism(result)]


def _runner_up(result: TuneResult) -> Iterator[str]:
    if result.runner_up is None or result.difference is None:
        yield "A single trial was completed, so there is nothing to compare it with."
        return
    second, gap = trial_numbered(result, result.runner_up), result.difference
    verdict = f": {result.verdict}" if result.verdict else ""
    yield (
        f"Nested accuracy, best minus runner-up (trial {second.number}: {settings_text(second.settings)}): "
        f"{points(gap.difference)} points ({in_pairs(gap.difference, result.setup.val_pairs)}), 95 % interval "
        f"{points_interval(gap.interval)}, p {probability(gap.p)}{verdict}. A true difference of "
        f"{size(gap.detectable)} would be detected in four of five repetitions."
    )


def _range(result: TuneResult) -> Iterator[str]:
    complete = [trial for trial in result.trials if trial.state != PRUNED]
    pruned = len(result.trials) - len(complete)
    if len(complete) > 1:
        low, high = (pick(complete, key=lambda trial: trial.accuracy) for pick in (min, max))
        yield (
            f"Best accuracies of the complete trials range from {percent(low.accuracy)} (trial {low.number}) to "
            f"{percent(high.accuracy)} (trial {high.number})."
        )
    if pruned:
        yield f"{counted(pruned, 'trial')} stopped early (pruned)."


def _optimism(result: TuneResult) -> str:
    majority = percent(result.setup.majority_accuracy)
    return (
        "* This accuracy is optimistic for two reasons: the epoch was chosen on the pairs it is measured on, and so "
        f"was the trial. Always answering the most frequent class gives {majority}."
    )
