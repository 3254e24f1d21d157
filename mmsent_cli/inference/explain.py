"""Explain a prediction, by occlusion or by integrated gradients.

Occlusion explains single models and ensembles. The score of a word or an image region is the drop in the probability of
the explained class if the word or region is left out. Each such variant of the pair is predicted by the whole model.
The shares of the modalities are Shapley values. Captum computes scores and shares. Source: Zeiler and Fergus 2014,
arXiv 1311.2901; Li et al. 2016, arXiv 1612.08220.

Integrated gradients explain a single model. Gradients are integrated from an empty pair to the pair, at the output of
each encoder's first stage: the embeddings of words, and the first feature map or the patches of an image. The empty
text has padding in place of its words, and the empty image has the image's mean color. The scores add up to the
difference of the two probabilities. Captum computes the scores. Source: Sundararajan et al. 2017, arXiv 1703.01365.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from mmsent_cli.config.command_settings import ExplainSettings
from mmsent_cli.data.images import decode_whole
from mmsent_cli.data.pairs import ImageFile, Pair
from mmsent_cli.data.text import clean
from mmsent_cli.encoders.contract import Activations, Encoded, Encoder
from mmsent_cli.encoders.inputs import TextInputs
from mmsent_cli.errors import ConfigError
from mmsent_cli.extras import EXPLAIN, require_extra
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.model import MODALITIES, SentimentModel
from mmsent_cli.results import Explanation, ModalityShares, Prediction, WordScore

STEPS = 32
"""Number of points between the empty pair and the pair at which gradients are computed."""
STEPS_AT_ONCE = 8

Scores = tuple[tuple[WordScore, ...], tuple[tuple[float, ...], ...]]


def gradient_scores(predictor: Predictor, pair: Pair, label: str, grid: int) -> Scores:
    """Compute the scores of the words and of the image regions of one pair by integrated gradients.

    Args:
        predictor: a single model.
        pair: a pair with a text, an image, or both.
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
    """Compute the integrated gradients of the probability of class `target`.

    Returns them by modality. They have the shapes of `inputs`.
    """
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
    """Compute the feature of a modality from the output of its encoder's first stage.

    If `values` is None, return the feature that the model has learned for a missing modality.
    """
    if values is None:
        return Encoded(getattr(model, f"missing_{name}").expand(rows, -1))
    encoder: Encoder = getattr(model, name)
    return encoder.suffix(Activations(values, mask.expand(rows, -1) if name == "text" else None), 1)


@torch.no_grad()
def _first_stage(encoder: Encoder, values: Tensor, mask: Tensor | None) -> Tensor:
    encoder.to(values.device)
    return encoder.prefix(Activations(values, mask), 1).values.float()


def _without_words(inputs: TextInputs, text: str, ids: Tensor) -> Tensor:
    """Return the token ids with padding in place of words. Special tokens are kept."""
    is_special = torch.tensor(_encoding(inputs, text).special_tokens_mask or [0], device=ids.device).bool()
    return torch.where(is_special, ids, inputs.pad_id)


def _word_scores(inputs: TextInputs, text: str, attributions: Tensor) -> tuple[WordScore, ...]:
    """Convert the scores [1, T, D] of T tokens (D numbers each) to one score for each word of the cleaned text."""
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
    """Sum the scores of a feature map [1, channels, H, W], or of T patches [1, T, D], over the cells of a grid."""
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


