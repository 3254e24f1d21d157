"""What the members of an ensemble say, in which order, and how the models are averaged."""

from types import SimpleNamespace

import numpy as np
import torch

from mmsent_cli.encoders.contract import Activations
from mmsent_cli.ensemble import Ensemble, probe_inputs
from tests.training.builders import OUT_DIM, tiny_batch, tiny_model


def test_the_models_are_averaged_over_all_of_them_and_come_before_the_probes():
    """The normalized geometric mean of two models' probabilities, by torch; a probe that always says the same."""
    models, batch = tuple(tiny_model(seed).eval() for seed in (0, 1)), tiny_batch()
    with torch.no_grad():
        shares = [model(batch).main.double().softmax(dim=1) for model in models]
    mean = (shares[0] * shares[1]).sqrt()
    mean = (mean / mean.sum(dim=1, keepdim=True)).numpy()
    assert np.abs(shares[0].numpy() - mean).max() > 0.01
    texts = [""] * 4
    np.testing.assert_allclose(np.exp(Ensemble(models).log_probabilities(batch, texts)), mean, atol=1e-6)
    said = np.log(np.tile([0.7, 0.2, 0.1], (4, 1)))
    probe = SimpleNamespace(name="lexicon", log_probabilities=lambda inputs: said)
    stacker = SimpleNamespace(log_probabilities=lambda votes: votes[:, 1])
    ensemble = Ensemble(models, (probe,), stacker)
    votes = ensemble.votes(batch, texts)
    np.testing.assert_allclose(np.exp(votes), np.stack([mean, np.exp(said)], axis=1), atol=1e-6)
    np.testing.assert_array_equal(ensemble.log_probabilities(batch, texts), said)


def test_probes_read_the_features_of_encoders_that_are_frozen_completely():
    """The image encoder is frozen here, the text encoder is not; a feature of another encoder comes beside it."""
    model = tiny_model().eval()
    model.image.freeze(model.image.n_stages)
    batch = tiny_batch()._replace(image=Activations(torch.randn(4, OUT_DIM)))
    other = np.ones((4, 2), dtype=np.float32)
    inputs = probe_inputs(model, batch, list("abcd"), (), {"minilm-layers": other})
    assert list(inputs.texts) == list("abcd") and set(inputs.pooled) == {"image", "minilm-layers"}
    np.testing.assert_allclose(inputs.pooled["image"], batch.image.values.numpy())
    assert inputs.pooled["minilm-layers"] is other
    assert {name: each.tolist() for name, each in inputs.present.items()} == {
        "text": [True, True, False, True],
        "image": [True, False, True, True],
    }
