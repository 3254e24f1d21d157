"""A trained model that sees something else than the pair: what is put in the place of a modality, and EMAP."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmsent_cli.compute.device import Compute, make_accelerator
from mmsent_cli.encoders.contract import Activations, Encoded, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.stages import MeanPool, NoPool, Plain
from mmsent_cli.experiments.ablation import perturb as views
from mmsent_cli.experiments.ablation.perturb import EncodedModel, additive_part, another_pair, mean_features
from mmsent_cli.features.batching import stack
from mmsent_cli.features.table import EpochBatches, Table, make_loader
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.model import Batch, SentimentModel, build_head
from mmsent_cli.training.metrics import evaluate
from tests.training.builders import Rows

TEXT_DIM, IMAGE_DIM, CLASSES = 3, 2, 3
WIDTH = 8
FP32 = Compute("cpu", "fp32")


class Product(nn.Module):
    """t ⊙ [v; 1]: nothing but interaction in its first two numbers."""

    out_dim = TEXT_DIM

    def forward(self, text, image):
        return text.pooled * torch.cat([image.pooled, torch.ones(len(image.pooled), 1)], dim=1)


class Ragged:
    """Stands in for a column of token features, each pair with its own number of tokens."""

    def __init__(self, arrays, keys):
        self.arrays, self.keys = arrays, keys

    def batch(self, rows, epoch=None):
        return stack([self.arrays[row] for row in rows], pad=0)


def as_it_comes(name, width):
    return Encoder(name=name, inputs=ImageInputs(32), stages=[Plain()], pool=NoPool(), out_dim=width)


def linear_model(fusion=None):
    """Logits are a linear function of both features, or of what another fusion makes of them."""
    torch.manual_seed(0)
    fusion = fusion or FUSIONS["concat"].build(TEXT_DIM, IMAGE_DIM)
    head = nn.Sequential(nn.Linear(fusion.out_dim, CLASSES))
    model = SentimentModel(as_it_comes("t", TEXT_DIM), as_it_comes("v", IMAGE_DIM), fusion, head)
    with torch.no_grad():
        model.missing_text.copy_(torch.tensor([0.3, -0.2, 0.1]))
        model.missing_image.copy_(torch.tensor([-0.4, 0.2]))
    return model


def table_of(text, image, without_text=(), without_image=(), train=()):
    """A table of rows; training rows first, all others are validated in an order of their own."""
    total = len(text.values if isinstance(text, Rows) else text.arrays)
    text.keys = ["" if row in without_text else str(row) for row in range(total)]
    image.keys = ["" if row in without_image else str(row) for row in range(total)]
    val = tuple(row for row in reversed(range(total)) if row not in train)
    return Table(text, image, [1] * total, np.zeros(total, dtype=np.int64), tuple(train), val)


def pooled_table(count, **absent):
    draws = torch.Generator().manual_seed(1)
    text, image = (torch.randn(count, width, generator=draws) for width in (TEXT_DIM, IMAGE_DIM))
    return table_of(Rows(text, []), Rows(image, []), **absent)


def token_table(count, **absent):
    draws = np.random.default_rng(2)
    sides = [[draws.normal(size=(n, 6)).astype(np.float32) for n in draws.integers(1, 7, count)] for _ in range(2)]
    return table_of(*(Ragged(side, []) for side in sides), **absent)


def token_model(name, dropout=0.0):
    """Encoders that give tokens, under a fusion of the table; in training mode, as after training."""
    torch.manual_seed(0)
    encoders = [
        Encoder(name=side, inputs=ImageInputs(32), stages=[Plain(nn.Linear(6, WIDTH))], pool=MeanPool(), out_dim=WIDTH)
        for side in ("t", "v")
    ]
    widths = (WIDTH,) * (4 if FUSIONS[name].reads == "tokens" else 2)
    fusion = FUSIONS[name].build(*widths)
    model = SentimentModel(*encoders, fusion, build_head(fusion.out_dim, (8,), (dropout,), CLASSES))
    with torch.no_grad():
        model.missing_text.normal_()
        model.missing_image.normal_()
    return model.train()


def subject_of(model, table, keeps_tokens=False, means=None):
    return EncodedModel(model, table, table.val, FP32, keeps_tokens, means or {})


def by_hand(model, text, image):
    """Logits of the linear model for features [N, D] of both modalities."""
    return model.head(torch.cat([text, image], dim=1)).detach().numpy()


def features(table, rows=None):
    rows = list(table.val if rows is None else rows)
    return table.text.values[rows], table.image.values[rows]


@pytest.mark.parametrize("classified", [7, 1024])
@pytest.mark.parametrize("name", ["concat", "gmu", "cross-attention"])
def test_with_everything_present_the_model_says_what_it_says_when_evaluated(name, classified, monkeypatch):
    monkeypatch.setattr(views, "CLASSIFIER_BATCH", classified)
    table = token_table(90, without_text=(3, 80), without_image=(5, 70), train=range(10))
    model = token_model(name, dropout=0.5)
    subject = subject_of(model, table, keeps_tokens=FUSIONS[name].reads == "tokens")
    logits = subject.logits()
    loader = make_loader(table, EpochBatches(table, 64, 0, is_training=False), 0)
    evaluation = evaluate(model, loader, make_accelerator(FP32, 1))
    assert len(subject) == len(evaluation.logits) == 80
    np.testing.assert_allclose(logits, evaluation.logits, rtol=1e-4, atol=1e-5)


def test_a_feature_takes_the_place_of_a_modality_in_every_pair():
    model, table = linear_model(), pooled_table(9, without_text=(4,), without_image=(7,), train=(0, 1))
    text, image = features(table)
    text[table.val.index(4)] = model.missing_text.detach()
    image[table.val.index(7)] = model.missing_image.detach()
    put = {"text": torch.tensor([0.5, 0.0, -1.0]), "image": torch.tensor([0.4, 0.1])}
    subject = subject_of(model, table, means=put)
    every = {side: feature.expand(len(table.val), -1) for side, feature in put.items()}
    expected = {
        (): (text, image),
        ("text",): (every["text"], image),
        ("image",): (text, every["image"]),
        ("text", "image"): (every["text"], every["image"]),
    }
    for sides, seen in expected.items():
        logits = subject.logits(removed=dict.fromkeys(sides, "mean"))
        np.testing.assert_allclose(logits, by_hand(model, *seen), atol=1e-5)
    no_text = subject.logits(removed={"text": "zero"})
    np.testing.assert_allclose(no_text, by_hand(model, torch.zeros_like(text), image), atol=1e-5)


def test_an_absent_modality_is_replaced_by_what_the_model_learned_for_it():
    model, table = linear_model(), pooled_table(6)
    subject = subject_of(model, table)
    text, image = features(table)
    stands_in = {"text": model.missing_text.expand(6, -1), "image": model.missing_image.expand(6, -1)}
    for absent in (("text",), ("image",), ("text", "image")):
        seen = stands_in["text"] if "text" in absent else text, stands_in["image"] if "image" in absent else image
        np.testing.assert_allclose(
            subject.logits(removed=dict.fromkeys(absent, "missing")), by_hand(model, *seen), atol=1e-5
        )


def test_pairs_can_be_put_together_anew():
    model, table = linear_model(), pooled_table(8, without_image=(2,))
    subject = subject_of(model, table)
    text, image = features(table)
    image[table.val.index(2)] = model.missing_image.detach()
    of_texts, of_images = np.array([0, 0, 7, 3, 5]), np.array([1, 5, 7, 0, 5])  # row 2 is the sixth
    logits = subject.logits(of_texts, of_images)
    np.testing.assert_allclose(logits, by_hand(model, text[of_texts], image[of_images]), atol=1e-5)
    in_order = subject.logits(image_rows=np.arange(8)[::-1].copy())
    np.testing.assert_allclose(in_order, by_hand(model, text, image.flip(0)), atol=1e-5)


def test_the_mean_is_over_the_training_pairs_that_have_the_modality():
    table = pooled_table(150, without_text=(1,), without_image=(2, 3), train=range(100))
    with torch.no_grad():
        table.text.values[1] = torch.nan
    text, image = features(table, range(100))
    means = mean_features(linear_model(), table, table.train, FP32)
    expected = {"text": text[[row for row in range(100) if row != 1]].mean(dim=0)}
    expected["image"] = image[[row for row in range(100) if row not in (2, 3)]].mean(dim=0)
    for side, mean in expected.items():
        torch.testing.assert_close(means[side], mean, rtol=1e-5, atol=1e-6)


def forward(model, table, text_rows, image_rows):
    """The model's own answer to pairs put together by hand, each in a batch of its own."""
    answers = []
    for text_row, image_row in zip(text_rows, image_rows, strict=True):
        present = torch.tensor([[bool(table.text.keys[text_row]), bool(table.image.keys[image_row])]])
        sides = table.text.batch([text_row]), table.image.batch([image_row])
        answers.append(model.eval()(Batch(*sides, present, torch.tensor([0]))).main)
    return torch.cat(answers).detach().numpy()


