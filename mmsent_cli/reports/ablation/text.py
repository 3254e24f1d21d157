"""An ablation in words: what each modality is worth to this model, how sure that is, how it was measured."""

from collections.abc import Iterator

from mmsent_cli.reports.ablation.tables import METHODS, used_methods
from mmsent_cli.reports.format import (
    in_pairs,
    is_shown,
    listed,
    number_interval,
    percent,
    points,
    points_interval,
    size,
)
from mmsent_cli.results import AblateResult

QUESTION = "What do the text and the image contribute to this model?"
PREFERRED = ("permuted", "mean", "zero", "missing", "retrained")
"""Which way of taking a modality away is spoken of. Not first the stand-in, which a model without modality dropout has
never learned, nor other models than this one."""


def headline(result: AblateResult) -> str:
    """The answer in one sentence."""
    method = preferred_method(result)
    views = {arm.view: arm for arm in result.arms if arm.method in (method, "none")}
    named = {"both": "both", "text": "the text alone", "image": "the image alone"}
    return ", ".join(
        f"{'with ' if place == 0 else ''}{name} {percent(views[view].accuracy)}"
        for place, (view, name) in enumerate((view, name) for view, name in named.items() if view in views)
    ).capitalize()


def findings_text(result: AblateResult) -> list[str]:
    """The figures behind the answer and their uncertainty, a paragraph each."""
    return [*_views(result), *_shapley(result), *_agreement(result), *_emap(result), _optimism(result)]


def methods_text(result: AblateResult) -> list[str]:
    """What was measured, on what, and what the figures can and cannot show."""
    ways = listed([f"{words} ({name})" for name, words in METHODS.items() if name in used_methods(result)], "or")
    return [
        f"One trained model, {result.checkpoint} ({result.encoders}, {result.fusion}; trained by {result.trained_by}, "
        f"epoch {result.epoch}), is asked about the same {result.val_pairs:,} pairs ({result.source}) again and "
        f"again, each time with one modality taken away: {ways}.",
        "A feature of zeros is the way of most published ablations. The model has never seen such an input, so part of "
        "what is lost may be surprise rather than missing information. The training mean and another pair's feature "
        "lie closer to what it knows; only a model trained without the modality shows what the other can do alone.",
        "Shapley contributions share out the accuracy between the modalities, mean over both orders of adding them. "
        "EMAP (arXiv 2010.06572) replaces the model by the best sum of a function of the text and a function of the "
        "image: what is lost by that is what the interaction between text and image is worth.",
        "The intervals cover the choice of pairs. They do not cover another seed, another split, or another data set.",
    ]


def preferred_method(result: AblateResult) -> str:
    """The way of taking a modality away that the answer speaks of."""
    return next((method for method in PREFERRED if method in used_methods(result)), "none")


def _views(result: AblateResult) -> Iterator[str]:
    method = preferred_method(result)
    arms = [arm for arm in result.arms if arm.method in (method, "none")]
    intervals = [f"{arm.view} {number_interval(arm.interval)} %" for arm in arms]
    majority = f"Always answering the most frequent class gives {percent(result.majority_accuracy)}."
    if intervals:
        how = f" (the other one: {METHODS[method]})" if method in METHODS else ""
        yield f"95 % intervals{how}: {listed(intervals)}. {majority}"


def _shapley(result: AblateResult) -> Iterator[str]:
    for one in result.shapley:
        if one.method == preferred_method(result):
            yield (
                f"Shared out between them (Shapley), the text is worth {points(one.text)} and the image "
                f"{points(one.image)} points above the {percent(one.nothing)} of a model that sees neither."
            )


def _agreement(result: AblateResult) -> Iterator[str]:
    for one in result.agreements:
        if one.method == preferred_method(result):
            yield (
                f"Only the text is right on {percent(one.only_text_right)} of the pairs, only the image on "
                f"{percent(one.only_image_right)}, neither on {percent(one.neither_right)}. Whoever always knew which "
                f"one to trust would reach {percent(1 - one.neither_right)}."
            )


def _emap(result: AblateResult) -> Iterator[str]:
    emap, gap = result.emap, result.emap.difference
    meaning = (
        "so the interaction between text and image counts"
        if is_shown(gap.interval) and gap.difference > 0
        else "so the interaction between text and image does harm"
        if is_shown(gap.interval)
        else f"so an interaction is not shown; one worth {size(gap.detectable)} or more would be, four times in five"
    )
    yield (
        f"Without any interaction between text and image the model would have {percent(emap.accuracy)} in place of "
        f"{percent(emap.full_accuracy)} on {emap.pairs:,} pairs: {points(gap.difference)} points "
        f"({in_pairs(gap.difference, emap.pairs)}), 95 % interval {points_interval(gap.interval)}, {meaning}."
    )


def _optimism(result: AblateResult) -> str:
    return (
        f"Epoch {result.epoch} of this model was chosen for its figure with both modalities. If that was on these same "
        "pairs, the figure with both is optimistic, and what is lost without a modality a little too large."
    )
