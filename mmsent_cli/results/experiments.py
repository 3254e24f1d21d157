"""The results of experiments. Imports the standard library only.

They contain no times and no paths, so a resumed experiment has the same `result.json` as an uninterrupted one.

Shape letters: S seeds, E epochs, N validation pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from mmsent_cli.results.frames import Tabular, arm_epochs, arm_records, arm_scores, records, trial_epochs, trial_records
from mmsent_cli.results.training import ClassMetrics, EpochScore, Finding, Interval, ModelPart, TrainResult

BETTER, WORSE, NOT_DISTINGUISHABLE = "better", "worse", "not distinguishable"
"""Verdicts on the difference of an arm to the baseline, or of a model to another model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSetup:
    """The set-up that all models of an experiment share.

    `encoder_runs` counts the texts and images that were encoded, without those found in the feature store.
    `encoder_parts` describes the encoders.
    """

    encoders: str
    labels: tuple[str, ...]
    train_pairs: int
    val_pairs: int
    split: str
    epochs: int
    seeds: tuple[int, ...]
    majority_accuracy: float
    encoder_runs: dict[str, int]
    device: str
    precision: str
    encoder_parts: tuple[ModelPart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The difference of an arm to the baseline on the same pairs, averaged over seeds. Values are shares, not per cent.

    Attributes:
        difference: arm minus baseline.
        interval: the 95 % interval of the difference.
        p: the two-sided p value of the difference.
        detectable: the smallest true difference that would be detected with 80 % power.
    """

    difference: float
    interval: Interval
    p: float
    detectable: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedScores:
    """The scores of an arm's S models at selected epochs. With one seed, standard deviations are 0."""

    accuracies: tuple[float, ...]
    macro_f1s: tuple[float, ...]
    accuracy_mean: float
    accuracy_sd: float
    macro_f1_mean: float
    macro_f1_sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedArm:
    """A row of a comparison: an arm, trained with S seeds. Tuples have one value per seed.

    Attributes:
        is_reference: True for text-only and image-only models, which are shown but not tested.
        nested: scores by nested selection: each validation pair is predicted by the epoch that is best on other pairs.
        best: scores of the epoch that is best on all validation pairs (optimistic).
        last: scores of the last epoch.
        accuracy_interval, macro_f1_interval: 95 % intervals of the nested scores.
        per_class: metrics of each class by nested selection, averaged over seeds.
        accuracy_difference, macro_f1_difference: the nested score of this arm minus the nested score of the baseline;
            None for the baseline itself and for references.
        p_adjusted: p value of `accuracy_difference`, adjusted for the number of arms by Holm's method.
        verdict: BETTER, WORSE or NOT_DISTINGUISHABLE, by `p_adjusted`.
        macro_f1_p_adjusted, macro_f1_verdict: the same for `macro_f1_difference`. Holm's method is applied to
            these p values separately.
        mcnemar: for each seed, the p value of McNemar's exact test.
        findings: reasons why the models of all seeds have learned too little.
        layer: the fusion, in words and symbols.
    """

    name: str
    fusion: str
    augmentation: str
    is_reference: bool
    seeds: tuple[int, ...]
    trainable_parameters: int
    nested: SeedScores
    best: SeedScores
    last: SeedScores
    accuracy_interval: Interval
    macro_f1_interval: Interval
    best_epochs: tuple[int, ...]
    best_train_losses: tuple[float, ...]
    best_val_losses: tuple[float, ...]
    per_class: tuple[ClassMetrics, ...]
    curves: tuple[tuple[EpochScore, ...], ...]
    accuracy_difference: Difference | None = None
    macro_f1_difference: Difference | None = None
    p_adjusted: float | None = None
    verdict: str | None = None
    macro_f1_p_adjusted: float | None = None
    macro_f1_verdict: str | None = None
    mcnemar: tuple[float, ...] = ()
    findings: tuple[Finding, ...] = ()
    layer: ModelPart | None = None


WORDS = {"none": "no augmentation"}
"""For arms whose name would be misread in a sentence, the words to use instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult(Tabular):
    """A finished `compare-fusions` or `augment-compare`. `arms` has the text-only and the image-only arm last."""

    TABLES: ClassVar = {"arms": arm_scores, "epochs": arm_epochs, "classes": arm_records("per_class")}

    experiment: str
    baseline: str
    setup: SharedSetup
    arms: tuple[ComparedArm, ...]
    notes: tuple[str, ...] = ()

    @property
    def chosen(self) -> ComparedArm:
        """The arm to use: the best one that is better than the baseline, or else the baseline."""
        baseline = next(arm for arm in self.arms if arm.name == self.baseline)
        better = [arm for arm in self.arms if arm.verdict == BETTER]
        return max(better, key=lambda arm: arm.nested.accuracy_mean, default=baseline)

    def in_words(self) -> "CompareResult":
        """Return the result for use in sentences: the arm `none` is called "no augmentation"."""
        arms = tuple(replace(arm, name=WORDS.get(arm.name, arm.name)) for arm in self.arms)
        return replace(self, baseline=WORDS.get(self.baseline, self.baseline), arms=arms)


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationArm:
    """A row of an ablation.

    `inputs` is what the model gets: both, text or image. `method` is how the other modality was removed: none, zero,
    mean, permuted, missing (the model's learned embedding of a missing modality) or retrained.
    """

    name: str
    inputs: str
    method: str
    accuracy: float
    macro_f1: float
    interval: Interval
    macro_f1_interval: Interval
    per_class: tuple[ClassMetrics, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Shares of pairs for which the text-only, image-only, both or neither prediction is correct. Their sum is 1."""

    method: str
    both_right: float
    only_text_right: float
    only_image_right: float
    neither_right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapley:
    """The contribution of text and image to the accuracy, by one method. `nothing` is the accuracy without any input.

    `nothing + text + image` is the accuracy with text and image.
    """

    method: str
    nothing: float
    text: float
    image: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Emap:
    """The accuracy of the model without the interaction of text and image (EMAP, arXiv 2010.06572).

    It is measured on `pairs` validation pairs. `full_accuracy` and `full_macro_f1` are the scores of the whole model on
    the same pairs. `changed` is the share of predictions that differ. `difference` is the accuracy of the whole model
    minus the accuracy of the model without the interaction.
    """

    pairs: int
    accuracy: float
    macro_f1: float
    full_accuracy: float
    full_macro_f1: float
    changed: float
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class AblateResult(Tabular):
    """The result of `ablate`: the checkpoint, its evaluated pairs, and the effect of removing a modality.

    Attributes:
        members: the members of an ensemble; empty for a single model.
        folds: the number of folds if the pairs were predicted out of fold, else 0.
        epoch: the epoch of the model; for an ensemble, the number of epochs of its models.
        findings: reasons why the model has learned too little, and modalities that it ignores.
    """

    TABLES: ClassVar = {
        "arms": arm_scores,
        "classes": arm_records("per_class"),
        "agreements": records("agreements"),
        "shapley": records("shapley"),
    }

    checkpoint: str
    trained_by: str
    epoch: int
    encoders: str
    fusion: str
    labels: tuple[str, ...]
    source: str
    val_pairs: int
    majority_accuracy: float
    arms: tuple[AblationArm, ...]
    agreements: tuple[Agreement, ...]
    shapley: tuple[Shapley, ...]
    emap: Emap
    members: tuple[str, ...] = ()
    folds: int = 0
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """A trial of a tuning. `number` counts the trials from 0; reports count from 1.

    `state` is complete or pruned. Scores are means over seeds at the best epoch (optimistic). `best_epoch` is for the
    first seed. `phase` is rates or decays for the strategy sequence, else the name of the strategy. `curves` has an
    entry for each seed.
    """

    number: int
    phase: str
    settings: dict[str, float | int | str]
    state: str
    accuracy: float
    macro_f1: float
    interval: Interval
    best_epoch: int
    train_loss: float
    val_loss: float
    curves: tuple[tuple[EpochScore, ...], ...]
    macro_f1_interval: Interval = (0.0, 1.0)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneResult(Tabular):
    """The result of `tune`: trials in order, the best trial, and its difference to the second best one.

    Attributes:
        best: the number of the complete trial with the best monitored metric. If several trials tie, the lowest
            validation loss decides, then the highest macro-F1.
        ties: the numbers of all trials with the best metric, the best one included.
        undecided: the numbers of the other complete trials that differ from the best trial neither in accuracy nor in
            macro-F1, with p values that are adjusted for all trials by Holm's method.
        runner_up: the number of the second best trial; None with a single complete trial.
        difference: best minus runner-up on the same pairs; None with a single complete trial.
        verdict: BETTER, WORSE or NOT_DISTINGUISHABLE; empty with a single complete trial.
        best_config: the file in the run folder for `mmsent train --config`.
    """

    TABLES: ClassVar = {"trials": trial_records, "epochs": trial_epochs}

    strategy: str
    fusion: str
    setup: SharedSetup
    trials: tuple[TrialResult, ...]
    best: int
    best_config: str
    runner_up: int | None = None
    difference: Difference | None = None
    verdict: str = ""
    macro_f1_difference: Difference | None = None
    macro_f1_verdict: str = ""
    ties: tuple[int, ...] = ()
    undecided: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionRow:
    """A row of `compare-fusions --list`: a fusion layer. `parameters` counts the parameters of fusion and heads."""

    name: str
    summary: str
    formula: str
    source: str
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTrial:
    """A published tuning step: its setting in words, and its best accuracy, or None if it was not published.

    `trial` is the number of the trial of `mmsent paper` that has the same setting, or None.
    """

    name: str
    accuracy: float | None
    trial: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedArm:
    """The published scores of a model. `name` is the name of the arm of mmsent that repeats this model."""

    name: str
    accuracy: float
    epoch: int | None = None
    train_loss: float | None = None
    val_loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The published scores of the best epochs, as shares from 0 to 1.

    Attributes:
        name: name of the published work, for use in a sentence.
        source: publication of the scores.
        set_up: encoders and training, in a few words.
        val_pairs: number of validation pairs.
        tune: tuning steps in order.
        train: accuracy of the trained model.
        ablation: accuracy by input (both, text, image). The feature of the other modality is set to zero.
        fusions, augmentation: rows of the comparisons in the published order.
        repeated: accuracies of several runs with the same setting, which show the variation by chance.
    """

    name: str
    source: str
    set_up: str
    val_pairs: int
    tune: tuple[PublishedTrial, ...]
    train: float
    ablation: Mapping[str, float]
    fusions: tuple[PublishedArm, ...]
    augmentation: tuple[PublishedArm, ...]
    repeated: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperResult:
    """The results of the repeated experiments, and the published scores."""

    tune: TuneResult
    train: TrainResult
    ablate: AblateResult
    fusions: CompareResult
    augmentation: CompareResult
    published: Published

    @property
    def steps(self) -> dict[str, TuneResult | TrainResult | AblateResult | CompareResult]:
        """The results of the experiments in order, by name."""
        return {
            "tune": self.tune,
            "train": self.train,
            "ablate": self.ablate,
            "fusions": self.fusions,
            "augmentation": self.augmentation,
        }
