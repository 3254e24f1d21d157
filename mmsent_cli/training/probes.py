"""Linear probes in cross-validation: compute their inputs, fit them, and make their out-of-fold predictions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from mmsent_cli.config import ResolvedModel
from mmsent_cli.data.ocr import OcrText, describe_ocr, is_text_and_ocr, read_ocr, require_ocr, text_with_ocr
from mmsent_cli.encoders.registry import build_auxiliary_encoder
from mmsent_cli.ensemble import (
    Probe,
    ProbeInputs,
    auxiliary_encoders,
    find_probe,
    fit_probe,
    is_frozen,
    join_inputs,
    probe_inputs,
    reads_ocr,
)
from mmsent_cli.errors import ConfigError
from mmsent_cli.features.parallel_map import counted, in_order
from mmsent_cli.features.store import FeatureSet, disk_full_as_error
from mmsent_cli.features.table import Table
from mmsent_cli.model import SentimentModel
from mmsent_cli.training.workspace import Workspace

INPUT_BATCH = 256
NO_PREDICTIONS = np.empty((0, 0))
Used = TypeVar("Used")


def require_probes(config: ResolvedModel, model: SentimentModel) -> None:
    """Check that the inputs of each probe are available: a frozen encoder, or the OCR engine.

    Raises:
        ConfigError: an input is not available.
    """
    if reads_ocr(config.probes):
        require_ocr()
    for name in config.probes:
        for modality in find_probe(name).own_encoders:
            if not is_frozen(model, modality):
                raise ConfigError(
                    f"the probe {name} needs a frozen {modality} encoder, but this encoder is trained or not used",
                    f"add --freeze-{modality} all, or leave the probe out",
                )


@dataclass(frozen=True, slots=True)
class AuxiliaryFeatures:
    """The features of all N texts and images from the auxiliary encoders, which only probes use.

    Attributes:
        pooled: features [N, D] by encoder name.
        digests: digests of the weights by encoder name.
    """

    pooled: Mapping[str, np.ndarray]
    digests: Mapping[str, str]


def auxiliary_features(names: Sequence[str], workspace: Workspace) -> AuxiliaryFeatures:
    """Compute the features of all texts or images by each auxiliary encoder of the probes, one after the other.

    Raises:
        WeightsUnavailable: the weights of an encoder are not available.
    """
    model, pooled, digests = workspace.plan.config.model, {}, {}
    for name in auxiliary_encoders(names):
        encoder = build_auxiliary_encoder(name, model, workspace.plan.weights)
        texts = _texts_with_ocr(workspace) if is_text_and_ocr(name) else None
        pooled[name], digests[name] = workspace.features(encoder, texts), encoder.digest(encoder.n_stages)
    return AuxiliaryFeatures(pooled, digests)


def cross_fit(
    names: Sequence[str], inputs: ProbeInputs, workspace: Workspace, folds: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], tuple[Probe, ...]]:
    """Fit each probe several times: for each fold once without the fold, and once on all pairs.

    Args:
        names: names of the probes.
        inputs: inputs of all pairs, from `inputs_of_all`.
        workspace: the workspace, with classes and progress function.
        folds: for each fold, the row numbers of its pairs.

    Returns:
        For each probe, the out-of-fold log-probabilities [N, C] of N pairs; and the probes that are fit on all pairs.
    """

    def predict(probe: Probe, held_out: np.ndarray) -> np.ndarray:
        return probe.log_probabilities(inputs.take(held_out)) if len(held_out) else NO_PREDICTIONS

    parts = (*folds, np.array([], dtype=np.int64))  # the last fit uses all pairs
    fitted = fit_without(names, inputs, workspace, parts, predict)
    predictions = [out_of_fold([predicted for _, predicted in own[:-1]], folds) for own in fitted]
    return predictions, tuple(own[-1][0] for own in fitted)


def fit_without(
    names: Sequence[str],
    inputs: ProbeInputs,
    workspace: Workspace,
    parts: Sequence[np.ndarray],
    use: Callable[[Probe, np.ndarray], Used],
) -> list[list[tuple[Probe, Used]]]:
    """Fit each probe once for each part of the pairs, without this part, and apply the fitted probe to this part.

    Args:
        names: names of the probes.
        inputs: inputs of all pairs.
        workspace: the workspace, with classes and progress function.
        parts: for each part, the row numbers of its pairs.
        use: a function that is called with a fitted probe and the row numbers of the part that it was not fit on. It
            may predict this part, for example.

    Returns:
        For each name, a list with one entry per part: the fitted probe, and what `use` returned.
    """
    targets, n_classes = workspace.targets, len(workspace.plan.dataset.labels)
    every = np.arange(len(targets))

    def fit(task: tuple[str, np.ndarray]) -> tuple[Probe, Used]:
        name, held_out = task
        probe = fit_probe(name, inputs, targets, np.setdiff1d(every, held_out), n_classes)
        return probe, use(probe, held_out)

    tasks = [(name, part) for name in names for part in parts]
    fits = in_order(fit, tasks, torch.get_num_threads())
    with threadpool_limits(1):  # fits run in parallel
        fitted = list(counted(fits, len(tasks), "fitting probes", "fit", workspace.progress))
    return [fitted[start : start + len(parts)] for start in range(0, len(fitted), len(parts))]


def out_of_fold(parts: Sequence[np.ndarray], folds: Sequence[np.ndarray]) -> np.ndarray:
    """Combine the predictions of all folds into one array [N, C] for all N pairs, in the order of their row numbers.

    `folds` has the row numbers of each fold.
    """
    result = np.empty((sum(map(len, folds)), parts[0].shape[1]))
    for part, rows in zip(parts, folds, strict=True):
        result[rows] = part
    return result


@torch.inference_mode()
def inputs_of_all(
    names: Sequence[str], model: SentimentModel, table: Table, workspace: Workspace, pooled: Mapping[str, np.ndarray]
) -> ProbeInputs:
    """Make the inputs of probes for all pairs.

    Args:
        names: names of the probes.
        model: a model with the frozen encoders that the probes read.
        table: all pairs, encoded for the model.
        workspace: the workspace, with texts and images.
        pooled: for each auxiliary encoder by name, the features of all pairs.
    """
    ocr_texts = read_ocr_texts(workspace) if reads_ocr(names) else ()
    texts = [pair.text or "" for pair in workspace.plan.dataset.pairs]
    model.eval().to("cpu")
    parts = [slice(start, start + INPUT_BATCH) for start in range(0, len(texts), INPUT_BATCH)]
    batches = table.batches(range(len(texts)), INPUT_BATCH)
    return join_inputs(
        [
            probe_inputs(
                model, batch, texts[part], ocr_texts[part], {name: values[part] for name, values in pooled.items()}
            )
            for part, batch in zip(parts, batches, strict=True)
        ]
    )


def _texts_with_ocr(workspace: Workspace) -> list[str | None]:
    """Return the text of each pair, followed by the words in its image; None for a pair without text."""
    pairs = workspace.plan.dataset.pairs
    return [
        None if pair.text is None else text_with_ocr(pair.text, found)
        for pair, found in zip(pairs, read_ocr_texts(workspace), strict=True)
    ]


def read_ocr_texts(workspace: Workspace) -> list[OcrText]:
    """Read the words in each pair's image by OCR. The result is kept in the feature store."""
    pairs = workspace.plan.dataset.pairs
    stored = FeatureSet(workspace.plan.store, describe_ocr())
    images = {pair.image_digest: pair.image for pair in pairs if pair.image is not None}
    missing = stored.missing(images)
    read = in_order(lambda key: (key, read_ocr(images[key]).to_bytes()), missing, torch.get_num_threads())
    with disk_full_as_error(workspace.plan.store):
        stored.add(counted(read, len(missing), "reading words in images", "image", workspace.progress))
    workspace.tables.damaged += stored.damaged
    return [OcrText.from_bytes(stored.read(pair.image_digest)) if pair.image_digest else OcrText() for pair in pairs]
