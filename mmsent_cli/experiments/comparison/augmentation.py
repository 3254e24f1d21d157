"""`augment-compare`: train the same model with and without augmented images."""

from mmsent_cli.data.augment import POLICIES
from mmsent_cli.errors import unknown_name
from mmsent_cli.experiments.arms import Arm, TrainedArm, arms_of, seeds_of
from mmsent_cli.experiments.comparison.compare import train_and_compare
from mmsent_cli.experiments.experiment import Experiment
from mmsent_cli.experiments.settings import AugmentSettings
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import CompareResult
from mmsent_cli.run_folders import Run
from mmsent_cli.training.plan import Plan

BASELINE = "none"


def augment_compare(
    plan: Plan, settings: AugmentSettings, run: Run, progress: Progress = silent
) -> tuple[CompareResult, list[TrainedArm]]:
    """Train models without augmentation and with each policy, and test the differences.

    Args:
        plan: pairs and settings of all arms; the augmentation of the plan is not used.
        settings: policies, number of seeds.
        run: the run. Trained models are kept in its folder, and models found there are not trained again.
        progress: receives progress events.

    Returns:
        The result, and the trained models. The result is not written yet.

    Raises:
        ConfigError: a policy is unknown.
    """
    experiment = Experiment(plan, run, progress)
    return train_and_compare(experiment, plan_arms(plan, settings), "augment-compare", BASELINE, settings.seeds)


def plan_arms(plan: Plan, settings: AugmentSettings) -> list[Arm]:
    """List the models to train: without augmentation, then with each policy, each with every seed."""
    unknown = [policy for policy in settings.policies if policy not in POLICIES]
    if unknown:
        raise unknown_name("policies", unknown[0], list(POLICIES))
    seeds = seeds_of(plan.config, settings.seeds)
    policies = dict.fromkeys((BASELINE, *settings.policies))
    return [arm for policy in policies for arm in arms_of(policy, plan.variant(augmentation=policy), seeds)]
