"""Models as their seed begins them; pretrained encoders are read once."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from mmsent_cli.config import ResolvedModel
from mmsent_cli.data.split import apply_split
from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.encoders.inputs import build_vocabulary
from mmsent_cli.encoders.registry import (
    IMAGE_ENCODERS,
    TEXT_ENCODERS,
    build_image_encoder,
    build_text_encoder,
    is_pretrained,
)
from mmsent_cli.encoders.text.light import MAX_WORDS, MIN_COUNT
from mmsent_cli.model import SentimentModel, assemble
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.seeds import seed_everything

AnyEncoder = TypeVar("AnyEncoder", bound=Encoder)


class ModelFactory:
    """Builds the models of one plan. A model copies what it trains of a pretrained encoder, and shares what is frozen.

    Args:
        plan: what all models have in common.

    Attributes:
        vocabulary: words of the training split, for a text encoder that starts from scratch; else None.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.vocabulary = _vocabulary(plan)
        self._pretrained: dict[Hashable, Encoder] = {}

    def model(self, config: ResolvedModel, seed: int) -> SentimentModel:
        """A model before its first step. The seed alone decides fusion and head, whatever the encoders drew.

        Raises:
            MmsentError: weights that are not available, or encoders that do not suit the fusion.
        """
        seed_everything(seed)
        text, image = self._encoders(config)
        seed_everything(seed)
        return assemble(config, len(self.plan.dataset.labels), text, image)

    def _encoders(self, config: ResolvedModel) -> tuple[Encoder, Encoder]:
        """The text and the image encoder of a new model.

        The first weights of an image encoder from scratch follow from the random numbers that the text encoder drew
        while it was built, so it is then built again even if it is pretrained.
        """
        has_pretrained_image = is_pretrained(config.image_encoder, IMAGE_ENCODERS)
        text_key = ("text", config.text_encoder, config.freeze_text, config.max_length_tokens, config.text_cleaning)
        image_key = ("image", config.image_encoder, config.freeze_image, config.image_size_px)
        return (
            self._encoder(
                text_key if has_pretrained_image and is_pretrained(config.text_encoder, TEXT_ENCODERS) else None,
                lambda: build_text_encoder(config, self.plan.weights, self.vocabulary),
            ),
            self._encoder(
                image_key if has_pretrained_image else None,
                lambda: build_image_encoder(config, self.plan.weights),
            ),
        )

    def _encoder(self, key: Hashable | None, build: Callable[[], AnyEncoder]) -> Encoder:
        """A copy of the encoder that was built under this key before; with key None, one that is built now."""
        if key is None:
            return build()
        if key not in self._pretrained:
            self._pretrained[key] = build()
        return self._pretrained[key].copy()


def _vocabulary(plan: Plan) -> tuple[str, ...] | None:
    """Words of the training split, where the text encoder starts from scratch."""
    model = plan.config.model
    if model.text_encoder != "light":
        return None
    texts = [pair.text or "" for pair in apply_split(plan.split, plan.dataset.pairs)[0]]
    return build_vocabulary(texts, model.text_cleaning, MAX_WORDS, MIN_COUNT)
