"""Tables of all encoders by name, and the choice of encoders for `auto`. Defaults are in `config/defaults.py`.

To add an encoder, write its `build` function and add a row. The contract tests check every row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

from mmsent_cli.config import PROBES, ResolvedModel
from mmsent_cli.config.probe_names import NAMED, is_folder_name, plain_probe_name
from mmsent_cli.data.ocr import is_text_and_ocr
from mmsent_cli.encoders.contract import BuildRequest, Encoder, Inputs, frozen_stages
from mmsent_cli.encoders.image import clip as clip_image
from mmsent_cli.encoders.image import faces, lite0, resnet, timm
from mmsent_cli.encoders.image import hf as hf_image
from mmsent_cli.encoders.image import light as light_image
from mmsent_cli.encoders.inputs import ImageInputs, TextInputs
from mmsent_cli.encoders.text import bert, clip, hf, light, minilm, mpnet, twitter_roberta
from mmsent_cli.encoders.weights.source import CLIP, WeightSource, find_modality
from mmsent_cli.errors import WeightsUnavailable, unknown_name


@dataclass(frozen=True, slots=True)
class EncoderSpec(Generic[Inputs]):
    """An encoder: its build function, its summary, and the licence and source of its weights.

    `source` is empty for an encoder that the user names, such as `hf:NAME`.
    """

    build: Callable[[BuildRequest], Encoder[Inputs]]
    summary: str
    licence: str
    source: str = ""
    is_pretrained: bool = True


OWN = "MIT (this project)"
MINILM, MPNET = "all-MiniLM-L6-v2, arXiv 2002.10957", "all-mpnet-base-v2, arXiv 2004.09297"
LITE0 = "EfficientNet-Lite0 on ImageNet, arXiv 1905.11946"
TEXT_ENCODERS: dict[str, EncoderSpec[TextInputs]] = {
    "light": EncoderSpec(light.build, "embedding + BiGRU, from scratch", OWN, is_pretrained=False),
    "minilm": EncoderSpec(minilm.build, "MiniLM-L6, 384-d", "Apache-2.0", MINILM),
    "minilm-layers": EncoderSpec(
        minilm.build_layers, "MiniLM-L6, means of its last four layers, 1536-d", "Apache-2.0", MINILM
    ),
    "mpnet": EncoderSpec(mpnet.build, "MPNet-base, 768-d", "Apache-2.0", MPNET),
    "mpnet-layers": EncoderSpec(
        mpnet.build_layers, "MPNet-base, means of its last four layers, 3072-d", "Apache-2.0", MPNET
    ),
    "bert": EncoderSpec(bert.build, "bert-base-uncased, 768-d", "Apache-2.0", "bert-base-uncased, arXiv 1810.04805"),
    "clip": EncoderSpec(clip.build, "text encoder of CLIP ViT-B/32, 512-d", "MIT", f"{CLIP}, arXiv 2103.00020"),
    "twitter-roberta": EncoderSpec(
        twitter_roberta.build,
        "RoBERTa-base trained on tweets, means of its last four layers, 3072-d",
        "not stated by its authors",
        f"{twitter_roberta.NAME}, arXiv 2010.12421",
    ),
    "hf": EncoderSpec(hf.build, "any Hugging Face text encoder: hf:NAME or hf:FOLDER", "its own"),
}

IMAGE_ENCODERS: dict[str, EncoderSpec[ImageInputs]] = {
    "light": EncoderSpec(light_image.build, "4-layer CNN, from scratch", OWN, is_pretrained=False),
    "efficientnet-lite0": EncoderSpec(lite0.build, "EfficientNet-Lite0, 1280-d", "Apache-2.0", LITE0),
    "efficientnet-lite0-stages": EncoderSpec(
        lite0.build_stages, "EfficientNet-Lite0, means of its last stages as well, 1984-d", "Apache-2.0", LITE0
    ),
    "resnet18": EncoderSpec(
        resnet.build, "ResNet18, 512-d", "BSD-3-Clause", "torchvision, ResNet18 on ImageNet, arXiv 1512.03385"
    ),
    "clip": EncoderSpec(clip_image.build, "image encoder of CLIP ViT-B/32, 512-d", "MIT", f"{CLIP}, arXiv 2103.00020"),
    "timm": EncoderSpec(timm.build, "any timm network: timm:NAME or timm:FOLDER", "its own"),
    "hf": EncoderSpec(hf_image.build, "any Hugging Face image model: hf:NAME or hf:FOLDER", "its own"),
}

FOR_PROBES: dict[str, EncoderSpec[ImageInputs]] = {
    "faces": EncoderSpec(
        faces.build,
        "faces and their expressions, 20-d",
        "MIT",
        "CenterFace, arXiv 1911.03599; arXiv 1710.07557",
    ),
}
"""Image encoders that only probes can use."""

TABLES: dict[str, Mapping[str, EncoderSpec[Any]]] = {"text": TEXT_ENCODERS, "image": IMAGE_ENCODERS | FOR_PROBES}


def choose(device_type: str, weights: WeightSource) -> tuple[str, str]:
    """Return the encoders that `auto` means on this machine (clip, else compact, else light), and the reason."""
    if device_type == "cuda" and weights.has(CLIP):
        return "clip", "encoders: clip (its weights and a GPU are on this machine)"
    reason = "no GPU" if device_type != "cuda" else "no CLIP weights on this machine"
    try:
        minilm.published_weights(weights.cache)
        lite0.published_weights(weights.cache)
    except WeightsUnavailable as error:
        return "light", f"encoders: light ({reason}; not compact, since {error.message})"
    return "compact", f"encoders: compact ({reason}; its weights come with the package)"


def build_text_encoder(
    model: ResolvedModel, weights: WeightSource, vocabulary: tuple[str, ...] | None
) -> Encoder[TextInputs]:
    """Build the text encoder of a resolved configuration, and freeze its stages."""
    kind, argument = parse_name("text_encoder", model.text_encoder, TEXT_ENCODERS)
    encoder = TEXT_ENCODERS[kind].build(_request(model, argument, weights, vocabulary))
    return encoder.freeze(frozen_stages(encoder, model.freeze_text, "--freeze-text"))


def build_image_encoder(model: ResolvedModel, weights: WeightSource) -> Encoder[ImageInputs]:
    """Build the image encoder of a resolved configuration, and freeze its stages."""
    kind, argument = parse_name("image_encoder", model.image_encoder, IMAGE_ENCODERS)
    encoder = IMAGE_ENCODERS[kind].build(_request(model, argument, weights, None))
    return encoder.freeze(frozen_stages(encoder, model.freeze_image, "--freeze-image"))


def build_auxiliary_encoder(name: str, config: ResolvedModel, weights: WeightSource) -> Encoder[Any]:
    """Build a completely frozen encoder for probes. Texts are not cleaned. Images have the encoder's own size.

    Args:
        name: `text:ENCODER` or `image:ENCODER`, with a name in the tables. A name without prefix is a text encoder.
        config: the model's configuration; `max_length_tokens` is used for this encoder, too.
        weights: where to look for pretrained weights.

    Raises:
        WeightsUnavailable: the weights are not available.
    """
    side, encoder = auxiliary_place(name)
    if encoder in FOR_PROBES:
        built = FOR_PROBES[encoder].build(_request(config, "", weights, None))
        return built.freeze(built.n_stages).eval()
    if side == "image":
        own = replace(config, image_encoder=encoder, freeze_image="all", image_size_px=None)
        return build_image_encoder(own, weights).eval()
    own = replace(config, text_encoder=encoder, freeze_text="all", text_cleaning=())
    return build_text_encoder(own, weights, None).eval()


def auxiliary_place(name: str) -> tuple[str, str]:
    """Split the name of an auxiliary encoder into its modality, and the encoder's name in the table of this modality.

    The names `text` and `image` mean the model's own encoders. For these two names, the second part is empty.
    """
    side, _, encoder = name.partition(":")
    if is_text_and_ocr(name):
        return "text", encoder
    return (side, encoder) if side in TABLES else ("text", name)


def full_probe_name(name: str, weights: WeightSource) -> str:
    """Return the name of a probe with its modality. The path of a folder becomes absolute.

    Args:
        name: a name that `config.probe_names` allows.
        weights: where to look for the model.

    Returns:
        A name in the table of probes, `text:ENCODER` or `image:ENCODER`.

    Raises:
        ConfigError: the model reads both texts and images, or its modality cannot be found out.
        WeightsUnavailable: the model is not found.
    """
    name = plain_probe_name(name)
    side, _, encoder = name.partition(":")
    if side not in TABLES:
        side, encoder = "", name
    if is_folder_name(encoder):
        folder = weights.require_folder(encoder)
        return ":".join((*find_modality(folder, weights, side), folder))
    kind, _, argument = encoder.partition(":")
    if name in PROBES or kind not in NAMED:
        return name
    argument = str(Path(argument).absolute()) if (Path(argument) / "config.json").is_file() else argument
    return f"{side or find_modality(argument, weights)[0]}:{kind}:{argument}"


def find_spec(side: str, name: str) -> EncoderSpec[Any]:
    """Return the table row of an encoder. `side` is its modality, and `name` may be a name such as `hf:NAME`."""
    return TABLES[side][name.partition(":")[0]]


def is_from_scratch(model: ResolvedModel) -> bool:
    """Return True if an encoder is trained from scratch, so that its initial weights depend on the seed."""
    return not (is_pretrained(model.text_encoder, TEXT_ENCODERS) and is_pretrained(model.image_encoder, IMAGE_ENCODERS))


def is_pretrained(name: str, table: Mapping[str, EncoderSpec[Any]]) -> bool:
    """Return True if the encoder of this name has pretrained weights."""
    return table[name.partition(":")[0]].is_pretrained


def require_encoders(model: ResolvedModel) -> None:
    """Check the names of the text encoder and the image encoder.

    Raises:
        ConfigError: a name is unknown.
    """
    parse_name("text_encoder", model.text_encoder, TEXT_ENCODERS)
    parse_name("image_encoder", model.image_encoder, IMAGE_ENCODERS)


def parse_name(option: str, name: str, table: Mapping[str, EncoderSpec[Any]]) -> tuple[str, str]:
    """Split `hf:NAME` into `hf` and `NAME`. For any other name, the second value is an empty string.

    Raises:
        ConfigError: the name is unknown, or `NAME` is missing.
    """
    kind, _, argument = name.partition(":")
    wants_argument = kind in ("hf", "timm")
    if kind not in table or wants_argument != bool(argument):
        raise unknown_name(option, name, [f"{key}:NAME" if key in ("hf", "timm") else key for key in table])
    return kind, argument


def _request(
    model: ResolvedModel, argument: str, weights: WeightSource, vocabulary: tuple[str, ...] | None
) -> BuildRequest:
    return BuildRequest(
        argument=argument,
        max_length_tokens=model.max_length_tokens,
        image_size_px=model.image_size_px,
        cleaning=model.text_cleaning,
        vocabulary=vocabulary,
        weights=weights,
    )
