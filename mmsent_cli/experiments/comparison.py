"""Compare arms (models) that differ in one setting: `compare-fusions` and `augment-compare`.

Shape letters: S seeds, N validation pairs, C classes, E epochs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmsent_cli.compute.device import Resources
from mmsent_cli.config import SENTIMENTS, ResolvedModel, TrainConfig
from mmsent_cli.config.command_settings import AugmentSettings, CompareSettings
from mmsent_cli.data.augment import POLICIES
from mmsent_cli.errors import ConfigError, unknown_name
from mmsent_cli.experiments.arms import Arm, TrainedArm, arms_of, nested_selection, seeds_of
from mmsent_cli.experiments.experiment import Experiment, seed_notes
from mmsent_cli.fusion import FUSIONS, unknown_fusion
from mmsent_cli.model import SentimentModel, assemble, build_encoders
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import (
    ClassMetrics,
    ComparedArm,
    CompareResult,
    Difference,
    EpochScore,
    FusionRow,
    Metrics,
    SeedScores,
)
from mmsent_cli.run_folders import Run
from mmsent_cli.stats import (
    accuracy_of,
    accuracy_scores,
    compare_scores,
    few_pairs_notes,
    holm,
    interval_of,
    learning_findings,
    macro_f1_scores,
    mcnemar,
    verdict,
)
from mmsent_cli.training.describe import fusion_part
from mmsent_cli.training.metrics import compute_metrics
from mmsent_cli.training.plan import Plan, gather_facts, resolve_checked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmScores:
    """The predictions of an arm by nested selection (see `nested_selection`), and their scores.

    Attributes:
        models: the trained models, one per seed.
        predicted: predicted class numbers [S, N].
        right: 1 for a correct prediction, else 0 [S, N].
        f1_scores: pseudo-values of macro-F1 [S, N].
    """

    models: tuple[TrainedArm, ...]
    predicted: np.ndarray
    right: np.ndarray
    f1_scores: np.ndarray


def score_arm(models: tuple[TrainedArm, ...], true: np.ndarray, classes: int) -> ArmScores:
    """Predict each pair by every model of an arm with nested selection, and compute the scores.

    Args:
        models: the models of an arm, one per seed.
        true: true class numbers [N].
        classes: number of classes C.
    """
    chosen = [nested_selection(model.predicted, true, model.monitor, classes, model.losses) for model in models]
    predicted = np.stack(chosen)
    return ArmScores(
        models=models,
        predicted=predicted,
        right=accuracy_scores(true, predicted),
        f1_scores=macro_f1_scores(true, predicted, classes),
    )


def describe(arm: ArmScores, true: np.ndarray, labels: Sequence[str]) -> ComparedArm:
    """Make the row of an arm in the result. The row does not contain the difference to the baseline yet.

    Args:
        arm: models and predictions.
        true: true class numbers [N].
        labels: class names in order.
    """
    first, nan = arm.models[0], float("nan")
    nested = [compute_metrics(true.tolist(), row.tolist(), labels, nan) for row in arm.predicted]
    best = [model.best for model in arm.models]
    return ComparedArm(
        name=first.name,
        fusion=first.fusion,
        augmentation=first.augmentation,
        is_reference=first.is_reference,
        seeds=tuple(model.seed for model in arm.models),
        trainable_parameters=first.trainable_parameters,
        nested=seed_scores(nested),
        best=seed_scores(best),
        last=seed_scores([model.curve[-1] for model in arm.models]),
        accuracy_interval=accuracy_of(arm.right),
        macro_f1_interval=interval_of(arm.f1_scores),
        best_epochs=tuple(score.epoch for score in best),
        best_train_losses=tuple(score.train_loss for score in best),
        best_val_losses=tuple(score.val_loss for score in best),
        per_class=mean_per_class(nested),
        curves=tuple(model.curve for model in arm.models),
        findings=learning_findings(true, arm.predicted, labels, int(np.bincount(true).argmax())),
        layer=fusion_part(first.fusion),
    )


def seed_scores(scores: Sequence[Metrics | EpochScore]) -> SeedScores:
    """Compute accuracy and macro-F1 of S models, with mean and standard deviation."""
    accuracies, macro_f1s = [score.accuracy for score in scores], [score.macro_f1 for score in scores]
    return SeedScores(
        accuracies=tuple(accuracies),
        macro_f1s=tuple(macro_f1s),
        accuracy_mean=_mean(accuracies),
        accuracy_sd=_sd(accuracies),
        macro_f1_mean=_mean(macro_f1s),
        macro_f1_sd=_sd(macro_f1s),
    )


def mean_per_class(metrics: Sequence[Metrics]) -> tuple[ClassMetrics, ...]:
    """Return the metrics of each class, averaged over several evaluations of the same pairs."""
    return tuple(
        replace(
            rows[0],
            precision=_mean([row.precision for row in rows]),
            recall=_mean([row.recall for row in rows]),
            f1=_mean([row.f1 for row in rows]),
        )
        for rows in zip(*(evaluation.per_class for evaluation in metrics), strict=True)
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _sd(values: Sequence[float]) -> float:
    """Return the standard deviation of values, one per seed; 0 for a single seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def train_and_compare(
    experiment: Experiment, arms: Sequence[Arm], name: str, baseline: str, seeds: int
) -> tuple[CompareResult, list[TrainedArm]]:
    """Train the models of a comparison, and test their differences to the baseline.

    Args:
        experiment: trains the models.
        arms: the models to train.
        name: name of the experiment, such as `compare-fusions`.
        baseline: name of the arm that all others are compared with.
        seeds: number of seeds of each arm.

    Returns:
        The result, and the trained models. The result is not written yet.

    Raises:
        ConfigError: a fusion cannot be used with the encoders.
    """
    plan = experiment.plan
    trained = experiment.train(arms)
    result = CompareResult(
        experiment=name,
        baseline=baseline,
        setup=experiment.setup(plan.config, seeds_of(plan.config, seeds)),
        arms=compare(trained, experiment.true, plan.dataset.labels, baseline),
        notes=(
            *plan.notes,
            *experiment.workspace.notes(),
            *seed_notes(seeds),
            *few_pairs_notes(experiment.true, plan.dataset.labels),
        ),
    )
    return result, trained


