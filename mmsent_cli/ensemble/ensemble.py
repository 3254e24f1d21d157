"""The ensemble: one or several models, probes, and the stacker that combines their predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from mmsent_cli.data.ocr import OcrText
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.ensemble.probabilities import geometric_mean, log_softmax
from mmsent_cli.ensemble.probe_specs import reads_ocr
from mmsent_cli.ensemble.probes import Probe, ProbeInputs
from mmsent_cli.ensemble.stacker import Stacker
from mmsent_cli.model import MODALITIES, Batch, SentimentModel

NETWORK = "network"
"""Name of the ensemble member that is the mean of the models."""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """An ensemble: the members, and the stacker that combines their predictions.

    Attributes:
        models: models in eval mode on one device. They share the frozen stages of their encoders. The geometric mean
            of their predictions is the first member.
        probes: the other members.
        stacker: combines the members; None for a single model.
        auxiliary_encoders: frozen encoders that only probes use, by name.
    """

    models: tuple[SentimentModel, ...]
    probes: tuple[Probe, ...] = ()
    stacker: Stacker | None = None
    auxiliary_encoders: Mapping[str, Encoder] = field(default_factory=dict)

    @property
    def model(self) -> SentimentModel:
        """The first model. Its encoders are used for all models."""
        return self.models[0]

    @property
    def reads_ocr(self) -> bool:
        """True if a probe reads the text in images."""
        return reads_ocr([probe.name for probe in self.probes])

    @torch.inference_mode()
    def log_probabilities(
        self,
        batch: Batch,
        texts: Sequence[str],
        ocr_texts: Sequence[OcrText] = (),
        auxiliary: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Return the log-probabilities of C classes for B pairs, float64 [B, C]. The arguments are those of `votes`."""
        votes = self.votes(batch, texts, ocr_texts, auxiliary)
        return votes[:, 0] if self.stacker is None else self.stacker.log_probabilities(votes)

    @torch.inference_mode()
    def votes(
        self,
        batch: Batch,
        texts: Sequence[str],
        ocr_texts: Sequence[OcrText] = (),
        auxiliary: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Return the log-probabilities of C classes for B pairs, separately for each of M members.

        Args:
            batch: for each encoder, the output of its stored stages (the stages whose output is kept in the feature
                store). It is on the device of the models.
            texts: the texts of the pairs; an empty string for a pair without text.
            ocr_texts: the text in the images of the pairs, needed if `reads_ocr`.
            auxiliary: the features of each auxiliary encoder, [B, number of features], by name of the encoder.

        Returns:
            float64 [B, M, C]. The first member is the mean of the models, and the probes follow. M is 1 for a single
            model.
        """
        logits = [model(batch).main.float().cpu().numpy() for model in self.models]
        members = [geometric_mean([log_softmax(each) for each in logits])]
        if self.probes:
            inputs = probe_inputs(self.model, batch, texts, ocr_texts, auxiliary or {})
            members += [probe.log_probabilities(inputs) for probe in self.probes]
        return np.stack(members, axis=1)


def probe_inputs(
    model: SentimentModel,
    batch: Batch,
    texts: Sequence[str],
    ocr_texts: Sequence[OcrText],
    auxiliary: Mapping[str, np.ndarray],
) -> ProbeInputs:
    """Make the inputs of the probes. If an encoder of the model is completely frozen, its features are included."""
    own = {
        modality: pool(getattr(model, modality), getattr(batch, modality))
        for modality in MODALITIES
        if is_frozen(model, modality)
    }
    return ProbeInputs(
        texts=texts,
        pooled=own | dict(auxiliary),
        present={modality: batch.present[:, index].cpu().numpy() for index, modality in enumerate(MODALITIES)},
        ocr_texts=ocr_texts,
    )


def pool(encoder: Encoder, stored: Activations) -> np.ndarray:
    """Compute D features for each of B pairs, float32 [B, D], from the stored activations of a frozen encoder."""
    with torch.autocast(stored.values.device.type, enabled=False):
        return encoder(stored).pooled.float().cpu().numpy()


def is_frozen(model: SentimentModel, modality: str) -> bool:
    """Return True if the encoder of a modality is used and completely frozen."""
    encoder = getattr(model, modality)
    return modality in model.modalities and encoder.frozen == encoder.n_stages
