"""Build the initial models for given seeds. Pretrained encoders are loaded once."""

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
    """Builds the models of a plan. They share frozen stages of pretrained encoders, and have copies of trained ones.

    Args:
        plan: pairs and settings of all models.

    Attributes:
        vocabulary: words of the training split, for a text encoder that is trained from scratch; else None.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.vocabulary = _vocabulary(plan)
        self._pretrained: dict[Hashable, Encoder] = {}

    def model(self, config: ResolvedModel, seed: int) -> SentimentModel:
        """Build an initial model. The initial weights of fusion and head depend on the seed only.

        Raises:
            MmsentError: weights are not available, or the fusion cannot use the encoders.
        """
        seed_everything(seed)
        text, image = self._encoders(config)
        seed_everything(seed)
        return assemble(config, len(self.plan.dataset.labels), text, image)

    def _encoders(self, config: ResolvedModel) -> tuple[Encoder, Encoder]:
        """Build the text encoder and the image encoder of a new model.

        If the image encoder is trained from scratch, the text encoder is always built anew, since the initial weights
        of the image encoder depend on the random numbers that building the text encoder uses.
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
        """Return a copy of the encoder with this key. It is built at the first use; with None, at every use."""
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
