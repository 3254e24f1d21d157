"""Late combination of two unimodal classifiers."""

import math

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded

INITIAL_SCALE = 0.5
"""Both halves make the geometric mean of the two predictions."""


class LogitEnsemble(nn.Module):
    """exp(a)·log p(c | text) + exp(b)·log p(c | image) + bias(c): log-linear pooling, a and b learned.

    Its inputs are the log-probabilities [B, C] of two unimodal heads, in place of pooled features, and its output is
    the model's logits. Each head is trained by its own loss alone, and the combination on their detached output, so
    neither modality can hide behind the other. The scales are inverse temperatures and calibrate each head, on the
    pairs it was trained on; the bias makes up for a class prior that is counted twice.

    Sources: Hinton 2002, "Training products of probes"; Guo et al. 2017, arXiv 1706.04599 (temperatures).
    """

    def __init__(self, text_classes: int, image_classes: int) -> None:
        super().__init__()
        self.out_dim = text_classes
        self.text_log_scale = nn.Parameter(torch.tensor(math.log(INITIAL_SCALE)))
        self.image_log_scale = nn.Parameter(torch.tensor(math.log(INITIAL_SCALE)))
        self.bias = nn.Parameter(torch.zeros(text_classes))

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        return self.text_log_scale.exp() * text.pooled + self.image_log_scale.exp() * image.pooled + self.bias  # [B, C]

    def gates(self, text: Encoded, image: Encoded) -> dict[str, Tensor]:
        """Each modality's share of the two scales, the same for each pair; sum 1."""
        share = torch.sigmoid(self.text_log_scale - self.image_log_scale).expand(len(text.pooled))
        return {"text": share, "image": 1 - share}