def test_a_fusion_of_tokens_sees_the_tokens_of_the_pairs_that_are_put_together():
    table = token_table(12, without_text=(1,), without_image=(2,))
    model = token_model("cross-attention")
    subject = subject_of(model, table, keeps_tokens=True)
    of_texts, of_images = another_pair(12, 0), another_pair(12, 1)
    rows = np.array(table.val)
    expected = forward(model, table, rows[of_texts], rows[of_images])
    np.testing.assert_allclose(subject.logits(of_texts, of_images), expected, rtol=1e-4, atol=1e-5)


def test_a_modality_that_a_feature_replaced_has_no_tokens_left():
    table, other = token_table(6), token_table(6)
    other.image.arrays[:] = [array[:1] + 5 for array in other.image.arrays]
    model, put = token_model("cross-attention"), {"image": torch.ones(WIDTH)}
    subjects = [subject_of(model, each, keeps_tokens=True, means=put) for each in (table, other)]
    logits = [subject.logits(removed={"image": "mean"}) for subject in subjects]
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-6)
    text = model.text(Activations(table.text.batch(table.val).values, table.text.batch(table.val).mask))
    nothing = Encoded(torch.ones(6, WIDTH), torch.zeros(6, 1, WIDTH), torch.zeros(6, 1, dtype=torch.bool))
    expected = model.classify(text, nothing, torch.ones(6, 2, dtype=torch.bool)).main.detach().numpy()
    np.testing.assert_allclose(logits[0], expected, atol=1e-5)


