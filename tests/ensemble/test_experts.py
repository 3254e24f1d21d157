"""Each expert of the table, fit on a few pairs: it learns, answers in probabilities, and lies in a checkpoint whole."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmsent_cli.config import EXPERTS as NAMES
from mmsent_cli.data.writing import Writing
from mmsent_cli.ensemble import EXPERTS, ExpertInputs, fit_expert, join_inputs
from mmsent_cli.ensemble.characters import Characters
from mmsent_cli.ensemble.lexicon import N_LEXICON, lexicon_features
from mmsent_cli.ensemble.plain import expert_content, read_expert

TEXTS = ("awful sad day", "the train leaves at noon", "great happy day")
PAIRS = 60
POOLED = dict.fromkeys(("text", "image", "minilm-layers", "mpnet-layers"), 3)
"""Widths of the features of frozen encoders."""
every_expert = pytest.mark.parametrize("name", EXPERTS)


def inputs(pairs=PAIRS, seed=0):
    """Pairs whose text and features both tell the class, which is the row's remainder by three."""
    draws = np.random.default_rng(seed)
    classes = np.arange(pairs) % 3
    features = np.eye(3)[classes] * 3 + draws.normal(size=(pairs, 3))
    return ExpertInputs(
        texts=[f"{TEXTS[c]} {draws.integers(99)}" for c in classes],
        pooled={name: features.astype(np.float32) for name in POOLED},
        present={side: np.ones(pairs, dtype=bool) for side in ("text", "image")},
        writings=[Writing(TEXTS[c], c, c / 4) for c in classes],
    ), classes


def fitted(name):
    given, classes = inputs()
    return fit_expert(name, given, classes, np.arange(PAIRS), 3)


def without(given, side, row):
    present = {name: values.copy() for name, values in given.present.items()}
    present[side][row] = False
    return replace(given, present=present)


def test_the_options_name_each_row_of_the_table():
    assert set(NAMES) == set(EXPERTS)
    assert len(EXPERTS) == 8


@every_expert
def test_an_expert_learns_what_its_side_tells(name):
    given, classes = inputs(seed=1)
    said = fitted(name).log_probabilities(given)
    np.testing.assert_allclose(np.exp(said).sum(axis=1), 1)
    assert (said.argmax(axis=1) == classes).mean() > 0.8


@every_expert
def test_a_pair_without_the_experts_side_gets_the_class_shares_of_training(name):
    given, classes = inputs()
    rows = np.flatnonzero((classes != 1) | (np.arange(PAIRS) < 30))  # 20, 10 and 20 of the classes
    expert = fit_expert(name, given, classes, rows, 3)
    said = np.exp(expert.log_probabilities(without(given, EXPERTS[name].side, 7)))
    np.testing.assert_allclose(said[7], [0.4, 0.2, 0.4], atol=1e-3)
    assert not np.allclose(said[8], said[7], atol=5e-4)


@every_expert
def test_a_pair_without_the_experts_side_teaches_it_nothing(name):
    given, classes = inputs()
    side = EXPERTS[name].side
    lacking = without(given, side, 7)
    changed = replace(
        lacking,
        texts=["never seen before" if row == 7 else text for row, text in enumerate(given.texts)],
        pooled={key: np.where(np.arange(PAIRS)[:, None] == 7, 99, values) for key, values in given.pooled.items()},
        writings=[Writing("never seen", 9, 0.9) if row == 7 else each for row, each in enumerate(given.writings)],
    )
    one, other = (fit_expert(name, part, classes, np.arange(PAIRS), 3) for part in (lacking, changed))
    assert np.array_equal(one.weight, other.weight)


@every_expert
def test_an_expert_survives_a_checkpoint(name):
    expert, (given, _) = fitted(name), inputs(seed=2)
    buffer = io.BytesIO()
    torch.save(expert_content(expert), buffer)
    buffer.seek(0)
    again = read_expert(torch.load(buffer, weights_only=True), 3, POOLED)
    assert np.array_equal(again.log_probabilities(given), expert.log_probabilities(given))


@pytest.mark.parametrize(
    ("name", "part", "damage"),
    [
        ("characters", "ngrams", lambda ngrams: ngrams[1:]),
        ("characters", "ngrams", lambda ngrams: None),
        ("characters", "ngrams", lambda ngrams: [ngrams[0], *ngrams[:-1]]),
        ("characters", "idf", lambda idf: idf[1:]),
        ("lexicon", "weight", lambda weight: weight * float("nan")),
        ("lexicon", "weight", lambda weight: weight[1:]),
        ("image", "weight", lambda weight: weight[:, 1:]),
        ("image", "bias", lambda bias: bias[1:]),
        ("text", "prior", lambda prior: prior[:1]),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(name, part, damage):
    content = expert_content(fitted(name))
    with pytest.raises(ValueError, match=name):
        read_expert(content | {part: damage(content[part])}, 3, POOLED)


@every_expert
@pytest.mark.parametrize("classes_with_it", [(), (2,)])
def test_where_fewer_than_two_classes_have_its_side_it_says_the_class_shares(name, classes_with_it):
    given, classes = inputs()
    side = EXPERTS[name].side
    lacking = replace(given, present={**given.present, side: np.isin(classes, classes_with_it)})
    expert = fit_expert(name, lacking, classes, np.arange(PAIRS), 3)
    np.testing.assert_allclose(np.exp(expert.log_probabilities(given)), 1 / 3, atol=1e-3)


@every_expert
def test_a_pair_alone_gets_the_answer_that_it_gets_among_others(name):
    expert, (given, _) = fitted(name), inputs(seed=3)
    among = expert.log_probabilities(given)[5]
    np.testing.assert_allclose(expert.log_probabilities(given.take(np.array([5])))[0], among, atol=1e-9)


def test_joined_batches_are_what_they_were_apart():
    given, _ = inputs()
    parts = [given.take(np.arange(start, start + 20)) for start in (0, 20, 40)]
    joined = join_inputs(parts)
    assert joined.texts == given.texts
    assert np.array_equal(joined.pooled["image"], given.pooled["image"])
    assert np.array_equal(joined.present["text"], given.present["text"])
    assert list(joined.writings) == list(given.writings)


def test_the_lexicon_tells_good_words_from_bad_ones_inside_hashtags_too():
    good, bad, tagged, none = lexicon_features(["happy", "horrible", "#SoHappy", "12:30"])
    compound, split_compound = 3, 3 + N_LEXICON // 2
    assert good[compound] > 0 > bad[compound]
    assert tagged[split_compound] > 0 == tagged[compound]
    assert not none[: compound - 1].any()
    assert lexicon_features([]).shape == (0, N_LEXICON)


def test_ngrams_come_from_two_texts_or_more_and_see_neither_addresses_nor_mentions():
    texts = ["good http://t.co/xyzq @someone", "good http://t.co/xyzq @someone", "odd"]
    characters, features = Characters.fit(texts)
    np.testing.assert_allclose(features.toarray(), characters.features(texts).toarray())
    assert "good" in characters.ngrams
    assert not any("xyz" in ngram or "som" in ngram for ngram in characters.ngrams)
    assert not any("dd" in ngram for ngram in characters.ngrams)
    assert characters.features(["", "good"]).toarray().any(axis=1).tolist() == [False, True]


def test_texts_that_share_nothing_teach_nothing_and_break_nothing():
    given, classes = inputs()
    silent = replace(given, writings=[Writing() for _ in classes])
    said = fit_expert("writing-characters", silent, classes, np.arange(PAIRS), 3).log_probabilities(silent)
    np.testing.assert_allclose(np.exp(said), 1 / 3, atol=1e-3)
