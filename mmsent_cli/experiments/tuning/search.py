"""The trials of a tuning strategy, and their order."""

from collections.abc import Sequence

from mmsent_cli.config import ResolvedModel
from mmsent_cli.experiments.arms import seeds_of
from mmsent_cli.experiments.settings import TuneSettings
from mmsent_cli.experiments.tuning.queue import Task
from mmsent_cli.experiments.tuning.space import Value, combinations, configure, parse_space
from mmsent_cli.experiments.tuning.trials import TrialRecord, rank
from mmsent_cli.training.plan import Plan

ENCODER_RATE = "encoder_lr"
RATE_NAMES = (ENCODER_RATE, "head_lr")
RATE_DIGITS = 12
"""Significant digits that rates are rounded to, so that 0.2 times 5e-5 is 1e-5."""


class Search:
    """The trials of a tuning.

    `sequence` multiplies the learning rates by each factor at the first weight decay, then tries the other decays at
    the best rates; if no encoder is trained, only the rate of the head is multiplied. `grid` tries every combination
    of the space. `tpe` tries settings that the sampler chooses.

    Args:
        plan: pairs and settings of all trials.
        settings: settings of `tune`.
        is_frozen: no encoder is trained, so its learning rate has no effect.

    Attributes:
        first: the tasks that do not depend on results of other tasks.
        models: the distinct model configurations; with a sampler, those with one setting changed.
        total: the number of trials.

    Raises:
        ConfigError: the space cannot be searched, or a setting is incompatible with the plan.
    """

    def __init__(self, plan: Plan, settings: TuneSettings, is_frozen: bool = False) -> None:
        self.plan = plan
        self.settings = settings
        self.is_frozen = is_frozen
        self.monitor = plan.config.fit.monitor
        self.seeds = seeds_of(plan.config, settings.seeds)
        self.space = parse_space(settings.space)
        self.decays = tuple(dict.fromkeys(settings.decays))
        self.models: tuple[ResolvedModel, ...] = ()
        self.first = self._begin()
        self.total = len(self.first) + (len(self.decays) - 1 if settings.strategy == "sequence" else 0)

    def with_frozen_encoders(self) -> "Search":
        """Return the same search, whose sequence leaves the learning rate of the encoders alone."""
        return Search(self.plan, self.settings, is_frozen=True)

    def then(self, trials: Sequence[TrialRecord]) -> list[Task]:
        """Return the second round of tasks: with `sequence`, the other weight decays at the best rates; else none."""
        if self.settings.strategy != "sequence":
            return []
        best = trials[rank(trials, self.monitor)[0]].settings
        return [Task("decays", index, {**best, "weight_decay": decay}) for index, decay in enumerate(self.decays[1:])]

    def _begin(self) -> list[Task]:
        if self.settings.strategy == "tpe":
            self._check([{item.name: value} for item in self.space for value in item.values])
            return [Task("tpe", index) for index in range(self.settings.trials)]
        is_grid = self.settings.strategy == "grid"
        settings = combinations(self.space) if is_grid else self._rates()
        self._check(settings)
        return [Task("grid" if is_grid else "rates", index, chosen) for index, chosen in enumerate(settings)]

    def _rates(self) -> list[dict[str, Value]]:
        fit = self.plan.config.fit
        names = [name for name in RATE_NAMES if not (self.is_frozen and name == ENCODER_RATE)]
        return [
            {**{name: _times(getattr(fit, name), factor) for name in names}, "weight_decay": self.decays[0]}
            for factor in dict.fromkeys(self.settings.rates)
        ]

    def _check(self, settings: Sequence[dict[str, Value]]) -> None:
        """Check that each configuration can be built, before the first model is trained."""
        self.models = tuple(dict.fromkeys(configure(self.plan, chosen).model for chosen in settings))


def _times(rate: float, factor: float) -> float:
    return float(f"{rate * factor:.{RATE_DIGITS}g}")
