"""Linear probes: logistic regressions that each look at one side of a pair, fit in seconds, and join late.

An probe is plain data once it is fit: a weight a feature and class, so that it can lie in a checkpoint.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mmsent_cli.data.ocr import OcrText
from mmsent_cli.ensemble.lexicon import N_LEXICON, N_OCR, lexicon_features, ocr_features
from mmsent_cli.ensemble.logistic import fit_logistic
from mmsent_cli.ensemble.ngrams import Characters

Side = Literal["text", "image"]
LEAST = 1e-3
"""Added to the count of a class, so that its share has a logarithm."""


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """One probe.

    Attributes:
        side: the modality that it looks at; a pair that lacks it gets the class shares of the training pairs.
        features: what it reads: the `pooled` features of a frozen encoder; `characters` or `lexicon`, the n-grams or
            the lexicon's numbers of the text (on the image's side of the words that stand in the image).
        strength: inverse strength of the L2 penalty (scikit-learn's C), on standardised features where dense.
        summary: what it is.
        source: whose idea it is.
        encoder: a row of the encoder tables that is frozen and read as its texts or images stand; empty for the
            network's own encoder, which must then be frozen whole.
    """

    side: Side
    features: Literal["lexicon", "characters", "pooled"]
    strength: float
    summary: str
    source: str
    encoder: str = ""

    @property
    def reads(self) -> str:
        """Key of its features among `ProbeInputs.pooled`."""
        return self.encoder or self.side


PROBES: dict[str, ProbeSpec] = {
    "image": ProbeSpec(
        "image", "pooled", 5e-4, "logistic regression on the frozen image encoder's features", "linear probing"
    ),
    "text": ProbeSpec(
        "text", "pooled", 1e-3, "logistic regression on the frozen text encoder's features", "linear probing"
    ),
    "minilm": ProbeSpec(
        "text", "pooled", 1e-3, "the same on MiniLM-L6, frozen beside the network", "linear probing", "minilm-layers"
    ),
    "mpnet": ProbeSpec(
        "text", "pooled", 3e-4, "the same on MPNet-base, frozen beside the network", "linear probing", "mpnet-layers"
    ),
    "characters": ProbeSpec(
        "text", "characters", 3.0, "logistic regression on TF-IDF of 2 to 5 characters", "Wang and Manning 2012"
    ),
    "lexicon": ProbeSpec(
        "text", "lexicon", 0.1, "logistic regression on VADER's scores, marks and length", "Hutto and Gilbert 2014"
    ),
    "ocr": ProbeSpec(
        "image", "lexicon", 0.05, "the same of the words in the image, with their number and area", "this project"
    ),
    "ocr-characters": ProbeSpec(
        "image", "characters", 1.0, "characters of the words that stand in the image", "this project"
    ),
}


@dataclass(frozen=True, slots=True)
class ProbeInputs:
    """What probes may read of N pairs.

    Attributes:
        texts: N texts, empty where the pair has none.
        pooled: features of frozen encoders, float32 [N, D]: the network's own by side, as far as they are not trained,
            and those that only probes read by name.
        present: bool [N] by side: whether the pair has its text and its image.
        ocr_texts: what stands in each image, N of them; empty where no probe asks for it.
    """

    texts: Sequence[str]
    pooled: Mapping[str, np.ndarray]
    present: Mapping[str, np.ndarray]
    ocr_texts: Sequence[OcrText] = ()

    def words(self, side: str) -> list[str]:
        """The words of a side: the texts, or what stands in the images."""
        return list(self.texts) if side == "text" else [writing.text for writing in self.ocr_texts]

    def take(self, rows: np.ndarray) -> "ProbeInputs":
        """The inputs of some pairs."""
        texts: list[str] = [self.texts[row] for row in map(int, rows)]
        return ProbeInputs(
            texts=texts,
            pooled={side: values[rows] for side, values in self.pooled.items()},
            present={side: values[rows] for side, values in self.present.items()},
            ocr_texts=[self.ocr_texts[row] for row in map(int, rows)] if self.ocr_texts else (),
        )


@dataclass(frozen=True, slots=True)
class Probe:
    """A fitted probe.

    Attributes:
        name: of the table.
        weight: float32 [F, C].
        bias: float64 [C].
        prior: logarithms of the training pairs' class shares [C].
        characters: n-grams, for an probe that counts them.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    prior: np.ndarray
    characters: Characters | None = None

    def log_probabilities(self, inputs: ProbeInputs) -> np.ndarray:
        """Logarithms of the class probabilities of N pairs, float64 [N, C]."""
        from scipy.special import log_softmax

        spec = PROBES[self.name]
        features = _features(spec, inputs, self.characters)
        logits = np.asarray(features @ self.weight.astype(np.float64)) + self.bias
        return np.where(inputs.present[spec.side][:, None], log_softmax(logits, axis=1), self.prior)


def fit_probe(name: str, inputs: ProbeInputs, targets: np.ndarray, rows: np.ndarray, n_classes: int) -> Probe:
    """Fit an probe on some rows of the inputs.

    Args:
        name: of the table.
        inputs: of all N pairs.
        targets: class number of each pair [N].
        rows: numbers of the training pairs; those that lack the probe's modality are left out. Where fewer than two
            classes have it, the probe says the class shares of all of them.
        n_classes: C.
    """
    spec = PROBES[name]
    chosen = rows[inputs.present[spec.side][rows]]
    part = inputs.take(chosen)
    if spec.features == "characters":
        characters, features = Characters.fit(part.words(spec.side))
    else:
        characters, features = None, _features(spec, part, None)
    shares = np.bincount(targets[rows], minlength=n_classes) + LEAST
    prior = np.log(shares / shares.sum())
    if len(np.unique(targets[chosen])) < 2:  # nothing to learn
        weight, bias = np.zeros((features.shape[1], n_classes)), prior
    else:
        weight, bias = fit_logistic(features, targets[chosen], n_classes, spec.strength, is_scaled=characters is None)
    return Probe(
        name=name,
        weight=weight.astype(np.float32),
        bias=bias,
        prior=prior,
        characters=characters,
    )


def join_inputs(parts: Sequence[ProbeInputs]) -> ProbeInputs:
    """The inputs of several batches as one."""
    first = parts[0]
    return ProbeInputs(
        texts=[text for part in parts for text in part.texts],
        pooled={side: np.concatenate([part.pooled[side] for part in parts]) for side in first.pooled},
        present={side: np.concatenate([part.present[side] for part in parts]) for side in first.present},
        ocr_texts=[writing for part in parts for writing in part.ocr_texts],
    )


def _features(spec: ProbeSpec, inputs: ProbeInputs, characters: Characters | None) -> Any:
    """The feature matrix [N, F] of an probe: sparse for characters; float32 for an encoder, which halves the fit."""
    if spec.features == "pooled":
        return inputs.pooled[spec.reads]
    if characters is not None:
        return characters.features(inputs.words(spec.side))
    numbers = lexicon_features(inputs.words(spec.side))
    return numbers if spec.side == "text" else np.hstack([numbers, ocr_features(inputs.ocr_texts)])


def count_features(name: str, pooled: Mapping[str, int], characters: Characters | None) -> int:
    """How many features an probe reads.

    Args:
        name: of the table.
        pooled: width of the features of each frozen encoder, named as in `ProbeInputs`.
        characters: its n-grams, if it counts them.
    """
    spec = PROBES[name]
    if spec.features == "pooled":
        return pooled[spec.reads]
    if characters is not None:
        return len(characters.ngrams)
    return N_LEXICON if spec.side == "text" else N_LEXICON + N_OCR


def encoders_read(names: Collection[str]) -> list[str]:
    """Encoders that only probes read, each once."""
    return list(dict.fromkeys(PROBES[name].encoder for name in names if PROBES[name].encoder))


def reads_ocr(names: Collection[str]) -> bool:
    """Whether any of these probes looks at the words in images."""
    return any(PROBES[name].side == "image" and PROBES[name].features != "pooled" for name in names)
