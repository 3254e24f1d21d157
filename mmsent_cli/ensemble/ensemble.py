"""What predicts a pair: one model or several, linear probes, and the stacker that combines them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from mmsent_cli.data.ocr import OcrText
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.ensemble.probabilities import geometric_mean, log_softmax
from mmsent_cli.ensemble.probes import Probe, ProbeInputs, reads_ocr
from mmsent_cli.ensemble.stacker import Stacker
from mmsent_cli.model import MODALITIES, Batch, SentimentModel


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The members that predict a pair, and how their predictions are combined.

    Attributes:
        models: in eval mode, on one device; they read the same inputs and share their frozen stages. Their geometric
            mean is the first member.
        probes: the other members.
        stacker: combines the members; None for a single model.
        auxiliary_encoders: frozen encoders that only probes read, by name.
    """

    models: tuple[SentimentModel, ...]
    probes: tuple[Probe, ...] = ()
    stacker: Stacker | None = None
    auxiliary_encoders: Mapping[str, Encoder] = field(default_factory=dict)

    @property
    def model(self) -> SentimentModel:
        """The first model, whose encoders encode the pairs for all models."""
        return self.models[0]

    @property
    def reads_ocr(self) -> bool:
        """Whether a probe reads the text in images."""
        return reads_ocr([probe.name for probe in self.probes])

    @torch.inference_mode()
    def log_probabilities(
        self,
        batch: Batch,
        texts: Sequence[str],
        ocr_texts: Sequence[OcrText] = (),
        auxiliary: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Logarithms of the class probabilities of B pairs.

        Args:
            batch: activations of the encoders' stored stages, on the models' device.
            texts: of the same pairs, empty where a pair has none.
            ocr_texts: the text in their images, needed if `reads_ocr`.
            auxiliary: features [B, D] of each auxiliary encoder, by name.

        Returns:
            float64 [B, C].
        """
        logits = [model(batch).main.float().cpu().numpy() for model in self.models]
        mean = geometric_mean([log_softmax(each) for each in logits])
        if self.stacker is None:
            return mean
        inputs = probe_inputs(self.model, batch, texts, ocr_texts, auxiliary or {})
        members = [mean, *(probe.log_probabilities(inputs) for probe in self.probes)]
        return self.stacker.log_probabilities(np.stack(members, axis=1))


def probe_inputs(
    model: SentimentModel,
    batch: Batch,
    texts: Sequence[str],
    ocr_texts: Sequence[OcrText],
    auxiliary: Mapping[str, np.ndarray],
) -> ProbeInputs:
    """The probes' inputs for a batch. The model's own encoders give features only if they are frozen completely."""
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
    """Features float32 [B, D] of a frozen encoder from its stored activations, without autocast."""
    with torch.autocast(stored.values.device.type, enabled=False):
        return encoder(stored).pooled.float().cpu().numpy()


def is_frozen(model: SentimentModel, modality: str) -> bool:
    """True if the encoder of a modality is in use and completely frozen."""
    encoder = getattr(model, modality)
    return modality in model.modalities and encoder.frozen == encoder.n_stages
