"""The published networks find faces in real images, and faces of positive pairs look happier."""

import csv

import numpy as np
import pytest
import torch

from mmsent_cli.encoders.contract import Activations, BuildRequest
from mmsent_cli.encoders.image.faces import build
from mmsent_cli.encoders.weights.source import WeightSource
from tests.real.test_real_data import DATA

pytestmark = [pytest.mark.real, pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")]

HAPPY = 6 + 3
"""The column of the mean of this expression, after six columns of number and sizes."""
PAIRS = 300


def test_faces_are_found_and_those_of_positive_pairs_are_happier():
    encoder = build(BuildRequest(weights=WeightSource()))
    with (DATA / "train.txt").open(encoding="ascii") as stream:
        rows = list(csv.DictReader(stream))[:PAIRS]
    pixels = encoder.inputs.arrays([DATA / "data" / f"{row['guid']}.jpg" for row in rows])
    features = encoder.prefix(Activations(torch.from_numpy(np.stack(pixels))), encoder.n_stages).values.numpy()
    is_positive, has_face = np.array([row["tag"] == "positive" for row in rows]), features[:, 0] > 0
    assert 0.33 < has_face.mean() < 0.55
    happy, other = (features[has_face & part, HAPPY].mean() for part in (is_positive, ~is_positive))
    assert happy > 1.5 * other
