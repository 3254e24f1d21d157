"""Define what each probe reads, and how it is fitted.

Sources: Wang and Manning 2012, "Baselines and Bigrams" (characters); Hutto and Gilbert 2014 (lexicon). The probes of
OCR text were designed in this project.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmsent_cli.data.ocr import TEXT_AND_OCR, is_text_and_ocr
from mmsent_cli.data.pairs import MODALITIES
from mmsent_cli.ensemble.kernel import SHARES


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """The definition of a probe.

    Attributes:
        source: the input: the `text`, the text in the image (`ocr`), or encoders (`text_encoder`, `image_encoder`,
            `both_encoders`).
        features: the features: `lexicon` or `characters` (n-grams) for a text; for encoders `pooled`, or `kernel` for
            kernel regression instead of logistic regression.
        strength: inverse strength of the L2 penalty (`C` in scikit-learn). Dense features are standardized first. None
            means 1 / number of features. For `kernel`, the strength is the penalty itself, not its inverse.
        summary: a description in one line.
        encoders: names of auxiliary (extra, frozen) encoders. If empty, a probe on an encoder reads the model's own
            encoder. The names `text` and `image` mean the model's own encoders, which must be frozen completely. Two
            encoders with `pooled` embed text and image into one space, and the cosine of the two embeddings is a
            feature too. An encoder whose name begins with `TEXT_AND_OCR` reads the text followed by the words in the
            image.
    """

    source: Literal["text", "ocr", "text_encoder", "image_encoder", "both_encoders"]
    features: Literal["lexicon", "characters", "pooled", "kernel"]
    strength: float | None
    summary: str
    encoders: tuple[str, ...] = ()

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that the probe reads.

        If a pair lacks one of these modalities, the probe predicts the class shares of the training pairs.
        """
        if self.source == "both_encoders":
            return tuple(MODALITIES)
        return ("text",) if self.source in ("text", "text_encoder") else ("image",)

    @property
    def reads_ocr(self) -> bool:
        """True if the probe reads the words in images, alone or after the text of the pair."""
        return self.source == "ocr" or any(is_text_and_ocr(name) for name in self.encoders)

    @property
    def pooled_names(self) -> tuple[str, ...]:
        """Keys of the probe's features in `ProbeInputs.pooled`; empty if the probe reads no encoder."""
        return () if self.features in ("lexicon", "characters") else self.encoders or self.modalities

    @property
    def own_encoders(self) -> tuple[str, ...]:
        """Modalities for which the probe reads the model's own encoder."""
        return tuple(name for name in self.pooled_names if name in MODALITIES)

    def is_present(self, present: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return, for each of N pairs, True if the pair has all modalities that the probe reads, bool [N]."""
        return np.logical_and.reduce([present[modality] for modality in self.modalities])


CLIP = ("text:clip", "image:clip")
MINILM_OCR = f"{TEXT_AND_OCR}:minilm-layers"

PROBES: dict[str, ProbeSpec] = {
    "image": ProbeSpec("image_encoder", "pooled", 5e-4, "the frozen image encoder's features"),
    "text": ProbeSpec("text_encoder", "pooled", 1e-3, "the frozen text encoder's features"),
    "minilm": ProbeSpec("text_encoder", "pooled", 1e-3, "MiniLM-L6, an auxiliary encoder", ("minilm-layers",)),
    "mpnet": ProbeSpec("text_encoder", "pooled", 3e-4, "MPNet-base, an auxiliary encoder", ("mpnet-layers",)),
    "clip-text": ProbeSpec("text_encoder", "pooled", None, "CLIP's embedding of the text", CLIP[:1]),
    "clip-image": ProbeSpec("image_encoder", "pooled", None, "CLIP's embedding of the image", CLIP[1:]),
    "clip": ProbeSpec("both_encoders", "pooled", None, "CLIP's embeddings of text and image, their similarity", CLIP),
    "characters": ProbeSpec("text", "characters", 3.0, "TF-IDF of 2 to 5 characters"),
    "lexicon": ProbeSpec("text", "lexicon", 0.1, "VADER's scores, punctuation and length"),
    "ocr": ProbeSpec("ocr", "lexicon", 0.05, "as lexicon, for the text in the image, with its amount and area"),
    "ocr-characters": ProbeSpec("ocr", "characters", 1.0, "as characters, for the text in the image"),
    "minilm-ocr": ProbeSpec(
        "text_encoder", "pooled", 1e-3, "as minilm, for the text and the text in the image", (MINILM_OCR,)
    ),
    "faces": ProbeSpec(
        "image_encoder", "pooled", 0.05, "number, sizes and expressions of the faces in the image", ("image:faces",)
    ),
    "kernel": ProbeSpec(
        "both_encoders", "kernel", 0.7, "the frozen image encoder, MiniLM-L6 and MPNet-base together", tuple(SHARES)
    ),
}


def find_probe(name: str) -> ProbeSpec:
    """Return the definition of a probe: a row of `PROBES`, or a new definition for `text:ENCODER` or `image:ENCODER`.

    Raises:
        KeyError: there is no such probe.
    """
    side, _, encoder = name.partition(":")
    if not encoder or side not in MODALITIES:
        return PROBES[name]
    source = "text_encoder" if side == "text" else "image_encoder"
    return ProbeSpec(source, "pooled", None, f"{encoder}, an auxiliary encoder", (name,))


def auxiliary_encoders(names: Collection[str]) -> list[str]:
    """Return the names of the auxiliary encoders that the named probes read."""
    read = (encoder for name in names for encoder in find_probe(name).encoders)
    return [encoder for encoder in dict.fromkeys(read) if encoder not in MODALITIES]


def reads_ocr(names: Collection[str]) -> bool:
    """Return True if one of the named probes reads the text in images."""
    return any(find_probe(name).reads_ocr for name in names)
