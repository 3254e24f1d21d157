"""The findings of a tuning in words: the best settings, and whether they are really better."""

from collections.abc import Iterable, Iterator, Sequence

from mmsent_cli.reports.format import (
    counted,
    in_pairs,
    listed,
    percent,
    points,
    points_interval,
    probability,
    score,
    settings_text,
    signed_score,
    signed_score_interval,
    size,
)
from mmsent_cli.reports.tuning.tables import PRUNED, losses_apart
from mmsent_cli.results import TrialResult, TuneResult

QUESTION = "Which settings suit this model, and is the best of them really better?"


def trial_numbered(result: TuneResult, number: int) -> TrialResult:
    """Return the trial with this number."""
    return next(trial for trial in result.trials if trial.number == number)


def headline(result: TuneResult) -> str:
    """Return the answer in one sentence."""
    best = trial_numbered(result, result.best)
    chosen = f"{settings_text(best.settings)}, {percent(best.accuracy)} *"
    if len(result.ties) == len(_complete(result)) > 1:
        return f"All {len(result.ties)} trials tie; the one with the lowest validation loss: {chosen}"
    return f"Best of {counted(len(result.trials), 'trial')}: {chosen}"


def findings_text(result: TuneResult) -> list[str]:
    """Return paragraphs with the numbers behind the answer and their uncertainty."""
    return [*_ties(result), *_undecided(result), *_runner_up(result), *_range(result), _optimism(result)]


def _complete(result: TuneResult) -> list[TrialResult]:
    return [trial for trial in result.trials if trial.state != PRUNED]


def _ties(result: TuneResult) -> Iterator[str]:
    if not result.ties:
        return
    best = trial_numbered(result, result.best)
    number, loss = best.number + 1, losses_apart(result)[best.number]
    same = [other for other in result.ties if trial_numbered(result, other).val_loss == best.val_loss]
    lowest = f"At its best epoch, trial {number} has the lowest validation loss of them, {loss}."
    yield f"Trials {_numbers(result.ties)} tie at the top. {lowest}"
    if len(same) > 1:
        highest = f"Trial {number} has the highest macro-F1, {score(best.macro_f1)}."
        yield f"Trials {_numbers(same)} have this loss. {highest}"


def _numbers(trials: Iterable[int]) -> str:
    """Numbers of trials as readers count them, from 1."""
    return listed([str(number + 1) for number in trials])


def _undecided(result: TuneResult) -> Iterator[str]:
    others, undecided = len(_complete(result)) - 1, len(result.undecided)
    if undecided:
        which = f"none of the other {others} trials" if undecided == others > 1 else ""
        numbers = _numbers(result.undecided)
        yield (
            f"By accuracy and macro-F1, {which} can be told apart from trial {result.best + 1} on these pairs."
            if which
            else f"By accuracy and macro-F1, trial {result.best + 1} cannot be told apart on these pairs from trial "
            f"{numbers}."
        )


def _runner_up(result: TuneResult) -> Iterator[str]:
    if result.runner_up is None or result.difference is None:
        yield "A single trial was completed, so there is nothing to compare it with."
        return
    second, gap = trial_numbered(result, result.runner_up), result.difference
    verdict = f": {result.verdict}" if result.verdict else ""
    yield (
        f"Nested accuracy, best minus runner-up (trial {second.number + 1}: {settings_text(second.settings)}): "
        f"{points(gap.difference)} points ({in_pairs(gap.difference, result.setup.val_pairs)}), 95 % interval "
        f"{points_interval(gap.interval)}, p {probability(gap.p)}{verdict}. A true difference of "
        f"{size(gap.detectable)} would be detected in four of five repetitions.{_macro_f1(result)}"
    )


def _macro_f1(result: TuneResult) -> str:
    gap = result.macro_f1_difference
    if gap is None:
        return ""
    return (
        f" Macro-F1: {signed_score(gap.difference)}, 95 % interval {signed_score_interval(gap.interval)}, p "
        f"{probability(gap.p)}: {result.macro_f1_verdict}."
    )


def _range(result: TuneResult) -> Iterator[str]:
    complete = _complete(result)
    pruned = len(result.trials) - len(complete)
    low, high = (pick(complete, key=lambda trial: trial.accuracy) for pick in (min, max))
    if percent(low.accuracy) != percent(high.accuracy):
        yield (
            f"Best accuracies of the complete trials range from {percent(low.accuracy)} ({_named(complete, low)}) to "
            f"{percent(high.accuracy)} ({_named(complete, high)})."
        )
    if pruned:
        yield f"{counted(pruned, 'trial')} stopped early (pruned)."


def _named(trials: Sequence[TrialResult], one: TrialResult) -> str:
    """The trials that have the accuracy of this one."""
    same = [trial.number for trial in trials if trial.accuracy == one.accuracy]
    return f"trial{'s' if len(same) > 1 else ''} {_numbers(same)}"


def _optimism(result: TuneResult) -> str:
    majority = percent(result.setup.majority_accuracy)
    return (
        "* This accuracy is optimistic for two reasons: the epoch was chosen on the pairs it is measured on, and so "
        f"was the trial. Always answering the most frequent class gives {majority}."
    )
