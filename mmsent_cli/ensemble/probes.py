"""Linear probes: logistic regressions, each on one kind of features. They are members of the ensemble.

A fitted probe is plain data (one weight for each feature and class), so that a checkpoint can contain it.

Sources: Wang and Manning 2012, "Baselines and Bigrams" (characters); Hutto and Gilbert 2014 (lexicon). Probes of OCR
text are this project's.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mmsent_cli.data.ocr import OcrText
from mmsent_cli.ensemble.lexicon import N_LEXICON, lexicon_features
from mmsent_cli.ensemble.logistic import fit_logistic
from mmsent_cli.ensemble.ngrams import Characters
from mmsent_cli.ensemble.ocr_features import N_OCR, ocr_features
from mmsent_cli.ensemble.probabilities import log_softmax

PSEUDO_COUNT = 1e-3
"""Added to the number of pairs of each class, so that the share of an absent class has a logarithm."""


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """The definition of a probe.

    Attributes:
        source: the input: the `text`, the text in the image (`ocr`), or an encoder (`text_encoder`, `image_encoder`).
        features: the features: `lexicon` or `characters` (n-grams) for a text, `pooled` for an encoder.
        strength: inverse strength of the L2 penalty (`C` in scikit-learn); dense features are standardized first.
        summary: a description in one line.
        encoder: name of an auxiliary (extra, frozen) encoder; empty for the model's own encoder, which must then be
            frozen completely.
    """

    source: Literal["text", "ocr", "text_encoder", "image_encoder"]
    features: Literal["lexicon", "characters", "pooled"]
    strength: float
    summary: str
    encoder: str = ""

    @property
    def modality(self) -> str:
        """`text` or `image`. For a pair without this modality, the probe predicts the class shares in training."""
        return "text" if self.source in ("text", "text_encoder") else "image"

    @property
    def pooled_name(self) -> str:
        """Key of the probe's features in `ProbeInputs.pooled`."""
        return self.encoder or self.modality


PROBES: dict[str, ProbeSpec] = {
    "image": ProbeSpec("image_encoder", "pooled", 5e-4, "the frozen image encoder's features"),
    "text": ProbeSpec("text_encoder", "pooled", 1e-3, "the frozen text encoder's features"),
    "minilm": ProbeSpec("text_encoder", "pooled", 1e-3, "MiniLM-L6, an auxiliary encoder", "minilm-layers"),
    "mpnet": ProbeSpec("text_encoder", "pooled", 3e-4, "MPNet-base, an auxiliary encoder", "mpnet-layers"),
    "characters": ProbeSpec("text", "characters", 3.0, "TF-IDF of 2 to 5 characters"),
    "lexicon": ProbeSpec("text", "lexicon", 0.1, "VADER's scores, punctuation and length"),
    "ocr": ProbeSpec("ocr", "lexicon", 0.05, "as lexicon, for the text in the image, with its amount and area"),
    "ocr-characters": ProbeSpec("ocr", "characters", 1.0, "as characters, for the text in the image"),
}


@dataclass(frozen=True, slots=True)
class ProbeInputs:
    """The inputs of all probes for N pairs.

    Attributes:
        texts: N texts; an empty string for a pair without text.
        pooled: features float32 [N, D] of frozen encoders. The keys are `text` and `image` for the model's own
            encoders (if frozen completely), and the names of auxiliary encoders.
        present: bool [N] for the keys `text` and `image`: True if a pair has this modality.
        ocr_texts: the text in each of N images; empty if no probe reads it.
    """

    texts: Sequence[str]
    pooled: Mapping[str, np.ndarray]
    present: Mapping[str, np.ndarray]
    ocr_texts: Sequence[OcrText] = ()

    def strings(self, source: str) -> list[str]:
        """Return the texts, or for the source `ocr` the texts in the images."""
        return [found.text for found in self.ocr_texts] if source == "ocr" else list(self.texts)

    def take(self, rows: np.ndarray) -> "ProbeInputs":
        """Return the inputs of some pairs."""
        texts: list[str] = [self.texts[row] for row in map(int, rows)]
        return ProbeInputs(
            texts=texts,
            pooled={name: values[rows] for name, values in self.pooled.items()},
            present={modality: values[rows] for modality, values in self.present.items()},
            ocr_texts=[self.ocr_texts[row] for row in map(int, rows)] if self.ocr_texts else (),
        )


