"""`ablate`: measure the contribution of each modality to a trained model.

An ensemble is evaluated as a whole, with its probes (linear models) and its stacker (which combines all members). Each
pair of the ensemble's own run is predicted by models, probes and a stacker that were not trained on the fold of this
pair.

A modality is removed in several ways, since each way has its own bias. A feature of zeros (the published way) never
occurs in training. The mean feature of the training pairs is typical but uninformative. The feature of another pair is
real but unrelated. The feature for a missing modality was learned from pairs without this modality. Only models that
are trained on one modality (`--retrain`) show how good this modality can be alone.

`--retrain` trains models on one modality, with the settings of the ablated model. For an ensemble, it trains ensembles
over the same folds, with models of one modality, the probes that read this modality, and a stacker. Their predictions
are out of fold, like those of the ablated ensemble.

Shape letters: N evaluated pairs, M pairs of a sample, C classes.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from mmsent_cli.config.command_settings import AblateSettings
from mmsent_cli.data.pairs import Pair
from mmsent_cli.ensemble import find_probe, softmax
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.ablation.perturb import MEAN, MISSING, ZERO, Subject, additive_part, another_pair
from mmsent_cli.experiments.ablation.target import AblationTarget
from mmsent_cli.experiments.arms import arms_of
from mmsent_cli.experiments.experiment import Experiment
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import NEVER_ANSWERED, AblateResult, AblationArm, Agreement, Emap, Finding, Shapley, noted
from mmsent_cli.run_folders import ARMS, Run
from mmsent_cli.stats import accuracy_scores, compare_scores, few_pairs_notes, learning_findings, modality_findings
from mmsent_cli.training.describe import what_to_try
from mmsent_cli.training.fold_models import train_ensemble
from mmsent_cli.training.metrics import compute_metrics
from mmsent_cli.training.workspace import Workspace

PERMUTED = "permuted"
PERMUTATION_SEEDS = {"text": 0, "image": 1}


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predicted class numbers [N] from the text alone, from the image alone, and without both.

    All three are made with the same method of removing a modality.
    """

    text: np.ndarray
    image: np.ndarray
    nothing: np.ndarray


