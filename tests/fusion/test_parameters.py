"""Parameters of each layer at the widths of source A, counted by formula."""

import pytest

from mmsent_cli.fusion import FUSIONS
from tests.fusion.inputs import CLASSES, build_fusion

T, V = 768, 512  # BERT, ResNet18


def linear(in_dim, out_dim):
    return in_dim * out_dim + out_dim


def norm(width):
    return 2 * width


def attention(width):
    return 4 * linear(width, width)  # queries, keys, values, output


EXPECTED = {
    "concat": 0,
    "weighted": 2,
    "self-attention": linear(T, 512) + linear(V, 512) + attention(512) + 2 * norm(512),
    "early": norm(T) + norm(V) + linear(T + V, 1024) + norm(1024) + linear(1024, 512) + norm(512),
    "clip": linear(T, 512) + linear(V, 512),
    "blip": linear(V, T) + norm(T) + linear(T + V, 1024) + norm(1024),
    "blip-advanced": linear(V, T) + norm(T) + linear(T, V) + norm(V) + linear(T + V, 1024) + norm(1024),
    "gmu": linear(T, 512) + linear(V, 512) + linear(T + V, 512),
    "cross-attention": 2 * (linear(T, 128) + linear(V, 128) + norm(128) + attention(128) + norm(128)),
    "logit-ensemble": 2 + CLASSES + linear(T, CLASSES) + linear(V, CLASSES),
    "text-only": 0,
    "image-only": 0,
}


@pytest.mark.parametrize("name", FUSIONS)
def test_parameters_are_as_the_formula_says(name):
    fusion = build_fusion(FUSIONS[name], (T, V), (T, V))
    assert sum(p.numel() for p in fusion.parameters()) == EXPECTED[name]