def compare(
    trained: Sequence[TrainedArm], true: np.ndarray, labels: Sequence[str], baseline: str
) -> tuple[ComparedArm, ...]:
    """Make one row per arm, in the order in which the arms first occur in `trained`.

    References (text-only and image-only models) come last.

    McNemar's test compares the n-th model of an arm with the n-th model of the baseline. The interval treats the seeds
    of two arms as independent.

    Args:
        trained: all trained models; every arm has the same number of seeds.
        true: true class numbers of the validation pairs [N], N at least 2.
        labels: class names in order.
        baseline: name of the arm that all others are compared with.

    Raises:
        ValueError: there is no such baseline, or the arms have different numbers of seeds.
    """
    arms = _group(trained)
    if baseline not in arms or len({len(models) for models in arms.values()}) != 1:
        raise ValueError(
            f"no arm {baseline}, or not one model per seed: { {name: len(m) for name, m in arms.items()} }"
        )
    scores = {name: score_arm(models, true, len(labels)) for name, models in arms.items()}
    tested = [name for name, models in arms.items() if name != baseline and not models[0].is_reference]
    others = {name: [scores[other] for other in tested if other != name] for name in tested}
    accuracies = {name: _accuracy_difference(scores[name], scores[baseline], others[name]) for name in tested}
    macro_f1s = {name: _macro_f1_difference(scores[name], scores[baseline], others[name]) for name in tested}
    adjusted, adjusted_f1 = _adjusted(accuracies), _adjusted(macro_f1s)
    rows = []
    for name, arm in scores.items():
        row = describe(arm, true, labels)
        if name in accuracies:
            row = replace(
                row,
                accuracy_difference=accuracies[name],
                macro_f1_difference=macro_f1s[name],
                p_adjusted=adjusted[name],
                verdict=verdict(accuracies[name].difference, adjusted[name]),
                macro_f1_p_adjusted=adjusted_f1[name],
                macro_f1_verdict=verdict(macro_f1s[name].difference, adjusted_f1[name]),
                mcnemar=tuple(map(mcnemar, arm.right, scores[baseline].right)),
            )
        rows.append(row)
    return tuple(sorted(rows, key=lambda row: row.is_reference))


