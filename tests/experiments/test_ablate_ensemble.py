"""An ablated model in parts, and a probe of which the modality is removed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mmsent_cli.ensemble import ProbeInputs, fit_probe, log_softmax
from mmsent_cli.experiments.ablation.ablate import COMBINING, Evaluated, remove
from mmsent_cli.experiments.ablation.ensemble import EncodedEnsemble, EncodedMembers, _encoded_probe
from mmsent_cli.experiments.ablation.perturb import additive_part
from tests.experiments.test_perturb import features, linear_model, pooled_table, subject_of


class Constant:
    """A subject whose logits show which rows of the data set they belong to."""

    def __init__(self, rows):
        self.rows = np.array(rows)

    def __len__(self):
        return len(self.rows)

    def logits(self, text_rows=None, image_rows=None, removed=()):
        texts = self.rows if text_rows is None else self.rows[text_rows]
        images = self.rows if image_rows is None else self.rows[image_rows]
        return np.stack([texts * (1 + len(removed)), images], axis=1).astype(float)


def parts_of(*rows):
    return Evaluated(np.sort(np.concatenate(rows)), [(Constant(own), np.array(own)) for own in rows])


def test_parts_are_joined_in_the_order_of_the_data_set():
    model = parts_of([1, 4, 9], [0, 7], [2])
    assert model.logits()[:, 0].tolist() == [0, 1, 2, 4, 7, 9]
    predictions = model.without()
    assert list(predictions) == ["zero", "mean", "permuted", "missing"]
    whole = remove(Constant([1, 4, 9]))["permuted"]
    assert predictions["permuted"].text[[1, 3, 5]].tolist() == whole.text.tolist()


def test_text_and_image_are_exchanged_within_a_part():
    """A fold's models may see the pairs of their own fold only: the others are their training pairs."""
    seen = []

    class Watched(Constant):
        def logits(self, text_rows=None, image_rows=None, removed=()):
            both = super().logits(text_rows, image_rows, removed)
            if not removed:
                seen.append((set(self.rows.tolist()), set(both.ravel().astype(int).tolist())))
            return both

    rows = [1, 4, 9], [0, 7, 2]
    model = Evaluated(np.sort(np.concatenate(rows)), [(Watched(own), np.sort(own)) for own in map(np.array, rows)])
    model.without()
    model.additive(np.arange(6))
    assert len(seen) > 6
    assert all(used <= own for own, used in seen)


@pytest.mark.parametrize("sample", [range(6), (0, 3, 4), (5,)])
def test_the_additive_part_of_each_part_is_its_own(sample):
    sample = np.array(sample)
    model = parts_of([1, 4, 9], [0, 7, 8])
    places = np.array([0, 1, 4, 7, 8, 9])[sample]
    expected = {}
    for subject, rows in model.subjects:
        own = np.flatnonzero(np.isin(rows, places))
        if len(own):
            expected |= dict(zip(rows[own].tolist(), additive_part(subject, own), strict=True))
    assert model.additive(sample).tolist() == [expected[place].tolist() for place in places.tolist()]


def test_every_part_is_counted_where_inputs_are_removed_or_combined():
    events = []
    model = replace(parts_of([1, 4, 9], [0, 7, 8]), progress=lambda event: events.append((event.name, event.done)))
    model.without()
    model.additive(np.arange(2))
    assert events == [(name, done) for name in ("predicting without text or image", COMBINING) for done in range(3)]


def test_a_model_in_one_part_is_its_subject():
    model, table = linear_model(), pooled_table(9)
    subject = subject_of(model, table)
    rows = np.sort(np.array(table.val))
    whole = Evaluated(rows, [(subject, rows)])
    assert np.array_equal(whole.logits(), subject.logits())
    assert features(table)[0].shape == (9, 3)


