"""Late combination of two unimodal classifiers."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded

INITIAL_SCALE = 0.5
"""Two scales of 1/2 make the geometric mean of the two predictions."""


class ClassScores(NamedTuple):
    """Logits [B, C] of a fusion with heads of its own: the combined ones and those of each modality's head."""

    main: Tensor
    text: Tensor
    image: Tensor


class LogitEnsemble(nn.Module):
    """exp(a)·log p(c | text) + exp(b)·log p(c | image) + bias(c): log-linear pooling with learned a, b and bias.

    It has a classification head for each modality, and its output is the model's logits. Each head is trained by its
    own loss alone, the combination on the heads' detached log-probabilities, so neither modality can compensate for
    the other. The scales are inverse temperatures and calibrate each head on its training pairs; the bias corrects for
    the class prior, which both heads include.

    Args:
        text_head: [B, Dt] to logits [B, C].
        image_head: [B, Dv] to logits [B, C].
        n_classes: C.

    Sources: Hinton 2002, "Training products of experts"; Guo et al. 2017, arXiv 1706.04599 (temperatures).
    """

    def __init__(self, text_head: nn.Module, image_head: nn.Module, n_classes: int) -> None:
        super().__init__()
        self.out_dim = n_classes
        self.text_head = text_head
        self.image_head = image_head
        self.text_log_scale = nn.Parameter(torch.tensor(math.log(INITIAL_SCALE)))
        self.image_log_scale = nn.Parameter(torch.tensor(math.log(INITIAL_SCALE)))
        self.bias = nn.Parameter(torch.zeros(n_classes))

    def forward(self, text: Encoded, image: Encoded) -> ClassScores:
        text_logits, image_logits = self.text_head(text.pooled), self.image_head(image.pooled)  # [B, C]
        return ClassScores(self.combine(text_logits, image_logits), text_logits, image_logits)

    def combine(self, text_logits: Tensor, image_logits: Tensor) -> Tensor:
        """The formula above: logits of both heads, [B, C] each, to combined logits [B, C]."""
        text, image = (logits.detach().log_softmax(dim=-1) for logits in (text_logits, image_logits))
        return self.text_log_scale.exp() * text + self.image_log_scale.exp() * image + self.bias

    def gates(self, text: Encoded, image: Encoded) -> dict[str, Tensor]:
        """Each modality's share of the two scales, equal for all pairs; sum 1."""
        share = torch.sigmoid(self.text_log_scale - self.image_log_scale).expand(len(text.pooled))
        return {"text": share, "image": 1 - share}
