"""Find out whether the best value of a setting is the largest or smallest that was tried."""

from collections.abc import Iterator, Sequence

from mmsent_cli.errors import MmsentError
from mmsent_cli.experiments.tuning.space import Value, configure
from mmsent_cli.results import TrialResult, has_learned_nothing
from mmsent_cli.training.plan import Plan

LISTED_PHASES = ("rates", "decays", "grid")
"""Phases that try listed values. A sampler chooses its values near good ones, so that their ends mean little."""
DIGITS = 2


def edge_notes(plan: Plan, trials: Sequence[TrialResult], best: int) -> list[str]:
    """Return a note for each number whose best value is the largest or smallest tried, with the value to try next.

    There is none if the best trial has learned nothing, which needs other settings, or ties with its neighbour.

    Args:
        plan: pairs and settings of all trials.
        trials: all trials.
        best: the number of the best trial.
    """
    if trials[best].phase not in LISTED_PHASES or has_learned_nothing(trials[best].findings):
        return []
    return [note for name in trials[best].settings for note in _edge(plan, trials, trials[best], name)]


def _edge(plan: Plan, trials: Sequence[TrialResult], best: TrialResult, name: str) -> Iterator[str]:
    chosen = best.settings
    value = chosen[name]
    tried = sorted({other for trial in trials if not isinstance(other := trial.settings.get(name), str | None)})
    if isinstance(value, str) or len(tried) < 2 or value not in (tried[0], tried[-1]):
        return
    is_largest = value == tried[-1]
    near = tried[-2] if is_largest else tried[1]
    if any(trial.settings.get(name) == near and trial.accuracy == best.accuracy for trial in trials):
        return
    step = _beyond(value, near)
    where = "largest" if is_largest else "smallest"
    if step is not None and step != value and _is_valid(plan, {**chosen, name: step}):
        yield f"the best {name}, {value:g}, is the {where} tried: try {step:g}"


def _beyond(value: float | int, near: float | int) -> float | int | None:
    """The next value in the direction away from its neighbour, by the same factor; None if there is no factor."""
    if not value or not near:
        return None
    step = float(f"{value * value / near:.{DIGITS}g}")
    return max(1, round(step)) if isinstance(value, int) else step


def _is_valid(plan: Plan, settings: dict[str, Value]) -> bool:
    try:
        configure(plan, settings)
    except MmsentError:
        return False
    return True
