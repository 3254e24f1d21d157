"""The findings of an ablation in words: what each modality contributes to this model, and how certain that is."""

from collections.abc import Iterator

from mmsent_cli.reports.ablation.tables import METHODS, used_methods
from mmsent_cli.reports.format import (
    adding_up,
    excludes_zero,
    in_pairs,
    listed,
    number_interval,
    percent,
    points,
    points_interval,
    score_interval,
    size,
)
from mmsent_cli.results import AblateResult

QUESTION = "What do the text and the image contribute to this model?"
RETRAINED = "retrained"
PREFERRED = (RETRAINED, "permuted", "mean", "zero", "missing")
"""Which method the text is about. Models retrained on one modality come first: they are the fair comparison. Of the
others, the embedding of a missing modality comes last, because a model without modality dropout never learned it."""

REASONS = {
    RETRAINED: "a model that was trained on one modality is the fair comparison",
    "permuted": "the feature of another pair is one that the model knows; a feature of zeros or of means is unlike any "
    "in training, so it changes the accuracy for another reason as well",
}
"""Why the text is about a method."""


def headline(result: AblateResult) -> str:
    """Return the answer in one sentence."""
    method = preferred_method(result)
    arms = {arm.inputs: arm for arm in result.arms if arm.method in (method, "none")}
    alone = "a model of the {} alone" if method == RETRAINED else "the {} alone"
    named = {"both": "both", "text": alone.format("text"), "image": alone.format("image")}
    return ", ".join(
        f"{'with ' if place == 0 else ''}{named[inputs]} {percent(arms[inputs].accuracy)}"
        for place, inputs in enumerate(inputs for inputs in named if inputs in arms)
    ).capitalize()


def findings_text(result: AblateResult) -> list[str]:
    """Return paragraphs with the numbers behind the answer and their uncertainty."""
    accuracies = [*_accuracies(result), *_why(result), *_own_accuracies(result)]
    return [*accuracies, *_shapley(result), *_agreement(result), *_emap(result), *_optimism(result)]


def preferred_method(result: AblateResult) -> str:
    """Return the method of removal that the answer describes."""
    return next((method for method in PREFERRED if method in used_methods(result)), "none")


def _why(result: AblateResult) -> Iterator[str]:
    """Which of several ways of removal to report."""
    method = preferred_method(result)
    if method in REASONS and len(used_methods(result) - {"none"}) > 1:
        yield f"Report the row {method}: {REASONS[method]}."


def _own_accuracies(result: AblateResult) -> Iterator[str]:
    """Beside retrained models, this model without one modality."""
    method = next((each for each in PREFERRED[1:] if each in used_methods(result)), "")
    arms = {arm.inputs: arm for arm in result.arms if arm.method == method}
    if preferred_method(result) == RETRAINED and arms:
        accuracies = listed([f"the {inputs} alone {percent(arm.accuracy)}" for inputs, arm in arms.items()])
        yield f"This model itself, where the other modality is the {METHODS[method]}: {accuracies}."


def _accuracies(result: AblateResult) -> Iterator[str]:
    method = preferred_method(result)
    arms = [arm for arm in result.arms if arm.method in (method, "none")]
    intervals = [
        f"{arm.inputs} {number_interval(arm.interval)} % (macro-F1 {score_interval(arm.macro_f1_interval)})"
        for arm in arms
    ]
    majority = f"Always answering the most frequent class gives {percent(result.majority_accuracy)}."
    if intervals:
        how = f" (the other modality: {METHODS[method]})" if method in METHODS else ""
        yield f"95 % intervals{how}: {listed(intervals)}. {majority}"


def _shapley(result: AblateResult) -> Iterator[str]:
    for one in result.shapley:
        if one.method == preferred_method(result):
            nothing, text, image = adding_up((one.nothing, one.text, one.image))
            yield (
                f"By Shapley contributions, the text adds {points(text)} and the image {points(image)} points "
                f"to the {percent(nothing)} without either input."
            )


def _agreement(result: AblateResult) -> Iterator[str]:
    for one in result.agreements:
        if one.method == preferred_method(result):
            yield (
                f"Only the text is right on {percent(one.only_text_right)} of the pairs, only the image on "
                f"{percent(one.only_image_right)}, neither on {percent(one.neither_right)}. Choosing the right "
                f"modality for every pair would give {percent(1 - one.neither_right)}."
            )


def _emap(result: AblateResult) -> Iterator[str]:
    emap, gap = result.emap, result.emap.difference
    meaning = (
        "so the interaction between text and image contributes"
        if excludes_zero(gap.interval) and gap.difference > 0
        else "so the interaction between text and image is harmful"
        if excludes_zero(gap.interval)
        else f"so no interaction is shown; one of {size(gap.detectable)} or more would be detected four times in five"
    )
    yield (
        f"Without any interaction between text and image, accuracy would be {percent(emap.accuracy)} instead of "
        f"{percent(emap.full_accuracy)} on {emap.pairs:,} pairs: a difference of {points(gap.difference)} points "
        f"({in_pairs(gap.difference, emap.pairs)}), 95 % interval {points_interval(gap.interval)}, {meaning}."
    )


def _optimism(result: AblateResult) -> Iterator[str]:
    if result.folds:
        yield (
            f"Each pair was predicted by the part of the ensemble that was not trained on its fold, one of "
            f"{result.folds}: the models of this fold, and probes and a stacker that were fit on the other folds."
        )
    if result.members:
        return
    chosen = f"Epoch {result.epoch} of this model was chosen by its score with both modalities"
    if result.source == f"validation pairs of {result.trained_by}":
        yield (
            f"{chosen} on these same pairs, so the accuracy with both is optimistic, and the loss without a modality "
            "is slightly overestimated."
        )
    else:
        yield f"{chosen} on the validation pairs of its own run."
