"""What predicts a pair: one network or several, linear probes beside them, and the rule that joins their answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from mmsent_cli.data.ocr import OcrText
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.ensemble.probes import Probe, ProbeInputs, reads_ocr
from mmsent_cli.ensemble.stacker import Stacker
from mmsent_cli.model import MODALITIES, Batch, SentimentModel


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Judges of one pair.

    Attributes:
        networks: in eval mode, on one device; they read the same inputs, and share their frozen stages. Their mean
            is the first judge.
        probes: the other members.
        stacker: joins them; None where one network is all there is.
        readers: frozen encoders that only probes read, by name.
    """

    networks: tuple[SentimentModel, ...]
    probes: tuple[Probe, ...] = ()
    stacker: Stacker | None = None
    readers: Mapping[str, Encoder] = field(default_factory=dict)

    @property
    def network(self) -> SentimentModel:
        """The first network, whose encoders say how pairs are read."""
        return self.networks[0]

    @property
    def reads_ocr(self) -> bool:
        """Whether an probe looks at the words in images."""
        return reads_ocr([probe.name for probe in self.probes])

    @torch.inference_mode()
    def log_probabilities(
        self,
        batch: Batch,
        texts: Sequence[str],
        ocr_texts: Sequence[OcrText] = (),
        read: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Logarithms of the class probabilities of B pairs.

        Args:
            batch: activations of the encoders' stored stages, on the networks' device.
            texts: the same pairs' texts, empty where there is none.
            ocr_texts: what stands in their images, where `reads_ocr`.
            read: features [B, D] by each reader.

        Returns:
            float64 [B, C].
        """
        logits = [network(batch).main.float().cpu().numpy() for network in self.networks]
        answer = mean_answer([log_softmax(each) for each in logits])
        if self.stacker is None:
            return answer
        inputs = probe_inputs(self.network, batch, texts, ocr_texts, read or {})
        answers = [answer, *(probe.log_probabilities(inputs) for probe in self.probes)]
        return self.stacker.log_probabilities(np.stack(answers, axis=1))


def probe_inputs(
    network: SentimentModel,
    batch: Batch,
    texts: Sequence[str],
    ocr_texts: Sequence[OcrText],
    pooled: Mapping[str, np.ndarray],
) -> ProbeInputs:
    """What probes may read of a batch: beside `pooled`, the features of the network's encoders if frozen whole."""
    own = {side: pool(getattr(network, side), getattr(batch, side)) for side in MODALITIES if is_frozen(network, side)}
    return ProbeInputs(
        texts=texts,
        pooled=own | dict(pooled),
        present={side: batch.present[:, index].cpu().numpy() for index, side in enumerate(MODALITIES)},
        ocr_texts=ocr_texts,
    )


def pool(encoder: Encoder, stored: Activations) -> np.ndarray:
    """Features float32 [B, D] of a frozen encoder's stored stages, in float32 whatever the network computes in."""
    with torch.autocast(stored.values.device.type, enabled=False):
        return encoder(stored).pooled.float().cpu().numpy()


def is_frozen(network: SentimentModel, side: str) -> bool:
    """True if an encoder runs and nothing of it is trained."""
    encoder = getattr(network, side)
    return side in network.modalities and encoder.frozen == encoder.n_stages


def mean_answer(answers: Sequence[np.ndarray]) -> np.ndarray:
    """The normalised geometric mean of log-probabilities, each [N, C]."""
    return log_softmax(np.mean(answers, axis=0))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities float64 [N, C] of logits [N, C]."""
    from scipy.special import log_softmax as scipy_log_softmax

    return scipy_log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
