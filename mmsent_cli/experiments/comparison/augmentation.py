"""`augment-compare`: one fusion trained on the original images, and on augmented ones."""

from mmsent_cli.data.augment import POLICIES
from mmsent_cli.errors import unknown_name
from mmsent_cli.experiments.arms import Arm, TrainedArm, arms_of, seeds_of
from mmsent_cli.experiments.comparison.compare import compare
from mmsent_cli.experiments.experiment import Experiment, seed_notes
from mmsent_cli.experiments.settings import AugmentSettings
from mmsent_cli.progress import Progress, silent
from mmsent_cli.records import Run
from mmsent_cli.results import CompareResult
from mmsent_cli.training.plan import Plan

BASELINE = "none"


def augment_compare(
    plan: Plan, settings: AugmentSettings, run: Run, progress: Progress = silent
) -> tuple[CompareResult, list[TrainedArm]]:
    """Train the plan's fusion without and with each augmentation, and test the differences.

    Args:
        plan: shared by all arms; its own augmentation is not used.
        settings: policies, number of seeds.
        run: its folder keeps the trained arms; an arm found there is not trained again.
        progress: receives stages, models, batches and epochs.

    Returns:
        The result, not yet written, and the trained arms.

    Raises:
        ConfigError: an unknown policy.
    """
    experiment = Experiment(plan, run, progress)
    arms = plan_arms(plan, settings)
    trained = experiment.train(arms)
    result = CompareResult(
        experiment="augment-compare",
        baseline=BASELINE,
        setup=experiment.setup(plan.config, seeds_of(plan.config, settings.seeds)),
        arms=compare(trained, experiment.true, plan.dataset.labels, BASELINE),
        notes=(*plan.notes, *experiment.workspace.notes(), *seed_notes(settings.seeds)),
    )
    return result, trained


def plan_arms(plan: Plan, settings: AugmentSettings) -> list[Arm]:
    """No augmentation, then each policy; each with every seed."""
    unknown = [policy for policy in settings.policies if policy not in POLICIES]
    if unknown:
        raise unknown_name("policies", unknown[0], list(POLICIES))
    seeds = seeds_of(plan.config, settings.seeds)
    policies = dict.fromkeys((BASELINE, *settings.policies))
    return [arm for policy in policies for arm in arms_of(policy, plan.variant(augmentation=policy), seeds)]