def test_tokens_are_kept_for_a_fusion_that_reads_them_alone():
    table, model = token_table(5), token_model("concat")
    assert subject_of(model, table).text.tokens is None
    kept = subject_of(model, table, keeps_tokens=True)
    assert [len(tokens) for tokens in kept.text.tokens] == [len(table.text.arrays[row]) for row in table.val]
    np.testing.assert_allclose(kept.logits(), subject_of(model, table).logits(), atol=1e-6)


def naive_additive_part(subject, rows):
    """The definition: every text with every image, and the means of rows, of columns and of all."""
    table = np.stack([[subject.logits(np.array([i]), np.array([j]))[0] for j in rows] for i in rows])  # [M, M, C]
    return np.stack(
        [table[n].mean(axis=0) + table[:, n].mean(axis=0) - table.mean(axis=(0, 1)) for n in range(len(rows))]
    )


@pytest.mark.parametrize("name", ["gmu", "cross-attention"])
def test_the_additive_part_is_emaps_definition(name):
    table = token_table(9, without_text=(1,), without_image=(2, 5))
    subject = subject_of(token_model(name), table, keeps_tokens=True)
    rows = np.array([0, 2, 3, 6, 8])
    expected = naive_additive_part(subject, rows)
    np.testing.assert_allclose(additive_part(subject, rows), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected - subject.logits()[rows]).max() > 1e-3


def test_a_model_without_interaction_is_its_additive_part():
    subject = subject_of(linear_model(), pooled_table(12, without_text=(3,)))
    rows = np.arange(12)
    np.testing.assert_allclose(additive_part(subject, rows), subject.logits(), atol=1e-5)


def test_a_model_of_nothing_but_interaction_keeps_its_means():
    """(t - mean t)(v - mean v) is what the additive part of t·v lacks."""
    model, table = linear_model(Product()), pooled_table(10)
    subject, rows = subject_of(model, table), np.arange(10)
    text, image = features(table)
    lost = (text - text.mean(dim=0))[:, :2] * (image - image.mean(dim=0))
    expected = subject.logits() - (lost @ model.head[0].weight[:, :2].T).detach().numpy()
    np.testing.assert_allclose(additive_part(subject, rows), expected, atol=1e-5)


@given(st.integers(2, 60), st.integers(0, 2**32))
def test_another_pair_is_never_ones_own_and_each_is_used_once(count, seed):
    others = another_pair(count, seed)
    assert sorted(others) == list(range(count))
    assert not np.any(others == np.arange(count))


def test_another_pair_depends_on_the_seed_and_the_only_pair_has_no_other():
    assert another_pair(1, 5).tolist() == [0]
    assert another_pair(50, 0).tolist() == another_pair(50, 0).tolist() != another_pair(50, 1).tolist()