@dataclass(frozen=True, slots=True)
class Probe:
    """A fitted probe.

    Attributes:
        name: name in the table of probes.
        weight: weights, float32 [F, C].
        bias: biases, float64 [C].
        prior: logarithms of the class shares in training [C].
        characters: the n-grams, for a probe with n-gram features.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    prior: np.ndarray
    characters: Characters | None = None

    def log_probabilities(self, inputs: ProbeInputs) -> np.ndarray:
        """Compute the logarithms of the class probabilities of N pairs, float64 [N, C]."""
        is_present = inputs.present[PROBES[self.name].modality]
        return np.where(is_present[:, None], log_softmax(self.logits(inputs)), self.prior)

    def logits(self, inputs: ProbeInputs) -> np.ndarray:
        """Compute the logits of N pairs as if each had the probe's modality, float64 [N, C]."""
        features = _features(PROBES[self.name], inputs, self.characters)
        return np.asarray(features @ self.weight.astype(np.float64)) + self.bias


def fit_probe(name: str, inputs: ProbeInputs, targets: np.ndarray, rows: np.ndarray, n_classes: int) -> Probe:
    """Fit a probe on some rows of the inputs.

    Pairs without the probe's modality are left out. If the other pairs have fewer than two classes, the probe always
    predicts the class shares of all training pairs.

    Args:
        name: name in the table of probes.
        inputs: inputs of all N pairs.
        targets: class number of each pair [N].
        rows: row numbers of the training pairs.
        n_classes: number of classes C.
    """
    spec = PROBES[name]
    chosen = rows[inputs.present[spec.modality][rows]]
    part = inputs.take(chosen)
    if spec.features == "characters":
        characters, features = Characters.fit(part.strings(spec.source))
    else:
        characters, features = None, _features(spec, part, None)
    shares = np.bincount(targets[rows], minlength=n_classes) + PSEUDO_COUNT
    prior = np.log(shares / shares.sum())
    if len(np.unique(targets[chosen])) < 2:  # nothing to learn
        weight, bias = np.zeros((features.shape[1], n_classes)), prior
    else:
        weight, bias = fit_logistic(features, targets[chosen], n_classes, spec.strength, is_scaled=characters is None)
    return Probe(name, weight.astype(np.float32), bias, prior, characters)


def join_inputs(parts: Sequence[ProbeInputs]) -> ProbeInputs:
    """Concatenate the inputs of several batches."""
    first = parts[0]
    return ProbeInputs(
        texts=[text for part in parts for text in part.texts],
        pooled={name: np.concatenate([part.pooled[name] for part in parts]) for name in first.pooled},
        present={name: np.concatenate([part.present[name] for part in parts]) for name in first.present},
        ocr_texts=[found for part in parts for found in part.ocr_texts],
    )


def _features(spec: ProbeSpec, inputs: ProbeInputs, characters: Characters | None) -> Any:
    """Return the feature matrix [N, F]: sparse for n-grams, float32 for an encoder, which makes the fit faster."""
    if spec.features == "pooled":
        return inputs.pooled[spec.pooled_name]
    strings = inputs.strings(spec.source)
    if characters is not None:
        return characters.features(strings)
    features = lexicon_features(strings)
    return np.hstack([features, ocr_features(inputs.ocr_texts)]) if spec.source == "ocr" else features


def count_features(name: str, pooled: Mapping[str, int], characters: Characters | None) -> int:
    """Return the number of features F of a probe.

    Args:
        name: name in the table of probes.
        pooled: width of the features of each frozen encoder, with the keys of `ProbeInputs.pooled`.
        characters: the n-grams, for a probe with n-gram features.
    """
    spec = PROBES[name]
    if spec.features == "pooled":
        return pooled[spec.pooled_name]
    if characters is not None:
        return len(characters.ngrams)
    return N_LEXICON + (N_OCR if spec.source == "ocr" else 0)


def auxiliary_encoders(names: Collection[str]) -> list[str]:
    """Return the names of the auxiliary encoders of these probes."""
    return list(dict.fromkeys(PROBES[name].encoder for name in names if PROBES[name].encoder))


def reads_ocr(names: Collection[str]) -> bool:
    """Return True if one of these probes reads the text in images."""
    return any(PROBES[name].source == "ocr" for name in names)
