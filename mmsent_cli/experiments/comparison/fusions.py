"""`compare-fusions`: train models that differ only in their fusion layer."""

from dataclasses import replace

from mmsent_cli.compute.resources import Resources
from mmsent_cli.config import SENTIMENTS, ResolvedModel, TrainConfig
from mmsent_cli.errors import ConfigError, unknown_name
from mmsent_cli.experiments.arms import Arm, TrainedArm, arms_of, seeds_of
from mmsent_cli.experiments.comparison.compare import train_and_compare
from mmsent_cli.experiments.experiment import Experiment
from mmsent_cli.experiments.settings import CompareSettings
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.model import SentimentModel, assemble, build_encoders
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import CompareResult, FusionRow
from mmsent_cli.run_folders import Run
from mmsent_cli.training.plan import Plan, gather_facts, resolve_checked

REFERENCES = tuple(name for name, spec in FUSIONS.items() if spec.is_reference)
REPEAT_SUFFIX = " (again)"
"""Marks the second arm of a fusion, trained with other seeds: an A/A check, whose true difference is zero."""


def compare_fusions(
    plan: Plan, settings: CompareSettings, run: Run, progress: Progress = silent
) -> tuple[CompareResult, list[TrainedArm]]:
    """Train every arm with every seed, and test its difference to the baseline.

    Args:
        plan: pairs and settings of all arms; the fusion of the plan is not used.
        settings: fusions, baseline, number of seeds.
        run: the run. Trained models are kept in its folder, and models found there are not trained again.
        progress: receives progress events.

    Returns:
        The result, and the trained models. The result is not written yet.

    Raises:
        ConfigError: a fusion is unknown.
    """
    experiment = Experiment(plan, run, progress)
    arms = plan_arms(plan, settings)
    return train_and_compare(experiment, arms, "compare-fusions", settings.baseline, settings.seeds)


def plan_arms(plan: Plan, settings: CompareSettings) -> list[Arm]:
    """List the models to train: the baseline, the fusions, and the unimodal references, each with every seed.

    If a fusion is listed twice (A/A test), its second arm gets the next seeds.
    """
    seeds = seeds_of(plan.config, settings.seeds)
    arms: list[Arm] = []
    for name, is_again in _names(settings):
        own_seeds = [seed + settings.seeds for seed in seeds] if is_again else seeds
        arms += arms_of(name + REPEAT_SUFFIX if is_again else name, plan.variant(name), own_seeds, name in REFERENCES)
    return arms


def list_fusions(config: TrainConfig) -> tuple[str, list[FusionRow]]:
    """List the fusions, with their numbers of parameters for the encoders of a configuration.

    Returns:
        The name of the encoders, and one row per fusion. Parameters are counted for three classes.

    Raises:
        MmsentError: the encoders are not available.
    """
    resources = Resources.open(config.runtime)
    facts, _ = gather_facts(config, resources)

    def variant(name: str) -> ResolvedModel:
        return resolve_checked(replace(config.model, fusion=name), facts)

    encoders = build_encoders(variant(next(iter(FUSIONS))), resources.weights, vocabulary=())
    rows = [
        FusionRow(
            name=name,
            summary=spec.summary,
            formula=spec.formula,
            source=spec.source,
            parameters=_parameters(assemble(variant(name), len(SENTIMENTS), *encoders)),
        )
        for name, spec in FUSIONS.items()
    ]
    return variant(rows[0].name).encoders, rows


def _names(settings: CompareSettings) -> list[tuple[str, bool]]:
    """Return the fusions in order, each with True if it is listed for the second time."""
    requested = [name for word in settings.fusions for name in _expand(word)]
    unknown = [name for name in (*requested, settings.baseline) if name not in FUSIONS]
    if unknown:
        raise unknown_name("fusions", unknown[0], ["sources", "all", *FUSIONS])
    many = [name for name in requested if requested.count(name) > 2]
    if many:
        raise ConfigError(f"--fusions lists {many[0]} more than twice", "list a fusion once, or twice for an A/A test")
    ordered = [*([] if settings.baseline in requested else [settings.baseline]), *requested]
    named = [(name, name in ordered[:number]) for number, name in enumerate(ordered)]
    return [*named, *((name, False) for name in REFERENCES if name not in ordered)]


def _expand(word: str) -> list[str]:
    if word == "sources":
        return [name for name, spec in FUSIONS.items() if spec.is_published]
    if word == "all":
        return [name for name in FUSIONS if name not in REFERENCES]
    return [word]


def _parameters(model: SentimentModel) -> int:
    """Count the parameters of the fusion, the head and the unimodal heads."""
    parts = (model.fusion, model.head, model.text_head, model.image_head)
    return sum(parameter.numel() for part in parts if part is not None for parameter in part.parameters())
