"""What a builder of an encoder is asked for."""

from dataclasses import dataclass

from mmsent_cli.encoders.weights.source import WeightSource


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One encoder to build.

    Attributes:
        argument: the part after `hf:` or `timm:`, else empty.
        max_length_tokens: longest text wanted; an encoder with a shorter context uses its own.
        image_size_px: image side wanted, None for the encoder's native one.
        cleaning: text cleaning steps.
        vocabulary: words of the training split, for an encoder that starts from scratch.
        weights: where pretrained weights may come from.
    """

    argument: str = ""
    max_length_tokens: int = 128
    image_size_px: int | None = None
    cleaning: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] | None = None
    weights: WeightSource
