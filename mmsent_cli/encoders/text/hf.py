"""Build any Hugging Face text encoder by name or folder, including CLIP's text tower."""

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.stages import MeanPool
from mmsent_cli.encoders.text import bert, clip
from mmsent_cli.encoders.weights.source import model_type_of
from mmsent_cli.errors import ConfigError

HINT = "choose an encoder such as hf:roberta-base"
WITH_DECODER = ("bart", "blenderbot", "fsmt", "led", "marian", "mbart", "mt5", "pegasus", "t5", "umt5")
"""Types of models with a decoder. They need more inputs than a text."""


def build(request: BuildRequest) -> Encoder:
    """Build a text encoder. The features are the mean over the real tokens, or for CLIP the text embedding.

    Raises:
        ConfigError: the model reads no texts, or needs more than a text.
        WeightsUnavailable: the weights are not on this machine and cannot be downloaded, or cannot be read.
    """
    source = request.argument
    model_type = model_type_of(source, request.weights, "text")
    if model_type == "clip":
        return clip.build_named(request, source, f"hf:{source}")
    if model_type in WITH_DECODER:
        raise ConfigError(f"{source} ({model_type}) has a decoder and cannot be used as a text encoder", HINT)
    return bert.build_named(request, source, f"hf:{source}", MeanPool())