IMAGE_SIDE_PX = 512
"""Length of the longer side of an image whose regions are covered. Probes that read words in images use this size too.
"""
MAX_PARTS = 120
"""Maximum number of parts of a text that are left out one by one. In a longer text, neighbouring words form one
part."""
VARIANTS_AT_ONCE = 64
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Letters of scripts without spaces between words: Thai, Lao, Burmese, Japanese and Chinese."""
WORD = re.compile(f"[{UNSPACED}]|[^\\s{UNSPACED}]+")


class Explainer:
    """Explains the predictions of one model.

    Args:
        predictor: the model.
        settings: method, grid and class.

    Raises:
        ConfigError: Captum is not installed, the class is unknown, or the method does not suit the model.
    """

    def __init__(self, predictor: Predictor, settings: ExplainSettings) -> None:
        labels = predictor.description.labels
        require_extra(*EXPLAIN)
        if settings.label is not None and settings.label not in labels:
            raise ConfigError(f"the model has no class {settings.label!r}", f"its classes are {', '.join(labels)}")
        if settings.method == "gradients" and predictor.ensemble.stacker is not None:
            raise ConfigError(
                "--method gradients needs a single model, and this checkpoint is an ensemble", "use --method occlusion"
            )
        self.predictor = predictor
        self.settings = settings

    def explain(self, pair: Pair) -> Explanation:
        """Explain one pair.

        Args:
            pair: a pair with a text, an image, or both.

        Raises:
            DataError: the image cannot be read.
        """
        pair = self._with_small_image(pair)
        (prediction,) = self.predictor.predict([pair])
        label = self.settings.label or prediction.tag
        words, regions = self._parts(pair, label)
        return Explanation(
            guid=pair.guid,
            text=pair.text or "",
            label=label,
            predicted=prediction.tag,
            probabilities=prediction.probabilities,
            missing=prediction.missing,
            shares=self._shares(pair, label),
            words=words,
            regions=regions,
            members=self.predictor.votes(pair),
        )

    def _parts(self, pair: Pair, label: str) -> tuple[tuple[WordScore, ...], tuple[tuple[float, ...], ...]]:
        """Compute the scores of the words and of the image regions by the chosen method."""
        if self.settings.method == "gradients":
            return gradient_scores(self.predictor, pair, label, self.settings.grid)
        return self._word_scores(pair, label), self._region_scores(pair, label)

    def _word_scores(self, pair: Pair, label: str) -> tuple[WordScore, ...]:
        text = pair.text
        if text is None:
            return ()
        parts = split_text(text)
        scores = self._ablate(len(parts), label, lambda kept: replace(pair, text=_without(text, parts, kept)))
        return tuple(
            WordScore(word=text[start:end], score=float(score))
            for (start, end), score in zip(parts, scores, strict=True)
        )

    def _region_scores(self, pair: Pair, label: str) -> tuple[tuple[float, ...], ...]:
        if pair.image is None:
            return ()
        pixels, grid = decode_whole(pair.image, IMAGE_SIDE_PX), self.settings.grid
        fill = pixels.mean(axis=(0, 1)).round().astype(np.uint8)

        def covered(kept: np.ndarray) -> Pair:
            return replace(pair, image=_as_png(cover(pixels, kept.reshape(grid, grid), fill)))

        scores = self._ablate(grid * grid, label, covered).reshape(grid, grid)
        return tuple(tuple(float(score) for score in row) for row in scores)

    def _shares(self, pair: Pair, label: str) -> ModalityShares:
        """Compute the Shapley value of each modality. It is 0 for a modality that the pair lacks."""
        from captum.attr import ShapleyValues

        def without(kept: np.ndarray) -> Pair:
            return replace(pair, **{name: None for name, stays in zip(MODALITIES, kept, strict=True) if not stays})

        score = self._scorer(label, without)
        both = _ones(len(MODALITIES))
        text, image = ShapleyValues(score).attribute(both, perturbations_per_eval=2)[0].tolist()
        return ModalityShares(nothing=float(score(both * 0)[0]), text=text, image=image)

    def _ablate(self, parts: int, label: str, variant: Callable[[np.ndarray], Pair]) -> np.ndarray:
        """Return one number for each of `parts` parts: the drop in the class probability if the part is left out."""
        from captum.attr import FeatureAblation

        ablation = FeatureAblation(self._scorer(label, variant))
        return ablation.attribute(_ones(parts), perturbations_per_eval=VARIANTS_AT_ONCE)[0].numpy()

    def _scorer(self, label: str, variant: Callable[[np.ndarray], Pair]) -> Callable:
        """Return a function that computes the probability of the class for B variants of a pair.

        The argument of the function has the shape [B, parts]: 1 for a part that the variant keeps, else 0. The result
        has the shape [B].
        """

        def score(kept: torch.Tensor) -> torch.Tensor:
            pairs = [variant(row.numpy() > 0) for row in kept]
            return torch.tensor(
                [self._probability(answer, label) for answer in self.predictor.predict(pairs)], dtype=torch.float64
            )

        return score

    def _probability(self, answer: Prediction, label: str) -> float:
        """Return the probability of the class `label`.

        If the fusion gives NaN for an empty pair, return the same probability for all classes.
        """
        probability = answer.probabilities[label]
        return probability if np.isfinite(probability) else 1 / len(answer.probabilities)

    def _with_small_image(self, pair: Pair) -> Pair:
        """Return the pair with a smaller image, as in its variants. So variants differ only in the covered regions."""
        if pair.image is None:
            return pair
        return replace(pair, image=_as_png(decode_whole(pair.image, IMAGE_SIDE_PX)))


def split_text(text: str) -> list[tuple[int, int]]:
    """Return the start and the end of each word in a text. In scripts without spaces, each letter counts as a word.

    If a text has more than `MAX_PARTS` words, neighbouring words are joined into parts of equal size.
    """
    words = [match.span() for match in WORD.finditer(text)]
    size = -(-len(words) // MAX_PARTS) or 1
    groups = [words[start : start + size] for start in range(0, len(words), size)]
    return [(group[0][0], group[-1][1]) for group in groups]


def cover(pixels: np.ndarray, kept: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """Cover cells of a grid over an image.

    Args:
        pixels: uint8 [H, W, 3].
        kept: bool [rows, columns], False for the cells to cover.
        fill: color of the cover, uint8 [3].
    """
    rows, columns = (np.arange(side) * cells // side for side, cells in zip(pixels.shape, kept.shape, strict=False))
    is_kept = kept[rows[:, None], columns[None, :]]  # [H, W]
    return np.where(is_kept[..., None], pixels, fill)


def _without(text: str, parts: Sequence[tuple[int, int]], kept: np.ndarray) -> str | None:
    """Return the text with only the kept parts; None if nothing is left."""
    pieces, end = [], 0
    for (start, stop), stays in zip(parts, kept, strict=True):
        pieces += [text[end:start], text[start:stop] if stays else ""]
        end = stop
    return ("".join(pieces) + text[end:]).strip() or None


def _as_png(pixels: np.ndarray) -> ImageFile:
    """Encode pixels uint8 [H, W, 3] as PNG bytes."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _ones(parts: int) -> torch.Tensor:
    return torch.ones(1, parts, dtype=torch.float64)
