"""`ablate`: what each modality is worth to a trained model.

A modality is taken away in several ways, because each has its own bias: a feature of zeros (system A's way) is
something the model never saw; the training mean is ordinary but tells nothing; another pair's feature is as real as
any; the model's own stand-in is what it learned for a pair that lacks the modality. A model that leans on both cannot
show how well one alone could do: that takes models trained on one (`--retrain`).
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from mmsent_cli.data.pairs import Pair
from mmsent_cli.ensemble import softmax
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.ablation.perturb import EncodedModel, additive_part, another_pair
from mmsent_cli.experiments.ablation.target import AblationTarget
from mmsent_cli.experiments.arm import arms_of
from mmsent_cli.experiments.comparison.compare import accuracy_of, compare_accuracy, macro_f1_of
from mmsent_cli.experiments.experiment import Experiment
from mmsent_cli.experiments.selection import best_epoch
from mmsent_cli.experiments.settings import AblateSettings
from mmsent_cli.experiments.trained_arm import TrainedArm
from mmsent_cli.fusion import find_fusion
from mmsent_cli.progress import Progress, silent
from mmsent_cli.records import Run
from mmsent_cli.results import AblateResult, AblationArm, Agreement, Emap, Shapley
from mmsent_cli.training.metrics import compute_metrics

BOTH = "both"
TOKEN_EMAP_PAIRS = 100
"""A fusion that attends over tokens takes some hundred times as long for each combination."""
PERMUTATION_SEEDS = {"text": 0, "image": 1}
EMAP_SEED = 2


@dataclass(frozen=True, slots=True)
class Detail:
    """What the figures were counted from.

    Attributes:
        predicted: class numbers [N] by the arm's name.
        probabilities: those of the whole model [N, C].
    """

    predicted: dict[str, np.ndarray]
    probabilities: np.ndarray


@dataclass(frozen=True, slots=True)
class Answers:
    """Predictions of one method: class numbers [N] seeing the text alone, the image alone, and neither."""

    text: np.ndarray
    image: np.ndarray
    nothing: np.ndarray


def ablate(
    examined: AblationTarget, settings: AblateSettings, run: Run, progress: Progress = silent
) -> tuple[AblateResult, Detail]:
    """Take each modality away in every way.

    Args:
        examined: a checkpoint with its pairs.
        settings: whether unimodal models are trained, how many pairs EMAP takes.
        run: folder that keeps retrained models.
        progress: receives stages, models, batches and epochs.

    Returns:
        The result, not yet written, and what it was counted from.

    Raises:
        ConfigError: models are to be trained on the pairs that they are judged by.
    """
    split = examined.plan.split
    if settings.retrain and not set(split.train).isdisjoint(split.val):
        raise ConfigError("--retrain would train on the pairs that it is judged by", "say with --split which are which")
    experiment = Experiment(examined.plan, run, progress)
    subject, means = examined.subject(experiment.bench)
    true, labels = experiment.true, examined.description.labels
    full = subject.logits()
    predicted = {BOTH: full.argmax(axis=1)}
    answers = _taken_away(subject, means)
    if settings.retrain:
        answers["retrained"] = _retrained(experiment)
    for method, answer in answers.items():
        predicted |= {arm_name(side, method): getattr(answer, side) for side in ("text", "image")}
    rows = _emap_rows(len(true), examined, settings)
    result = AblateResult(
        checkpoint=examined.checkpoint.name,
        trained_by=examined.description.run,
        epoch=examined.epoch,
        encoders=examined.description.model.encoders,
        fusion=examined.description.model.fusion,
        labels=labels,
        source=examined.source,
        val_pairs=len(true),
        majority_accuracy=float((true == _most_frequent(experiment)).mean()),
        arms=tuple(_arm(name, answer, true, labels) for name, answer in predicted.items()),
        agreements=tuple(_agreement(method, answer, true) for method, answer in answers.items()),
        shapley=tuple(_shapley(method, answer, predicted[BOTH], true) for method, answer in answers.items()),
        emap=_emap(full[rows], additive_part(subject, rows), true[rows], labels),
        notes=(*examined.plan.notes, *experiment.bench.notes(), *examined.notes),
    )
    return result, Detail(predicted, softmax(full))


def arm_name(side: str, method: str) -> str:
    """Name of the arm that sees one side, by a method."""
    return f"{side} only, {method}"


def predictions_csv(pairs: Sequence[Pair], labels: Sequence[str], predicted: Mapping[str, np.ndarray]) -> str:
    """Every arm's answer to every pair: a row a pair, a column an arm."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["guid", "tag", *predicted])
    for row, pair in enumerate(pairs):
        table.writerow([pair.guid, pair.tag, *(labels[answers[row]] for answers in predicted.values())])
    return text.getvalue()


