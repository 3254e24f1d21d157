"""`compare-fusions`: the same encoders, split, batches, seeds and epochs under different fusion layers."""

from mmsent_cli.errors import ConfigError, unknown_name
from mmsent_cli.experiments.arm import Arm, arms_of, seeds_of
from mmsent_cli.experiments.comparison.compare import compare
from mmsent_cli.experiments.experiment import Experiment, seed_notes
from mmsent_cli.experiments.settings import CompareSettings
from mmsent_cli.experiments.trained_arm import TrainedArm
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.progress import Progress, silent
from mmsent_cli.records import Run
from mmsent_cli.results import CompareResult
from mmsent_cli.training.plan import Plan

REFERENCES = tuple(name for name, spec in FUSIONS.items() if spec.is_reference)
AGAIN = " (again)"
"""Marks a second arm of the baseline's fusion, trained with other seeds: what no difference looks like."""


def compare_fusions(
    plan: Plan, settings: CompareSettings, run: Run, progress: Progress = silent
) -> tuple[CompareResult, list[TrainedArm]]:
    """Train every arm with every seed, and say what the differences to the baseline are worth.

    Args:
        plan: what all arms share; its own fusion plays no part.
        settings: which fusions, the baseline, how many seeds.
        run: folder that keeps the arms; those that are there already are not trained again.
        progress: receives stages, models, batches and epochs.

    Returns:
        The result, not yet written, and the trained arms.

    Raises:
        ConfigError: an unknown fusion.
    """
    experiment = Experiment(plan, run, progress)
    arms = plan_arms(plan, settings)
    trained = experiment.train(arms)
    rows = compare(trained, experiment.true, plan.dataset.labels, settings.baseline)
    seeds = seeds_of(plan.config, settings.seeds)
    result = CompareResult(
        experiment="compare-fusions",
        baseline=settings.baseline,
        setup=experiment.setting(plan.config, seeds),
        arms=rows,
        notes=(*plan.notes, *experiment.bench.notes(), *seed_notes(settings.seeds)),
    )
    return result, trained


def plan_arms(plan: Plan, settings: CompareSettings) -> list[Arm]:
    """The baseline and the fusions asked for, then the unimodal references; each with every seed.

    A fusion named twice is an A/A check: the second arm gets the next seeds.
    """
    seeds = seeds_of(plan.config, settings.seeds)
    arms: list[Arm] = []
    for name, is_again in _names(settings):
        own_seeds = [seed + settings.seeds for seed in seeds] if is_again else seeds
        arms += arms_of(name + AGAIN if is_again else name, plan.variant(name), own_seeds, name in REFERENCES)
    return arms


def _names(settings: CompareSettings) -> list[tuple[str, bool]]:
    """Fusions in order, each with whether it is there for the second time."""
    asked = [name for word in settings.fusions for name in _expand(word)]
    unknown = [name for name in (*asked, settings.baseline) if name not in FUSIONS]
    if unknown:
        raise unknown_name("fusions", unknown[0], ["sources", "all", *FUSIONS])
    many = [name for name in asked if asked.count(name) > 2]
    if many:
        raise ConfigError(f"--fusions names {many[0]} more than twice", "twice is an A/A check, once is an arm")
    ordered = [*([] if settings.baseline in asked else [settings.baseline]), *asked]
    named = [(name, name in ordered[:number]) for number, name in enumerate(ordered)]
    return [*named, *((name, False) for name in REFERENCES if name not in ordered)]


def _expand(word: str) -> list[str]:
    if word == "sources":
        return [name for name, spec in FUSIONS.items() if spec.is_published]
    if word == "all":
        return [name for name in FUSIONS if name not in REFERENCES]
    return [word]
