"""What a tuning strategy tries, and in which order."""

from collections.abc import Sequence

from mmsent_cli.config import ResolvedModel
from mmsent_cli.experiments.arm import seeds_of
from mmsent_cli.experiments.settings import TuneSettings
from mmsent_cli.experiments.tuning.queue import Task
from mmsent_cli.experiments.tuning.space import Value, combinations, configure, parse_space
from mmsent_cli.experiments.tuning.trials import Tried, rank
from mmsent_cli.training.plan import Plan

RATES = ("encoder_lr", "head_lr")
RATE_DIGITS = 12
"""Rates are rounded to so many digits, so that 0.2 times 5e-5 is 1e-5."""


class Search:
    """What is to be tried.

    `sequence` tries both learning rates times each factor at the first weight decay, then the other decays at the best
    rates (system A); `grid` every combination of the space; `tpe` what the sampler proposes, each trial in turn.

    Args:
        plan: what all trials share.
        settings: of `tune`.

    Attributes:
        first: tasks that need no result of others.
        models: the different models among what is tried, one setting at a time where a sampler chooses.
        total: how many trials there will be in all.

    Raises:
        ConfigError: a space that cannot be searched, or a setting that the plan cannot have.
    """

    def __init__(self, plan: Plan, settings: TuneSettings) -> None:
        self.plan = plan
        self.settings = settings
        self.monitor = plan.config.fit.monitor
        self.seeds = seeds_of(plan.config, settings.seeds)
        self.space = parse_space(settings.space)
        self.decays = tuple(dict.fromkeys(settings.decays))
        self.models: tuple[ResolvedModel, ...] = ()
        self.first = self._begin()
        self.total = len(self.first) + (len(self.decays) - 1 if settings.strategy == "sequence" else 0)

    def then(self, tried: Sequence[Tried]) -> list[Task]:
        """What is left to try after the first tasks: in the sequence, the other decays at the best rates."""
        if self.settings.strategy != "sequence":
            return []
        best = tried[rank(tried, self.monitor)[0]].settings
        return [Task("decays", index, {**best, "weight_decay": decay}) for index, decay in enumerate(self.decays[1:])]

    def _begin(self) -> list[Task]:
        if self.settings.strategy == "tpe":
            self._check([{item.name: value} for item in self.space for value in item.values])
            return [Task("tpe", index) for index in range(self.settings.trials)]
        is_grid = self.settings.strategy == "grid"
        tried = combinations(self.space) if is_grid else self._rates()
        self._check(tried)
        return [Task("grid" if is_grid else "rates", index, chosen) for index, chosen in enumerate(tried)]

    def _rates(self) -> list[dict[str, Value]]:
        fit = self.plan.config.fit
        return [
            {**{name: _times(getattr(fit, name), factor) for name in RATES}, "weight_decay": self.decays[0]}
            for factor in dict.fromkeys(self.settings.rates)
        ]

    def _check(self, tried: Sequence[dict[str, Value]]) -> None:
        """Refuse settings that do not go together before the first model is trained."""
        self.models = tuple(dict.fromkeys(configure(self.plan, chosen).model for chosen in tried))


def _times(rate: float, factor: float) -> float:
    return float(f"{rate * factor:.{RATE_DIGITS}g}")