def _group(trained: Sequence[TrainedArm]) -> dict[str, tuple[TrainedArm, ...]]:
    names = dict.fromkeys(model.name for model in trained)
    return {name: tuple(model for model in trained if model.name == name) for name in names}


def _adjusted(differences: Mapping[str, Difference]) -> dict[str, float]:
    """Return the p value of each difference, adjusted for the number of differences by Holm's method."""
    return dict(zip(differences, holm([gap.p for gap in differences.values()]), strict=True))


def _accuracy_difference(arm: ArmScores, baseline: ArmScores, others: Sequence[ArmScores]) -> Difference:
    """Test the difference in accuracy between an arm and the baseline. The p value is not adjusted yet."""
    return compare_scores(arm.right, baseline.right, len(others) + 1, [other.right for other in others])


def _macro_f1_difference(arm: ArmScores, baseline: ArmScores, others: Sequence[ArmScores]) -> Difference:
    return compare_scores(arm.f1_scores, baseline.f1_scores, len(others) + 1, [other.f1_scores for other in others])


REFERENCES = tuple(name for name, spec in FUSIONS.items() if spec.is_reference)
REPEAT_SUFFIX = " (again)"
"""Suffix of the name of the second arm in an A/A test, which trains one fusion as two arms with different seeds. The
true difference between these arms is zero."""


def compare_fusions(
    plan: Plan, settings: CompareSettings, run: Run, progress: Progress = silent
) -> tuple[CompareResult, list[TrainedArm]]:
    """Train every arm with every seed, and test the difference of each arm to the baseline.

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
    arms = fusion_arms(plan, settings)
    return train_and_compare(experiment, arms, "compare-fusions", settings.baseline, settings.seeds)


def fusion_arms(plan: Plan, settings: CompareSettings) -> list[Arm]:
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


def require_known_arms(settings: object) -> None:
    """Check the names of fusions or policies before any pair is read.

    Raises:
        ConfigError: a fusion or a policy is unknown.
    """
    if isinstance(settings, CompareSettings):
        _names(settings)
    elif isinstance(settings, AugmentSettings):
        _require_policies(settings)


def _names(settings: CompareSettings) -> list[tuple[str, bool]]:
    """Return the names of the fusions to train, in order. Each has a flag: True if the name was already in the list."""
    requested = [name for word in settings.fusions for name in _expand(word)]
    unknown = [name for name in (*requested, settings.baseline) if name not in FUSIONS]
    if unknown:
        raise unknown_fusion("fusions", unknown[0], ["sources", "all"])
    many = [name for name in requested if requested.count(name) > 2]
    if many:
        raise ConfigError(
            f"--fusions contains {many[0]} more than twice", "list a fusion once, or twice for an A/A test"
        )
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
    """Count the parameters of the fusion, the main head, and the heads for a single modality."""
    parts = (model.fusion, model.head, model.text_head, model.image_head)
    return sum(parameter.numel() for part in parts if part is not None for parameter in part.parameters())


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
    return train_and_compare(experiment, augmented_arms(plan, settings), "augment-compare", BASELINE, settings.seeds)


def augmented_arms(plan: Plan, settings: AugmentSettings) -> list[Arm]:
    """List the models to train: without augmentation, then with each policy, each with every seed."""
    _require_policies(settings)
    seeds = seeds_of(plan.config, settings.seeds)
    policies = dict.fromkeys((BASELINE, *settings.policies))
    return [arm for policy in policies for arm in arms_of(policy, plan.variant(augmentation=policy), seeds)]


def _require_policies(settings: AugmentSettings) -> None:
    unknown = [policy for policy in settings.policies if policy not in POLICIES]
    if unknown:
        raise unknown_name("policies", unknown[0], list(POLICIES))