def test_an_ensemble_exchanges_texts_and_images_in_its_members():
    model, texts, images = Constant([1, 4, 9]), np.array([2, 0, 1]), np.array([1, 1, 0])
    first_member = SimpleNamespace(log_probabilities=lambda votes: votes[:, 0])
    ensemble = EncodedEnsemble(EncodedMembers([model], []), first_member)
    for removed in ({}, {"text": "zero"}):
        expected = log_softmax(model.logits(texts, images, removed))
        np.testing.assert_allclose(ensemble.logits(texts, images, removed), expected)


@pytest.fixture
def probe_inputs():
    """Twelve pairs, of which three have no text."""
    draws = np.random.default_rng(0)
    present = np.array([True] * 9 + [False] * 3)
    pooled = draws.normal(size=(12, 4)).astype(np.float32)
    return ProbeInputs([""] * 12, {"text": pooled}, {"text": present, "image": ~present})


def test_a_probe_without_its_modality(probe_inputs):
    """Zeros, the mean of the training pairs that have it, and what it predicts where it is missing."""
    targets, train, held_out = np.arange(12) % 3, np.array([0, 1, 2, 3, 4, 5, 6, 9, 10]), np.array([7, 8, 11])
    probe = fit_probe("text", probe_inputs, targets, train, 3)
    encoded = _encoded_probe(probe, probe_inputs, held_out, train)
    rows = np.array([2, 0, 1, 1])
    np.testing.assert_allclose(
        encoded.log_probabilities({"text": rows}, {}), probe.log_probabilities(probe_inputs.take(held_out[rows]))
    )
    pooled = probe_inputs.pooled["text"]
    stand_ins = {"zero": np.zeros(4), "mean": pooled[train[:7]].mean(axis=0)}
    for method, feature in stand_ins.items():
        expected = log_softmax((feature @ probe.weight.astype(float) + probe.bias)[None])
        answers = encoded.log_probabilities({"text": rows}, {"text": method})
        np.testing.assert_allclose(answers, np.repeat(expected, 4, axis=0), atol=1e-6)
    assert encoded.log_probabilities({"text": rows}, {"text": "missing"}).tolist() == [probe.prior.tolist()] * 4
    unchanged = encoded.log_probabilities({"text": rows}, {"image": "zero"})
    assert np.array_equal(unchanged, encoded.log_probabilities({"text": rows}, {}))


@pytest.mark.parametrize("removed", [{}, {"text": "zero"}, {"image": "mean"}, {"text": "mean", "image": "zero"}])
@pytest.mark.parametrize(
    ("probe_name", "sides"),
    [
        ("clip", {"text:clip": "text", "image:clip": "image"}),
        ("kernel", {"image": "image", "minilm-layers": "text", "mpnet-layers": "text"}),
    ],
)
def test_a_probe_of_both_modalities_reads_those_that_are_left_and_their_similarity(removed, probe_name, sides):
    draws = np.random.default_rng(0)
    pooled = {name: draws.normal(size=(12, 4)).astype(np.float32) for name in sides}
    present = {"text": np.arange(12) != 8, "image": np.arange(12) != 11}
    inputs = ProbeInputs([""] * 12, pooled, present)
    train, held_out = np.arange(7), np.array([7, 8, 9, 11])
    probe = fit_probe(probe_name, inputs, np.arange(12) % 3, train, 3)
    encoded = _encoded_probe(probe, inputs, held_out, train)
    rows = {"text": np.array([0, 1, 2, 3]), "image": np.array([2, 0, 3, 1])}
    answers = encoded.log_probabilities(rows, removed)
    features, is_there = {}, {}
    for name, side in sides.items():
        own = held_out[rows[side]]
        mean = np.tile(pooled[name][train].mean(axis=0), (4, 1))
        features[name] = {"zero": 0 * mean, "mean": mean}.get(removed.get(side, ""), pooled[name][own])
        is_there[side] = present[side][own] | (side in removed)
    expected = ProbeInputs([], features, is_there)
    np.testing.assert_allclose(answers, probe.log_probabilities(expected), atol=1e-6)
    for side in ("text", "image"):
        assert encoded.log_probabilities(rows, {**removed, side: "missing"}).tolist() == [probe.prior.tolist()] * 4
