"""Integrated gradients of a single model: which words and image regions raise the probability of a class.

Gradients are integrated from an empty pair to the pair, in the output of each encoder's first stage: the embeddings of
words, and the first feature map or the patches of an image. The empty text has padding in place of its words, the empty
image is its mean color. The scores add up to the difference of the two probabilities.
Source: Sundararajan et al. 2017, arXiv 1703.01365; computed by Captum.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.text import clean
from mmsent_cli.encoders.contract import Activations, Encoded, Encoder
from mmsent_cli.encoders.inputs import TextInputs
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.model import MODALITIES, SentimentModel
from mmsent_cli.results import WordScore

STEPS = 32
"""Points on the way from the empty pair to the pair."""
STEPS_AT_ONCE = 8

Scores = tuple[tuple[WordScore, ...], tuple[tuple[float, ...], ...]]


def gradient_scores(predictor: Predictor, pair: Pair, label: str, grid: int) -> Scores:
    """Return scores of the words and of the image regions of one pair.

    Args:
        predictor: a single model.
        pair: with a text, an image, or both.
        label: the explained class.
        grid: rows and columns of regions.
    """
    model, device = predictor.model, predictor.compute.device
    inputs: dict[str, Tensor] = {}
    empty: dict[str, Tensor] = {}
    mask = torch.ones(1, 1, dtype=torch.bool, device=device)
    if pair.text is not None and "text" in model.modalities:
        ids = torch.from_numpy(model.text.inputs.arrays([pair.text])[0]).long().to(device)[None]  # [1, T]
        mask = torch.ones_like(ids, dtype=torch.bool)
        inputs["text"] = _first_stage(model.text, ids, mask)
        empty["text"] = _first_stage(model.text, _without_words(model.text.inputs, pair.text, ids), mask)
    if pair.image is not None and "image" in model.modalities:
        pixels = torch.from_numpy(model.image.inputs.arrays([pair.image])[0]).to(device)[None]  # [1, 3, H, W]
        inputs["image"] = _first_stage(model.image, pixels, None)
        mean = pixels.float().mean(dim=(2, 3), keepdim=True).round().to(pixels.dtype)
        empty["image"] = _first_stage(model.image, mean.expand_as(pixels), None)
    scores = _integrate(model, inputs, empty, mask, predictor.description.labels.index(label))
    words = _word_scores(model.text.inputs, pair.text or "", scores["text"]) if "text" in scores else ()
    return words, _regions(scores["image"], grid) if "image" in scores else ()


def _integrate(
    model: SentimentModel, inputs: Mapping[str, Tensor], empty: Mapping[str, Tensor], mask: Tensor, target: int
) -> dict[str, Tensor]:
    """Integrated gradients of the target's probability, by modality; shapes as `inputs`."""
    from captum.attr import IntegratedGradients

    names = tuple(inputs)

    def probability(*values: Tensor) -> Tensor:
        rows = len(values[0])
        given = dict(zip(names, values, strict=True))
        encoded = {name: _suffix(model, name, given.get(name), mask, rows) for name in MODALITIES}
        present = torch.tensor([[name in given for name in MODALITIES]], device=mask.device).expand(rows, -1)
        return model.classify(encoded["text"], encoded["image"], present).main.float().softmax(dim=1)

    found = IntegratedGradients(probability).attribute(
        tuple(inputs[name] for name in names),
        baselines=tuple(empty[name] for name in names),
        target=target,
        n_steps=STEPS,
        internal_batch_size=STEPS_AT_ONCE,
    )
    return {name: each.detach().float().cpu() for name, each in zip(names, found, strict=True)}


def _suffix(model: SentimentModel, name: str, values: Tensor | None, mask: Tensor, rows: int) -> Encoded:
    """The features of one modality from its first stage's output; the learned feature where there is none."""
    if values is None:
        return Encoded(getattr(model, f"missing_{name}").expand(rows, -1))
    encoder: Encoder = getattr(model, name)
    return encoder.suffix(Activations(values, mask.expand(rows, -1) if name == "text" else None), 1)


@torch.no_grad()
def _first_stage(encoder: Encoder, values: Tensor, mask: Tensor | None) -> Tensor:
    encoder.to(values.device)
    return encoder.prefix(Activations(values, mask), 1).values.float()


def _without_words(inputs: TextInputs, text: str, ids: Tensor) -> Tensor:
    """The token ids with padding in place of words; special tokens stay."""
    is_special = torch.tensor(_encoding(inputs, text).special_tokens_mask or [0], device=ids.device).bool()
    return torch.where(is_special, ids, inputs.pad_id)


def _word_scores(inputs: TextInputs, text: str, attributions: Tensor) -> tuple[WordScore, ...]:
    """Scores [1, T, D] of tokens as scores of words, in the cleaned text."""
    encoding, cleaned = _encoding(inputs, text), clean(text, inputs.cleaning)
    spans: dict[int, tuple[int, int]] = {}
    sums: dict[int, float] = {}
    for number, (start, end), score in zip(
        encoding.word_ids, encoding.offsets, attributions[0].sum(dim=-1).tolist(), strict=True
    ):
        if number is not None:
            first, last = spans.get(number, (start, end))
            spans[number] = min(first, start), max(last, end)
            sums[number] = sums.get(number, 0.0) + score
    return tuple(WordScore(word=cleaned[slice(*spans[number])], score=sums[number]) for number in spans)


def _encoding(inputs: TextInputs, text: str):  # the type of `tokenizers` is not exported
    return inputs.tokenizer.encode(clean(text, inputs.cleaning))


def _regions(attributions: Tensor, grid: int) -> tuple[tuple[float, ...], ...]:
    """Scores of a feature map [1, C, H, W] or of patches [1, T, D] as sums over the cells of a grid."""
    if attributions.dim() == 4:
        places = attributions.sum(dim=1, keepdim=True)  # [1, 1, H, W]
    else:
        each = attributions.sum(dim=-1)[0]
        side = math.isqrt(len(each))
        places = each[len(each) - side * side :].reshape(1, 1, side, side)  # without class token
    total = float(places.sum())
    cells = adaptive_avg_pool2d(places, grid)[0, 0].double().numpy()
    scale = total / cells.sum() if abs(cells.sum()) > np.finfo(np.float32).eps else 1.0
    return tuple(tuple(float(score) for score in row) for row in cells * scale)
