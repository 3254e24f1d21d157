"""Names of probes, the small models that are added to an ensemble.

image, text, minilm, characters, …   the probes in the table `PROBES`
text:ENCODER, image:ENCODER          a probe on an extra frozen encoder: a value of --text-encoder or --image-encoder
ENCODER                              a probe on an extra frozen encoder that reads only texts, or only images, such as
                                     bert or timm:NAME
hf:NAME, FOLDER                      a probe on an extra frozen encoder; the files of the model determine whether it
                                     reads texts or images
"""

import difflib

PROBES = (
    "image",
    "text",
    "minilm",
    "mpnet",
    "clip-text",
    "clip-image",
    "clip",
    "characters",
    "lexicon",
    "ocr",
    "ocr-characters",
    "minilm-ocr",
    "faces",
    "kernel",
)
RENAMED_PROBES = {"writing": "ocr", "writing-characters": "ocr-characters"}
"""Earlier names of probes, with the new names for an error message."""
PROBE_ENCODERS: dict[str, tuple[str, ...]] = {
    "text": ("minilm", "minilm-layers", "mpnet", "mpnet-layers", "bert", "clip", "twitter-roberta", "hf"),
    "image": ("efficientnet-lite0", "efficientnet-lite0-stages", "resnet18", "clip", "timm", "hf"),
}
"""For each modality, the encoders that a probe can use: all encoders with pretrained weights."""
NAMED = ("hf", "timm")
"""Encoders that need the name of a model after a colon, as in `hf:NAME`."""

GENERAL = "text:ENCODER, image:ENCODER, hf:NAME, timm:NAME, a folder"


def plain_probe_name(name: str) -> str:
    """Add the modality to the name of an encoder that reads only one modality: `bert` becomes `text:bert`."""
    kind = name.partition(":")[0]
    sides = [side for side, encoders in PROBE_ENCODERS.items() if kind in encoders]
    return f"{sides[0]}:{name}" if name not in PROBES and len(sides) == 1 else name


def is_folder_name(name: str) -> bool:
    """Return True if a name is a path: it contains a slash and does not begin with `hf:` or `timm:`."""
    return "/" in name and name.partition(":")[0] not in NAMED


def probe_problem(name: str) -> str:
    """Return an error message if a probe's name cannot be used; else an empty string.

    The message contains the most similar known name.
    """
    if name in RENAMED_PROBES:
        return f"probe {name} is now called {RENAMED_PROBES[name]}"
    side, _, encoder = plain_probe_name(name).partition(":")
    known = PROBE_ENCODERS.get(side, NAMED[:1])
    kind, _, argument = (encoder if side in PROBE_ENCODERS else name).partition(":")
    is_encoder = kind in known and (kind in NAMED) == bool(argument)
    if name in PROBES or is_encoder or is_folder_name(encoder or name):
        return ""
    return f"unknown probe {name}{_guess(name, kind)}; known: {', '.join(PROBES)}, {GENERAL}"


def _guess(name: str, kind: str) -> str:
    """Return "; did you mean …?" with the most similar name, or an empty string.

    Args:
        name: the name that was typed.
        kind: the encoder in this name, without the modality and without the name of a hub model.
    """
    encoders = [each for own in PROBE_ENCODERS.values() for each in own]
    full = [f"{side}:{each}" for side, own in PROBE_ENCODERS.items() for each in own]
    typed = [kind, name] if kind in encoders or kind == name.partition(":")[0] else [name, kind]
    near = [found for each in typed for found in difflib.get_close_matches(each, [*PROBES, *encoders, *full], n=1)]
    return f"; did you mean {near[0]}{':NAME' * near[0].endswith(NAMED)}?" if near else ""
