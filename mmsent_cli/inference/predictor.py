"""Load a checkpoint, and predict pairs. Labels with a probability below a threshold can be left empty."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from mmsent_cli.compute.device import Compute, Resources
from mmsent_cli.compute.threads import torch_threads
from mmsent_cli.config import RuntimeConfig, read_train_config
from mmsent_cli.config.command_settings import PredictSettings
from mmsent_cli.data.ocr import require_ocr
from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.text import says_nothing
from mmsent_cli.encoders.weights.source import VARIABLE as WEIGHTS_VARIABLE
from mmsent_cli.ensemble import NETWORK, Ensemble
from mmsent_cli.errors import ConfigError
from mmsent_cli.features.pipeline import PairBatch, PairPipeline
from mmsent_cli.model import SentimentModel
from mmsent_cli.results import MemberVote, Prediction
from mmsent_cli.run_folders import Run, unfinished_note
from mmsent_cli.stats import threshold_for_accuracy
from mmsent_cli.training.checkpoints import Description, load_ensemble
from mmsent_cli.training.predictions import OUT_OF_FOLD, VAL_PREDICTIONS, PredictionRow, read_predictions


def own_predictions(checkpoint: Path) -> tuple[str, list[PredictionRow]]:
    """Return the name and the rows of the file with the out-of-fold or validation predictions of a checkpoint's run.

    Both are empty if the checkpoint is not in its run folder.
    """
    run = Run(checkpoint.parent)
    name = next((name for name in (OUT_OF_FOLD, VAL_PREDICTIONS) if run.path(name).is_file()), "")
    return name, read_predictions(run, name) if name else []


def find_threshold(settings: PredictSettings, checkpoint: Path) -> tuple[float, str]:
    """Return the probability below which labels are left empty, and a note on how this threshold was found.

    With the threshold 0, all pairs get a label.

    Raises:
        ConfigError: there are no predictions to choose the threshold on, or no threshold reaches the accuracy.
    """
    if settings.abstain_for_accuracy is None:
        return settings.abstain_below or 0.0, ""
    run, wanted = Run(checkpoint.parent), settings.abstain_for_accuracy
    name, rows = own_predictions(checkpoint)
    if not rows:
        raise ConfigError(
            f"{checkpoint} is not in its run folder, so there are no predictions to compute a threshold from",
            "give the threshold with --abstain-below P",
        )
    confidence = np.array([max(row.probabilities) for row in rows])
    is_right = np.array([row.tag == row.predicted for row in rows])
    threshold = threshold_for_accuracy(confidence, is_right, wanted)
    if threshold is None:
        raise ConfigError(
            f"no threshold reaches an accuracy of {wanted:g} on the predictions of the run {run.name}",
            "choose a lower accuracy",
        )
    kept = confidence >= threshold
    is_chosen = name != OUT_OF_FOLD
    chosen = ". The epoch was chosen on these pairs, so new pairs may have a lower accuracy" if is_chosen else ""
    return threshold, (
        f"labels below a probability of {threshold:.3f} are left empty. In {name}, {kept.sum():,} of {len(kept):,} "
        f"pairs reach it, and {100 * is_right[kept].mean():.1f} % of their labels are right{chosen}"
    )


OPENVINO_THREADS_PER_TORCH_THREAD = 4
"""While OpenVINO runs the encoders, PyTorch gets few threads, since a thread that waits for a busy core delays all
others. On two cores, the trained layers of an ensemble took 23 s for 511 pairs with two threads, 7 s with one."""


@dataclass(frozen=True)
class Predictor:
    """A trained model with its encoders.

    Attributes:
        ensemble: the model or the ensemble, in eval mode on the device.
        description: the metadata of the checkpoint.
        resources: device, weights and cache folder.
        unfinished: a note if the checkpoint belongs to an unfinished run.

    Example:
        predictor = Predictor.load(Path("runs/latest/best_model.pt"), RuntimeConfig())
        for prediction in predictor.predict(pairs): ...
    """

    ensemble: Ensemble
    description: Description
    resources: Resources
    unfinished: str = ""

    @classmethod
    def load(cls, checkpoint: Path, runtime: RuntimeConfig) -> "Predictor":
        """Load the model of a checkpoint to the device of `runtime`.

        Raises:
            MmsentError: the checkpoint or the device cannot be used, or weights are not available.
        """
        resources = Resources.open(_with_own_weights(runtime, checkpoint))
        weights = replace(resources.weights, is_mapped=resources.compute.engine is not None)
        ensemble, description = load_ensemble(checkpoint, weights)
        if ensemble.reads_ocr:
            require_ocr()
        for network in ensemble.models:
            network.to(resources.compute.device)
        return cls(ensemble, description, resources, unfinished_note(checkpoint))

    @property
    def compute(self) -> Compute:
        """The device, precision and engine."""
        return self.resources.compute

    @property
    def model(self) -> SentimentModel:
        """The first model. All models share its frozen stages."""
        return self.ensemble.model

    def notes(self) -> list[str]:
        """Return notes on device, precision and engine, and on a checkpoint of an unfinished run."""
        encoders = (self.model.text, self.model.image, *self.ensemble.auxiliary_encoders.values())
        return [*filter(None, (self.unfinished, self.resources.note)), *self.compute.refusals(*encoders)]

    @cached_property
    def pipeline(self) -> PairPipeline:
        """The pipeline that encodes pairs for the model."""
        return PairPipeline(
            self.model.text, self.model.image, self.compute, self.ensemble.auxiliary_encoders, self.ensemble.reads_ocr
        )

    def votes(self, pair: Pair) -> tuple[MemberVote, ...]:
        """Return the prediction of each member of an ensemble for one pair; an empty tuple for a single model."""
        if self.ensemble.stacker is None:
            return ()
        chunks = self.pipeline.chunks([pair])
        encoded = next(next(chunks)[1])
        with self.compute.autocast():
            votes = np.exp(self.ensemble.votes(encoded.batch, encoded.texts, encoded.ocr_texts, encoded.features))[0]
        chunks.close()
        names = (NETWORK, *(probe.name for probe in self.ensemble.probes))
        named = zip(names, (self._prediction(pair, vote) for vote in votes), strict=True)
        return tuple(MemberVote(member=name, label=vote.tag, probabilities=vote.probabilities) for name, vote in named)

    def predict(self, pairs: Iterable[Pair]) -> Iterator[Prediction]:
        """Predict pairs in their order. A pair may lack its text or its image, but not both."""
        streams = self.pipeline.streams
        threads = torch.get_num_threads() if streams == 1 else max(1, streams // OPENVINO_THREADS_PER_TORCH_THREAD)
        for chunk, batches in self.pipeline.chunks(pairs):
            predictions: dict[int, Prediction] = {}
            with torch_threads(threads):
                for encoded in batches:
                    for row, probabilities in zip(encoded.rows, self._probabilities(encoded), strict=True):
                        predictions[row] = self._prediction(chunk[row], probabilities)
            yield from (predictions[row] for row in range(len(chunk)))

    @property
    def chunk_pairs(self) -> int:
        """The number of pairs that are predicted together."""
        return self.pipeline.chunk_pairs

    @torch.inference_mode()
    def _probabilities(self, encoded: PairBatch) -> np.ndarray:
        """Compute the class probabilities [B, C] of the B pairs of a batch."""
        with self.compute.autocast():
            return np.exp(
                self.ensemble.log_probabilities(encoded.batch, encoded.texts, encoded.ocr_texts, encoded.features)
            )

    def _prediction(self, pair: Pair, probabilities: np.ndarray) -> Prediction:
        labels = self.description.labels
        return Prediction(
            guid=pair.guid,
            tag=labels[int(probabilities.argmax())],
            probabilities={label: float(value) for label, value in zip(labels, probabilities, strict=True)},
            missing=self._missing(pair),
        )

    def _missing(self, pair: Pair) -> str:
        """Return the modalities that a pair lacks: "text", "image", "text and image", or an empty string.

        If cleaning leaves nothing of a text, the text counts as missing.

        The model still reads an empty text for such a pair, as in training.
        """
        has_text = pair.text is not None and not says_nothing(pair.text, self.description.model.text_cleaning)
        lacking = [name for name, has in (("text", has_text), ("image", pair.image is not None)) if not has]
        return " and ".join(lacking)


def _with_own_weights(runtime: RuntimeConfig, checkpoint: Path) -> RuntimeConfig:
    """Return the settings. A folder of weights that the user did not give is taken from the checkpoint's run."""
    if runtime.weights_dir or os.environ.get(WEIGHTS_VARIABLE):
        return runtime
    try:
        own = read_train_config(checkpoint.parent).runtime.weights_dir
    except ConfigError:  # the checkpoint is not in its run folder
        return runtime
    return replace(runtime, weights_dir=own)
