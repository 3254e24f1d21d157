"""Probes: small models that are members of an ensemble. Most are logistic regressions, and one is a kernel regression.

A fitted probe is plain data (one weight per feature and class), so that a checkpoint can contain it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmsent_cli.data.ocr import OcrText
from mmsent_cli.ensemble.kernel import Kernel, fit_kernel, to_logits
from mmsent_cli.ensemble.lexicon import N_LEXICON, lexicon_features
from mmsent_cli.ensemble.logistic import fit_logistic
from mmsent_cli.ensemble.ngrams import Characters
from mmsent_cli.ensemble.ocr_features import N_OCR, ocr_features
from mmsent_cli.ensemble.probabilities import log_softmax
from mmsent_cli.ensemble.probe_specs import ProbeSpec, find_probe

SMALLEST_NORM = 1e-8
"""Lower bound on norms, as in PyTorch's cosine similarity, which an exported model computes."""
PSEUDO_COUNT = 1e-3
"""Added to the number of pairs of each class, so that the share of an absent class is not 0."""


@dataclass(frozen=True, slots=True)
class ProbeInputs:
    """The inputs of all probes for N pairs.

    Attributes:
        texts: N texts; an empty string for a pair without text.
        pooled: for each frozen encoder, D features of each pair, float32 [N, D]. The keys are `text` and `image` for
            the model's own encoders (if frozen completely), and the names of auxiliary encoders.
        present: bool [N] for the keys `text` and `image`: True if a pair has this modality.
        ocr_texts: the text in each of N images; empty if no probe reads this text.
    """

    texts: Sequence[str]
    pooled: Mapping[str, np.ndarray]
    present: Mapping[str, np.ndarray]
    ocr_texts: Sequence[OcrText] = ()

    def strings(self, source: str) -> list[str]:
        """Return the texts of the pairs. For the source `ocr`, return the words in the images instead."""
        return [found.text for found in self.ocr_texts] if source == "ocr" else list(self.texts)

    def take(self, rows: np.ndarray) -> "ProbeInputs":
        """Return the inputs of the pairs with the numbers in `rows`."""
        texts: list[str] = [self.texts[row] for row in map(int, rows)]
        return ProbeInputs(
            texts=texts,
            pooled={name: values[rows] for name, values in self.pooled.items()},
            present={modality: values[rows] for modality, values in self.present.items()},
            ocr_texts=[self.ocr_texts[row] for row in map(int, rows)] if self.ocr_texts else (),
        )


@dataclass(frozen=True, slots=True)
class Probe:
    """A fitted probe with F features and C classes.

    Attributes:
        name: name of the probe, see `find_probe`.
        weight: weights, float32 [F, C].
        bias: biases, float64 [C].
        prior: logarithms of the class shares in training [C].
        characters: the n-grams, for a probe with n-gram features.
        kernel: the kernel, for a kernel regression.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    prior: np.ndarray
    characters: Characters | None = None
    kernel: Kernel | None = None

    def log_probabilities(self, inputs: ProbeInputs) -> np.ndarray:
        """Compute the logarithms of the probabilities of C classes for N pairs, float64 [N, C]."""
        is_present = find_probe(self.name).is_present(inputs.present)
        return np.where(is_present[:, None], log_softmax(self.logits(inputs)), self.prior)

    def logits(self, inputs: ProbeInputs) -> np.ndarray:
        """Compute the logits of C classes for N pairs, float64 [N, C], even if a pair lacks a modality of the probe."""
        spec = find_probe(self.name)
        if self.kernel is not None:
            features = self.kernel.features([inputs.pooled[name] for name in spec.pooled_names])
            return to_logits(features @ self.weight.astype(np.float64) + self.bias)
        features = _features(spec, inputs, self.characters)
        return np.asarray(features @ self.weight.astype(np.float64)) + self.bias


def fit_probe(name: str, inputs: ProbeInputs, targets: np.ndarray, rows: np.ndarray, n_classes: int) -> Probe:
    """Fit a probe on some rows of the inputs.

    Pairs without the probe's modalities are left out. If the other pairs have fewer than two classes, the probe always
    predicts the class shares of all training pairs.

    Args:
        name: name, see `find_probe`.
        inputs: inputs of all N pairs.
        targets: class number of each pair [N].
        rows: row numbers of the training pairs.
        n_classes: number of classes C.
    """
    spec = find_probe(name)
    chosen = rows[spec.is_present(inputs.present)[rows]]
    part = inputs.take(chosen)
    shares = np.bincount(targets[rows], minlength=n_classes) + PSEUDO_COUNT
    prior = np.log(shares / shares.sum())
    if spec.features == "kernel":
        parts = {each: part.pooled[each] for each in spec.pooled_names}
        kernel, weight, bias = fit_kernel(parts, targets[chosen], np.exp(prior), spec.strength or 1.0)
        return Probe(name, weight.astype(np.float32), bias, prior, kernel=kernel)
    if spec.features == "characters":
        characters, features = Characters.fit(part.strings(spec.source))
    else:
        characters, features = None, _features(spec, part, None)
    if len(np.unique(targets[chosen])) < 2:  # nothing to learn
        weight, bias = np.zeros((features.shape[1], n_classes)), prior
    else:
        strength = spec.strength or 1 / features.shape[1]
        weight, bias = fit_logistic(features, targets[chosen], n_classes, strength, is_scaled=characters is None)
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
    """Return the F features of N pairs [N, F]: sparse for n-grams, float32 for encoders (for a faster fit)."""
    if spec.features == "pooled":
        return _joined([inputs.pooled[name] for name in spec.pooled_names])
    strings = inputs.strings(spec.source)
    if characters is not None:
        return characters.features(strings)
    features = lexicon_features(strings)
    return np.hstack([features, ocr_features(inputs.ocr_texts)]) if spec.source == "ocr" else features


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the features of one encoder, D features for each of N pairs [N, D].

    For two encoders, return the features of both encoders and the cosine of their features [N, D + D + 1].
    """
    if len(parts) == 1:
        return parts[0]
    one, other = (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), SMALLEST_NORM) for part in parts)
    return np.hstack([*parts, (one * other).sum(axis=1, keepdims=True)])


def count_features(name: str, pooled: Mapping[str, int], characters: Characters | None) -> int:
    """Return the number of features of a probe.

    Args:
        name: name, see `find_probe`.
        pooled: number of features of each frozen encoder, with the keys of `ProbeInputs.pooled`.
        characters: the n-grams, for a probe with n-gram features.
    """
    spec = find_probe(name)
    if spec.features == "pooled":
        widths = [pooled[each] for each in spec.pooled_names]
        return sum(widths) + (len(widths) > 1)
    if characters is not None:
        return len(characters.ngrams)
    return N_LEXICON + (N_OCR if spec.source == "ocr" else 0)