def _taken_away(subject: EncodedModel, means: Mapping[str, Tensor]) -> dict[str, Answers]:
    """What the model says without one modality or both, by method."""
    zeros = {side: mean.new_zeros(mean.shape) for side, mean in means.items()}
    others = {side: another_pair(len(subject), seed) for side, seed in PERMUTATION_SEEDS.items()}

    def put(features: Mapping[str, Tensor]) -> Callable[[Sequence[str]], np.ndarray]:
        return lambda sides: subject.logits(features={side: features[side] for side in sides})

    def permute(sides: Sequence[str]) -> np.ndarray:
        text_rows, image_rows = (others[side] if side in sides else None for side in ("text", "image"))
        return subject.logits(text_rows, image_rows)

    methods: dict[str, Callable[[Sequence[str]], np.ndarray]] = {
        "zero": put(zeros),
        "mean": put(means),
        "permuted": permute,
        "missing": lambda sides: subject.logits(absent=sides),
    }
    without = (["image"], ["text"], ["text", "image"])
    return {method: Answers(*(logits(sides).argmax(axis=1) for sides in without)) for method, logits in methods.items()}


def _retrained(experiment: Experiment) -> Answers:
    """Models of one modality, trained as the checkpoint's was, and the most frequent class for neither."""
    plan = experiment.plan
    seeds = [plan.config.fit.seed]
    arms = [arm for name in ("text-only", "image-only") for arm in arms_of(name, plan.variant(name), seeds)]
    text, image = (_best_predictions(trained) for trained in experiment.train(arms))
    return Answers(text, image, np.full_like(experiment.true, _most_frequent(experiment)))


def _best_predictions(trained: TrainedArm) -> np.ndarray:
    """Predictions of the best epoch [N], chosen as the checkpoint's was."""
    return trained.predicted[best_epoch(trained.curve, trained.monitor).epoch - 1]


def _most_frequent(experiment: Experiment) -> int:
    bench = experiment.bench
    return int(np.bincount(bench.targets[list(bench.train)]).argmax())


def _arm(name: str, predicted: np.ndarray, true: np.ndarray, labels: Sequence[str]) -> AblationArm:
    metrics = compute_metrics(true.tolist(), predicted.tolist(), labels, float("nan"))
    inputs, _, method = name.partition(" only, ")
    return AblationArm(
        name=name,
        inputs=inputs,
        method=method or "none",
        accuracy=metrics.accuracy,
        macro_f1=metrics.macro_f1,
        interval=accuracy_of((predicted == true)[None].astype(float)),
        macro_f1_interval=macro_f1_of(true, predicted[None], len(labels)),
        per_class=metrics.per_class,
    )


def _agreement(method: str, answers: Answers, true: np.ndarray) -> Agreement:
    text, image = answers.text == true, answers.image == true
    return Agreement(
        method=method,
        both_right=float((text & image).mean()),
        only_text_right=float((text & ~image).mean()),
        only_image_right=float((image & ~text).mean()),
        neither_right=float((~text & ~image).mean()),
    )


def _shapley(method: str, answers: Answers, both: np.ndarray, true: np.ndarray) -> Shapley:
    """Each modality's mean gain in accuracy over the two orders in which it can join."""
    worth = {name: float((getattr(answers, name) == true).mean()) for name in ("text", "image", "nothing")}
    full = float((both == true).mean())
    return Shapley(
        method=method,
        nothing=worth["nothing"],
        text=(worth["text"] - worth["nothing"] + full - worth["image"]) / 2,
        image=(worth["image"] - worth["nothing"] + full - worth["text"]) / 2,
    )


def _emap_rows(count: int, examined: AblationTarget, settings: AblateSettings) -> np.ndarray:
    """The pairs whose texts and images EMAP combines [M], drawn where there are more than it takes."""
    reads_tokens = find_fusion(examined.description.model.fusion).reads == "tokens"
    limit = min(settings.emap_pairs, TOKEN_EMAP_PAIRS if reads_tokens else settings.emap_pairs)
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(EMAP_SEED).choice(count, limit, replace=False))


def _emap(full: np.ndarray, additive: np.ndarray, true: np.ndarray, labels: Sequence[str]) -> Emap:
    whole, part = full.argmax(axis=1), additive.argmax(axis=1)
    metrics = [compute_metrics(true.tolist(), answer.tolist(), labels, float("nan")) for answer in (whole, part)]
    right = [(answer == true)[None].astype(float) for answer in (whole, part)]
    return Emap(
        pairs=len(true),
        accuracy=metrics[1].accuracy,
        macro_f1=metrics[1].macro_f1,
        full_accuracy=metrics[0].accuracy,
        full_macro_f1=metrics[0].macro_f1,
        changed=float((whole != part).mean()),
        difference=compare_accuracy(right[0], right[1]),
    )
