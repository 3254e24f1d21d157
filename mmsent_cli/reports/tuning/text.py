"""Tuning in words: which settings, whether they are really better, how they were found."""

from collections.abc import Iterator

from mmsent_cli.reports.facts import seeds_text
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
STRATEGIES = {
    "sequence": "learning rates at a fixed weight decay, then weight decays at the best rate, as source system A did",
    "grid": "every combination of the given values",
    "tpe": "each trial proposed from those before it by a tree-structured Parzen estimator",
}


def best_trial(result: TuneResult) -> TrialResult:
    """The chosen trial."""
    return trial_numbered(result, result.best)


def trial_numbered(result: TuneResult, number: int) -> TrialResult:
    """The trial of that number."""
    return next(trial for trial in result.trials if trial.number == number)


def headline(result: TuneResult) -> str:
    """The answer in one sentence."""
    best = best_trial(result)
    return f"Best of {counted(len(result.trials), 'trial')}: {settings_text(best.settings)}, {percent(best.accuracy)} *"


def findings_text(result: TuneResult) -> list[str]:
    """The figures behind the answer and their uncertainty, a paragraph each."""
    return [*_runner_up(result), *_range(result), _optimism(result)]


def methods_text(result: TuneResult) -> list[str]:
    """What was tried, on what, and what the figures can and cannot show."""
    setting = result.setting
    return [
        f"Strategy {result.strategy}: {STRATEGIES.get(result.strategy, 'as named')}. Each trial trains "
        f"{setting.encoders} with {result.fusion} for {setting.epochs} epochs ({seeds_text(setting)}) on the same "
        f"{setting.train_pairs:,} training pairs, and is judged on the same {setting.val_pairs:,} validation pairs.",
        "The best trial is compared with the runner-up on the same pairs. The interval of their difference covers "
        "other pairs, and other seeds where more than one was trained. It does not allow for both having been picked "
        "from all trials, so it is rather too narrow than too wide.",
        "What this cannot show: how good the settings are on other data. The figure of the best trial is no estimate "
        "of performance; a test set on which no choice was made, or nested selection, gives one.",
    ]


def _runner_up(result: TuneResult) -> Iterator[str]:
    if result.runner_up is None or result.difference is None:
        yield "A single trial was completed, so there is nothing to compare it with."
        return
    second, gap = trial_numbered(result, result.runner_up), result.difference
    verdict = f": {result.verdict}" if result.verdict else ""
    yield (
        f"Nested accuracy, best minus runner-up (trial {second.number}: {settings_text(second.settings)}): "
        f"{points(gap.difference)} points ({in_pairs(gap.difference, result.setting.val_pairs)}), 95 % interval "
        f"{points_interval(gap.interval)}, p {probability(gap.p)}{verdict}. A true difference of "
        f"{size(gap.detectable)} would show in four of five repetitions."
    )


def _range(result: TuneResult) -> Iterator[str]:
    complete = [trial for trial in result.trials if trial.state != PRUNED]
    pruned = len(result.trials) - len(complete)
    if len(complete) > 1:
        low, high = (pick(complete, key=lambda trial: trial.accuracy) for pick in (min, max))
        yield (
            f"The complete trials lie between {percent(low.accuracy)} (trial {low.number}) and "
            f"{percent(high.accuracy)} (trial {high.number})."
        )
    if pruned:
        yield f"{counted(pruned, 'trial')} stopped early (pruned)."


def _optimism(result: TuneResult) -> str:
    majority = percent(result.setting.majority_accuracy)
    return (
        "* This figure is optimistic twice over: the epoch was chosen, and then the trial, on the same pairs that it "
        f"is measured on. Always answering the most frequent class gives {majority}."
    )
