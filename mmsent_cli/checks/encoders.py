"""The tokenizers and the image size of the encoders that a training would use. Nothing is downloaded for a check."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mmsent_cli.config import ResolvedModel
from mmsent_cli.encoders.inputs import TextInputs, build_vocabulary
from mmsent_cli.encoders.registry import (
    auxiliary_place,
    build_auxiliary_encoder,
    build_image_encoder,
    build_text_encoder,
)
from mmsent_cli.encoders.text.light import MAX_WORDS, MIN_COUNT
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.ensemble import auxiliary_encoders
from mmsent_cli.errors import WeightsUnavailable
from mmsent_cli.results import ERROR, OK, WARNING, CheckOutcome

FROM_THE_HUB = ("bert", "clip", "hf", "resnet18", "timm", "twitter-roberta")
"""Encoders whose weights training downloads where they are missing."""


@dataclass(slots=True)
class Readers:
    """What reads the pairs.

    Attributes:
        texts: tokenizers of the text encoders by name: that of the model, then those that only probes use.
        image_size_px: side of the square that the image encoder reads; None where it is unknown.
        problems: a line for each encoder that cannot be loaded.
        stops: whether training could not load it either.
    """

    texts: dict[str, TextInputs] = field(default_factory=dict)
    image_size_px: int | None = None
    problems: list[str] = field(default_factory=list)
    advice: str = ""
    stops: bool = False

    def outcome(self, model: ResolvedModel) -> CheckOutcome:
        """Whether the weights of all encoders are on this machine."""
        loaded = [name for name in (model.text_encoder, model.image_encoder) if name != "light"]
        return CheckOutcome(
            check="weights",
            level=ERROR if self.stops else WARNING if self.problems else OK,
            message="; ".join(self.problems)
            or (f"the weights of {' and '.join(loaded)} are on this machine" if loaded else "light needs no weights"),
            rule="error if weights can neither be found nor downloaded",
            advice=self.advice,
        )


def open_readers(
    model: ResolvedModel, weights: WeightSource, needs: Sequence[str], training_texts: Sequence[str]
) -> Readers:
    """Load the encoders that a training would use, and keep their tokenizers and the size of their images.

    Args:
        model: the model that would be trained.
        weights: where to look for weights.
        needs: the modalities that the model reads.
        training_texts: texts of the training pairs, from which `light` takes its vocabulary.
    """
    readers, here = Readers(), replace(weights, offline=True)
    if "text" in needs:
        _open_text(readers, model, here, weights, training_texts)
    if "image" in needs:
        try:
            readers.image_size_px = build_image_encoder(model, here).inputs.image_size_px
        except WeightsUnavailable as error:
            _note(readers, error, model.image_encoder, weights)
    for name in auxiliary_encoders(model.probes):
        encoder = auxiliary_place(name)[1]
        try:
            inputs = build_auxiliary_encoder(name, model, here).inputs
        except WeightsUnavailable as error:
            _note(readers, error, encoder, weights)
        else:
            readers.texts |= {encoder: inputs} if isinstance(inputs, TextInputs) else {}
    return readers


def _open_text(
    readers: Readers, model: ResolvedModel, here: WeightSource, weights: WeightSource, texts: Sequence[str]
) -> None:
    vocabulary = None
    if model.text_encoder == "light":
        vocabulary = build_vocabulary(texts, model.text_cleaning, MAX_WORDS, MIN_COUNT)
    try:
        readers.texts[model.text_encoder] = build_text_encoder(model, here, vocabulary).inputs
    except WeightsUnavailable as error:
        _note(readers, error, model.text_encoder, weights)


def _note(readers: Readers, error: WeightsUnavailable, encoder: str, weights: WeightSource) -> None:
    """Keep why an encoder cannot be loaded. Without `--offline`, training downloads what is on the hub."""
    is_downloaded = encoder.partition(":")[0] in FROM_THE_HUB and not weights.offline
    more = "; training downloads them, if the hub can be reached" if is_downloaded else ""
    readers.problems.append(f"{error.message}{more}; what {encoder} reads was not measured")
    readers.advice = "see mmsent env" if is_downloaded else error.hint
    readers.stops = readers.stops or not is_downloaded
