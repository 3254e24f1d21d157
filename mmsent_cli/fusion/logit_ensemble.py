"""Late fusion of two unimodal classifiers."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded

INITIAL_SCALE = 0.5
"""Initial scale of each modality. With two scales of 1/2, the result is the geometric mean of the two predictions."""


class ClassScores(NamedTuple):
    """The output of a fusion with heads: combined logits, logits of the text head, and logits of the image head.

    Each has the shape [B, C] for B pairs and C classes.
    """

    main: Tensor
    text: Tensor
    image: Tensor


class LogitEnsemble(nn.Module):
    """Combine the class probabilities of two unimodal heads by log-linear pooling.

    The logits are exp(a)·log p(c | text) + exp(b)·log p(c | image) + bias(c), with learned a, b and bias.

    The fusion has a classification head for each modality, and returns the logits of the model. Each head is trained
    only by its own loss. a, b and bias are trained on the detached log-probabilities of the heads. a and b are
    logarithms of inverse temperatures. The bias corrects for the class prior, which both heads contain.

    Args:
        text_head: a module that computes logits [B, C] from text features [B, Dt].
        image_head: a module that computes logits [B, C] from image features [B, Dv].
        n_classes: number of classes C.

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
        """Combine the logits of both heads, each [B, C], to logits [B, C]; the class docstring has the formula."""
        text, image = (logits.detach().log_softmax(dim=-1) for logits in (text_logits, image_logits))
        return self.text_log_scale.exp() * text + self.image_log_scale.exp() * image + self.bias

    def gates(self, text: Encoded, image: Encoded) -> dict[str, Tensor]:
        """Return the share of each modality in exp(a) + exp(b). The shares are the same for all pairs."""
        share = torch.sigmoid(self.text_log_scale - self.image_log_scale).expand(len(text.pooled))
        return {"text": share, "image": 1 - share}