@dataclass(frozen=True, slots=True)
class Evaluated:
    """N evaluated pairs in one or several parts. Each part has its own model, which predicts the pairs of this part.

    There are several parts if an ensemble is evaluated on its own folds. Modalities are exchanged only between pairs of
    the same part.

    Attributes:
        rows: row numbers of the pairs, in the order of the data set.
        subjects: the model of each part, with the row numbers of its pairs.
        progress: receives the number of models that are done.
    """

    rows: np.ndarray
    subjects: Sequence[tuple[Subject, np.ndarray]]
    progress: Progress = silent

    def logits(self) -> np.ndarray:
        """Compute the logits [N, C] of the pairs with both modalities."""
        return self._joined([subject.logits() for subject, _ in self.subjects])

    def without(self) -> dict[str, Predictions]:
        """Predict the pairs without one or both modalities. Returns the predictions for each method of removal."""
        parts = [remove(subject) for subject, _ in self._counted("predicting without text or image")]
        names = [each.name for each in fields(Predictions)]
        return {
            method: Predictions(*(self._joined([getattr(part[method], name) for part in parts]) for name in names))
            for method in parts[0]
        }

    def additive(self, sample: np.ndarray) -> np.ndarray:
        """Compute the logits [M, C] of a sample without the interaction of text and image; see `additive_part`.

        Args:
            sample: row numbers of the M pairs of the sample, ascending.
        """
        chosen = [np.flatnonzero(np.isin(places, sample)) for places in self._places()]
        parts = [
            (additive_part(subject, own), places[own])
            for (subject, _), places, own in zip(self._counted(COMBINING), self._places(), chosen, strict=True)
            if len(own)
        ]
        order = np.argsort(np.concatenate([places for _, places in parts]))
        return np.concatenate([logits for logits, _ in parts])[order]

    def _counted(self, stage: str) -> Iterator[tuple[Subject, np.ndarray]]:
        """Yield each model with the row numbers of its pairs, and report the number of finished models."""
        total = len(self.subjects)
        for done, subject in enumerate(self.subjects):
            self.progress(Stage(stage, done, total, "model"))
            yield subject
        self.progress(Stage(stage, total, total, "model"))

    def _places(self) -> Iterator[np.ndarray]:
        """Return, for each part, the positions of its pairs among all N evaluated pairs."""
        return (np.searchsorted(self.rows, rows) for _, rows in self.subjects)

    def _joined(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        joined = np.empty((len(self.rows), *parts[0].shape[1:]), dtype=parts[0].dtype)
        for part, places in zip(parts, self._places(), strict=True):
            joined[places] = part
        return joined


def remove(subject: Subject) -> dict[str, Predictions]:
    """Predict the pairs of one model without one or both modalities. Returns the predictions for each method."""
    others = {side: another_pair(len(subject), seed) for side, seed in PERMUTATION_SEEDS.items()}

    def replace(method: str) -> Callable[[Sequence[str]], np.ndarray]:
        return lambda sides: subject.logits(removed=dict.fromkeys(sides, method))

    def permute(sides: Sequence[str]) -> np.ndarray:
        text_rows, image_rows = (others[side] if side in sides else None for side in ("text", "image"))
        return subject.logits(text_rows, image_rows)

    methods = {ZERO: replace(ZERO), MEAN: replace(MEAN), PERMUTED: permute, MISSING: replace(MISSING)}
    without = (["image"], ["text"], ["text", "image"])
    return {
        method: Predictions(*(logits(sides).argmax(axis=1) for sides in without)) for method, logits in methods.items()
    }


UNIMODAL = {"text": "text-only", "image": "image-only"}


def require_training_pairs(target: AblationTarget) -> None:
    """Check that there are training pairs apart from the evaluated pairs.

    Raises:
        ConfigError: there are no other training pairs, or an ensemble is evaluated on other pairs than its own.
    """
    plan = target.plan
    if target.members and not plan.folds:
        raise ConfigError(
            "--retrain trains an ensemble again on its own folds, so --data cannot be given",
            "leave out --data",
        )
    if not plan.folds and not set(plan.split.train).isdisjoint(plan.split.val):
        raise ConfigError(
            "--retrain needs training pairs besides the evaluated pairs, but there are none",
            "give a split file with training and validation pairs: --split FILE",
        )


def retrain(experiment: Experiment, most_frequent: int) -> Predictions:
    """Train a text-only and an image-only model (or ensemble), and predict the evaluated pairs with each.

    Args:
        experiment: the pairs, and the run that keeps the trained models.
        most_frequent: number of the most frequent class. It is the prediction without text and image.
    """
    plan = experiment.plan
    nothing = np.full_like(experiment.true, most_frequent)
    if plan.folds:
        text, image = (_ensemble_predicts(experiment, side) for side in UNIMODAL)
        return Predictions(text, image, nothing)
    seeds = [plan.config.fit.seed]
    arms = [arm for name in UNIMODAL.values() for arm in arms_of(name, plan.variant(name), seeds)]
    text, image = (trained.best_predicted for trained in experiment.train(arms))
    return Predictions(text, image, nothing)


def _ensemble_predicts(experiment: Experiment, side: str) -> np.ndarray:
    """Train an ensemble on one modality, and return its out-of-fold predictions as class numbers [N]."""
    plan, name = experiment.plan, UNIMODAL[side]
    config = plan.variant(name)
    probes = tuple(probe for probe in config.model.probes if find_probe(probe).modalities == (side,))
    config = replace(config, model=replace(config.model, probes=probes))
    workspace = Workspace(replace(plan, config=config), experiment.progress)
    run = Run(experiment.run.path(ARMS) / name)
    return train_ensemble(workspace, run, name).stacked.joined.argmax(axis=1)


BOTH = "both"
COMBINING = "combining texts and images"
"""Name of the stage that computes EMAP, shown as progress."""
TOKEN_EMAP_PAIRS = 100
"""Maximum number of pairs for EMAP if the fusion reads tokens. Such a fusion takes about 100 times as long for each
combination of a text and an image."""
EMAP_SEED = 2


@dataclass(frozen=True, slots=True)
class Detail:
    """The predictions behind the scores.

    Attributes:
        predicted: predicted class numbers [N] by the name of the arm.
        probabilities: class probabilities [N, C] of the whole model.
    """

    predicted: dict[str, np.ndarray]
    probabilities: np.ndarray


def ablate(
    examined: AblationTarget, settings: AblateSettings, run: Run, progress: Progress = silent
) -> tuple[AblateResult, Detail]:
    """Remove each modality by every method, and measure the accuracy.

    Args:
        examined: a checkpoint with its pairs.
        settings: settings of `ablate`.
        run: the run; retrained models are kept in its folder.
        progress: receives progress events.

    Returns:
        The result, and the predictions behind it. Nothing is written yet.

    Raises:
        ConfigError: with `retrain`, there are no training pairs apart from the evaluated pairs.
    """
    if settings.retrain:
        require_training_pairs(examined)
    experiment = Experiment(examined.plan, run, progress)
    true, labels = experiment.true, examined.description.labels
    model = Evaluated(experiment.rows, examined.subjects(experiment.workspace), progress)
    full, most_frequent = model.logits(), _most_frequent(experiment)
    predicted, predictions = {BOTH: full.argmax(axis=1)}, model.without()
    if settings.retrain:
        predictions["retrained"] = retrain(experiment, most_frequent)
    for method, prediction in predictions.items():
        predicted |= {arm_name(side, method): getattr(prediction, side) for side in ("text", "image")}
    rows = _emap_rows(len(true), examined, settings)
    few = few_pairs_notes(true, labels)
    findings = _findings(experiment, predicted[BOTH], predictions[PERMUTED], most_frequent)
    result = AblateResult(
        checkpoint=examined.checkpoint.name,
        trained_by=examined.description.run,
        epoch=examined.epoch,
        encoders=examined.description.model.encoders,
        fusion=examined.description.model.fusion,
        members=examined.members,
        folds=len(examined.plan.folds),
        labels=labels,
        source=examined.source,
        val_pairs=len(true),
        majority_accuracy=float((true == most_frequent).mean()),
        arms=tuple(_arm(name, prediction, true, labels) for name, prediction in predicted.items()),
        agreements=tuple(_agreement(method, each, true) for method, each in predictions.items()),
        shapley=tuple(
            _shapley(method, prediction, predicted[BOTH], true) for method, prediction in predictions.items()
        ),
        emap=_emap(full[rows], model.additive(rows), true[rows], labels),
        findings=findings,
        notes=noted(findings, (*examined.plan.notes, *experiment.workspace.notes(), *examined.notes, *few)),
    )
    return result, Detail(predicted, softmax(full))


def arm_name(side: str, method: str) -> str:
    """Return the name of the arm that gets only `side` (text or image). `method` removes the other modality."""
    return f"{side} only, {method}"


def predictions_csv(pairs: Sequence[Pair], labels: Sequence[str], predicted: Mapping[str, np.ndarray]) -> str:
    """Make a CSV table of all predictions, with a row per pair and a column per arm."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["guid", "tag", *predicted])
    for row, pair in enumerate(pairs):
        table.writerow([pair.guid, pair.tag, *(labels[predictions[row]] for predictions in predicted.values())])
    return text.getvalue()


def _findings(
    experiment: Experiment, both: np.ndarray, permuted: Predictions, most_frequent: int
) -> tuple[Finding, ...]:
    """Return findings on whether the model has learned enough, and whether it uses both modalities."""
    plan = experiment.plan
    tips, labels = what_to_try(plan.config.fit), plan.dataset.labels
    learned = learning_findings(experiment.true, both[None], labels, most_frequent, tips)
    if any(one.kind != NEVER_ANSWERED for one in learned):
        return learned
    return (*learned, *modality_findings(both, {"text": permuted.image, "image": permuted.text}, tips))


def _most_frequent(experiment: Experiment) -> int:
    """Return the number of the most frequent class in training. With folds, all pairs are training pairs."""
    workspace = experiment.workspace
    train = experiment.rows if experiment.plan.folds else np.array(workspace.train)
    return int(np.bincount(workspace.targets[train]).argmax())


def _arm(name: str, predicted: np.ndarray, true: np.ndarray, labels: Sequence[str]) -> AblationArm:
    metrics = compute_metrics(true.tolist(), predicted.tolist(), labels, float("nan"))
    inputs, _, method = name.partition(" only, ")
    return AblationArm(
        name=name,
        inputs=inputs,
        method=method or "none",
        accuracy=metrics.accuracy,
        macro_f1=metrics.macro_f1,
        interval=metrics.interval,
        macro_f1_interval=metrics.macro_f1_interval,
        per_class=metrics.per_class,
    )


def _agreement(method: str, predictions: Predictions, true: np.ndarray) -> Agreement:
    text, image = predictions.text == true, predictions.image == true
    return Agreement(
        method=method,
        both_right=float((text & image).mean()),
        only_text_right=float((text & ~image).mean()),
        only_image_right=float((image & ~text).mean()),
        neither_right=float((~text & ~image).mean()),
    )


def _shapley(method: str, predictions: Predictions, both: np.ndarray, true: np.ndarray) -> Shapley:
    """Return the gain in accuracy from each modality. It is averaged over the two orders of adding text and image."""
    accuracy = {name: float((getattr(predictions, name) == true).mean()) for name in ("text", "image", "nothing")}
    full = float((both == true).mean())
    return Shapley(
        method=method,
        nothing=accuracy["nothing"],
        text=(accuracy["text"] - accuracy["nothing"] + full - accuracy["image"]) / 2,
        image=(accuracy["image"] - accuracy["nothing"] + full - accuracy["text"]) / 2,
    )


def _emap_rows(count: int, examined: AblationTarget, settings: AblateSettings) -> np.ndarray:
    """Return the numbers [M] of the pairs for which EMAP is computed. If there are too many, draw a random sample."""
    limit = min(settings.emap_pairs, TOKEN_EMAP_PAIRS if examined.reads_tokens else settings.emap_pairs)
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(EMAP_SEED).choice(count, limit, replace=False))


def _emap(full: np.ndarray, additive: np.ndarray, true: np.ndarray, labels: Sequence[str]) -> Emap:
    whole, part = full.argmax(axis=1), additive.argmax(axis=1)
    metrics = [
        compute_metrics(true.tolist(), prediction.tolist(), labels, float("nan")) for prediction in (whole, part)
    ]
    right = [accuracy_scores(true, prediction[None]) for prediction in (whole, part)]
    return Emap(
        pairs=len(true),
        accuracy=metrics[1].accuracy,
        macro_f1=metrics[1].macro_f1,
        full_accuracy=metrics[0].accuracy,
        full_macro_f1=metrics[0].macro_f1,
        changed=float((whole != part).mean()),
        difference=compare_scores(right[0], right[1]),
    )
