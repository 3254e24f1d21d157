"""Each probe of the table, fit on a few pairs: it learns, predicts probabilities, and survives a checkpoint."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import special
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmsent_cli.config import PROBES as NAMES
from mmsent_cli.data.ocr import OcrText
from mmsent_cli.ensemble import PROBES, ProbeInputs, auxiliary_encoders, find_probe, fit_probe, join_inputs, kernel
from mmsent_cli.ensemble.lexicon import N_LEXICON, lexicon_features
from mmsent_cli.ensemble.ngrams import NGRAM_CHARACTERS, Characters, prepare
from mmsent_cli.ensemble.probabilities import log_softmax, softmax
from mmsent_cli.ensemble.probe_specs import MINILM_OCR, reads_ocr
from mmsent_cli.ensemble.serialize import probe_content, read_probe

TEXTS = ("awful sad day", "the train leaves at noon", "great happy day")
PAIRS = 60
POOLED = dict.fromkeys(
    (
        "text",
        "image",
        "minilm-layers",
        "mpnet-layers",
        "text:clip",
        "image:clip",
        "image:timm:a",
        "image:faces",
        MINILM_OCR,
    ),
    3,
)
"""Widths of the features of frozen encoders."""
WIDE = {"image": 9, "minilm-layers": 5, "mpnet-layers": 7}
"""Widths of those of the kernel probe, unequal."""
every_probe = pytest.mark.parametrize("name", [*PROBES, "image:timm:a"])


def inputs(pairs=PAIRS, seed=0):
    """Pairs whose text and features both depend on the class, which is the row number modulo three."""
    draws = np.random.default_rng(seed)
    classes = np.arange(pairs) % 3
    features = np.eye(3)[classes] * 3 + draws.normal(size=(pairs, 3))
    return ProbeInputs(
        texts=[f"{TEXTS[c]} {draws.integers(99)}" for c in classes],
        pooled={name: features.astype(np.float32) for name in POOLED},
        present={side: np.ones(pairs, dtype=bool) for side in ("text", "image")},
        ocr_texts=[OcrText(TEXTS[c], c, c / 4) for c in classes],
    ), classes


def fitted(name):
    given, classes = inputs()
    return fit_probe(name, given, classes, np.arange(PAIRS), 3)


def without(given, modality, row):
    present = {name: values.copy() for name, values in given.present.items()}
    present[modality][row] = False
    return replace(given, present=present)


def test_the_options_name_each_row_of_the_table():
    assert set(NAMES) == set(PROBES)
    assert len(PROBES) == 14


@every_probe
def test_a_probe_learns_from_its_source(name):
    given, classes = inputs(seed=1)
    predicted = fitted(name).log_probabilities(given)
    np.testing.assert_allclose(np.exp(predicted).sum(axis=1), 1)
    assert (predicted.argmax(axis=1) == classes).mean() > 0.8


@pytest.mark.parametrize("name", ["lexicon", "characters", "ocr", "ocr-characters"])
def test_a_probe_of_words_reads_those_of_its_own_source(name):
    """Only one of text and image tells the class; each image has as many words."""
    given, classes = inputs()
    if find_probe(name).source == "ocr":
        given = replace(given, texts=["noon"] * PAIRS, ocr_texts=[OcrText(TEXTS[c], 4, 0.5) for c in classes])
    else:
        given = replace(given, ocr_texts=[OcrText("noon", 1, 0.5)] * PAIRS)
    predicted = fit_probe(name, given, classes, np.arange(PAIRS), 3).log_probabilities(given)
    assert (predicted.argmax(axis=1) == classes).mean() > 0.9


def test_probes_that_read_words_in_images_are_known():
    assert [reads_ocr([name]) for name in PROBES] == ["ocr" in name for name in PROBES]
    assert reads_ocr(["lexicon", "ocr"]) and not reads_ocr([])


@every_probe
def test_a_pair_without_the_modality_gets_the_class_shares_of_training(name):
    given, classes = inputs()
    rows = np.flatnonzero((classes != 1) | (np.arange(PAIRS) < 30))  # 20, 10 and 20 of the classes
    probe = fit_probe(name, given, classes, rows, 3)
    predicted = np.exp(probe.log_probabilities(without(given, find_probe(name).modalities[-1], 7)))
    np.testing.assert_allclose(predicted[7], [0.4, 0.2, 0.4], atol=1e-3)
    assert not np.allclose(predicted[8], predicted[7], atol=5e-4)


@every_probe
def test_a_pair_without_the_modality_does_not_change_the_weights(name):
    given, classes = inputs()
    modality = find_probe(name).modalities[-1]
    lacking = without(given, modality, 7)
    changed = replace(
        lacking,
        texts=["never seen before" if row == 7 else text for row, text in enumerate(given.texts)],
        pooled={key: np.where(np.arange(PAIRS)[:, None] == 7, 99, values) for key, values in given.pooled.items()},
        ocr_texts=[OcrText("never seen", 9, 0.9) if row == 7 else each for row, each in enumerate(given.ocr_texts)],
    )
    one, other = (fit_probe(name, part, classes, np.arange(PAIRS), 3) for part in (lacking, changed))
    assert np.array_equal(one.weight, other.weight)
    if one.kernel is not None:
        assert np.array_equal(one.kernel.rows, other.kernel.rows)


@every_probe
def test_a_probe_survives_a_checkpoint(name):
    probe, (given, _) = fitted(name), inputs(seed=2)
    buffer = io.BytesIO()
    torch.save(probe_content(probe), buffer)
    buffer.seek(0)
    again = read_probe(torch.load(buffer, weights_only=True), 3, POOLED)
    assert np.array_equal(again.log_probabilities(given), probe.log_probabilities(given))


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
        ("kernel", "weight", lambda weight: weight[1:]),
        ("kernel", "rows", lambda rows: rows[:, 1:]),
        ("kernel", "rows", lambda rows: rows * float("nan")),
        ("kernel", "offset", lambda offset: offset[1:]),
        ("kernel", "projections", lambda parts: parts[1:] * 2),
        ("kernel", "projections", lambda parts: [parts[0][1:], *parts[1:]]),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(name, part, damage):
    content = probe_content(fitted(name))
    with pytest.raises(ValueError, match=name):
        read_probe(content | {part: damage(content[part])}, 3, POOLED)


@every_probe
@pytest.mark.parametrize("classes_with_it", [(), (2,)])
def test_where_fewer_than_two_classes_have_its_modality_it_predicts_the_class_shares(name, classes_with_it):
    given, classes = inputs()
    modality = find_probe(name).modalities[-1]
    lacking = replace(given, present={**given.present, modality: np.isin(classes, classes_with_it)})
    probe = fit_probe(name, lacking, classes, np.arange(PAIRS), 3)
    np.testing.assert_allclose(np.exp(probe.log_probabilities(given)), 1 / 3, atol=1e-3)


@every_probe
def test_a_prediction_does_not_depend_on_the_other_pairs(name):
    probe, (given, _) = fitted(name), inputs(seed=3)
    among = probe.log_probabilities(given)[5]
    np.testing.assert_allclose(probe.log_probabilities(given.take(np.array([5])))[0], among, atol=1e-9)


def test_joined_batches_are_the_inputs_that_they_were_taken_from():
    given, _ = inputs()
    parts = [given.take(np.arange(start, start + 20)) for start in (0, 20, 40)]
    joined = join_inputs(parts)
    assert joined.texts == given.texts
    assert np.array_equal(joined.pooled["image"], given.pooled["image"])
    assert np.array_equal(joined.present["text"], given.present["text"])
    assert list(joined.ocr_texts) == list(given.ocr_texts)


def test_the_lexicon_separates_good_words_from_bad_ones_inside_hashtags_too():
    good, bad, tagged, none = lexicon_features(["happy", "horrible", "#SoHappy", "12:30"])
    compound, split_compound = 3, 3 + N_LEXICON // 2
    assert good[compound] > 0 > bad[compound]
    assert tagged[split_compound] > 0 == tagged[compound]
    assert not none[: compound - 1].any()
    assert lexicon_features([]).shape == (0, N_LEXICON)


def test_ngrams_are_in_two_texts_or_more_and_not_of_urls_or_mentions():
    texts = ["good http://t.co/xyzq @someone", "good http://t.co/xyzq @someone", "odd"]
    characters, features = Characters.fit(texts)
    np.testing.assert_allclose(features.toarray(), characters.features(texts).to_scipy().toarray())
    assert "good" in characters.ngrams
    assert not any("xyz" in ngram or "som" in ngram for ngram in characters.ngrams)
    assert not any("dd" in ngram for ngram in characters.ngrams)
    assert Characters.fit(["GOOD", "good"])[0].ngrams == Characters.fit(["good"] * 2)[0].ngrams
    assert characters.features(["", "good"]).to_scipy().toarray().any(axis=1).tolist() == [False, True]


def test_ngrams_are_counted_and_multiplied_as_scikit_learn_does_to_the_last_bit():
    texts = ["so good today, so GOOD", "a", "", "good\x1c day \u3000 todayyy", "@me https://t.co/x #sogood", "odd odd"]
    characters, _ = Characters.fit(texts * 2)
    counter = TfidfVectorizer(
        analyzer="char_wb", ngram_range=NGRAM_CHARACTERS, sublinear_tf=True, vocabulary=characters.ngrams
    )
    counter.idf_ = characters.idf
    wanted, own = counter.transform(list(map(prepare, texts))), characters.features(texts)
    weights = np.random.default_rng(0).normal(size=(len(characters.ngrams), 3))
    assert own.shape == wanted.shape and (own.to_scipy() != wanted).nnz == 0
    assert np.array_equal(own @ weights, wanted @ weights)
    assert (characters.features([]) @ weights).shape == (0, 3)


@pytest.mark.parametrize("row", [[0.3, -2.0, 9.0], [-np.inf, 0.0, 0.0], [np.inf, 0.0, 1.0], [-np.inf] * 3])
def test_probabilities_are_those_of_scipy_to_the_last_bit(row):
    logits = np.array([row, [1.0, 2.0, 3.0]])
    with np.errstate(invalid="ignore"):
        assert np.array_equal(log_softmax(logits), special.log_softmax(logits, axis=1), equal_nan=True)
        assert np.array_equal(softmax(logits), special.softmax(logits, axis=1), equal_nan=True)
        narrow = logits.astype(np.float32)
        expected = special.log_softmax(narrow.astype(np.float64), axis=1)
        assert np.array_equal(log_softmax(narrow), expected, equal_nan=True)


def test_texts_without_common_ngrams_give_the_class_shares():
    given, classes = inputs()
    silent = replace(given, ocr_texts=[OcrText() for _ in classes])
    predicted = fit_probe("ocr-characters", silent, classes, np.arange(PAIRS), 3).log_probabilities(silent)
    np.testing.assert_allclose(np.exp(predicted), 1 / 3, atol=1e-3)


def test_a_probe_of_two_towers_reads_both_and_their_similarity():
    given, classes = inputs()
    apart = given.pooled["text:clip"] * np.where(classes == 0, -1, 1)[:, None].astype(np.float32)
    pooled = {**given.pooled, "image:clip": apart}
    probe = fit_probe("clip", replace(given, pooled=pooled), classes, np.arange(PAIRS), 3)
    assert probe.weight.shape == (7, 3)
    one, other = pooled["text:clip"], apart
    cosine = (one * other).sum(axis=1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1))
    logits = np.column_stack([one, other, cosine]) @ probe.weight.astype(np.float64) + probe.bias
    predicted = probe.log_probabilities(replace(given, pooled=pooled))
    np.testing.assert_allclose(predicted, logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), atol=1e-5)
    for modality in ("text", "image"):
        lacking = without(replace(given, pooled=pooled), modality, 4)
        np.testing.assert_allclose(probe.log_probabilities(lacking)[4], probe.prior)


@pytest.mark.parametrize("most", [6000, 40])
def test_the_kernel_probe_is_scikit_learns_ridge_regression_on_scaled_principal_components(monkeypatch, most):
    monkeypatch.setattr(kernel, "MAX_PAIRS", most)
    given, classes = inputs()
    draws = np.random.default_rng(1)
    parts = {name: draws.normal(size=(PAIRS, width)) * 9 for name, width in WIDE.items()}
    pooled = {name: (part + classes[:, None]).astype(np.float32) for name, part in parts.items()}
    probe = fit_probe("kernel", replace(given, pooled=pooled), classes, np.arange(PAIRS), 3)
    assert len(probe.kernel.rows) == min(PAIRS, most)
    chosen = np.sort(np.random.default_rng(0).choice(PAIRS, most, replace=False)) if most < PAIRS else np.arange(PAIRS)
    scaled = []
    for name, part in pooled.items():
        components = make_pipeline(StandardScaler(), PCA()).fit(part[chosen]).transform(part)
        apart = pdist(components[chosen], "sqeuclidean").mean()
        scaled.append(components * np.sqrt(kernel.SHARES[name] / apart))
    rows, shares = np.hstack(scaled), np.full(3, 1 / 3)
    np.testing.assert_allclose(pdist(rows[chosen], "sqeuclidean").mean(), 1, rtol=1e-6)
    model = KernelRidge(alpha=0.7, kernel="rbf", gamma=1).fit(rows[chosen], np.eye(3)[classes[chosen]] - shares)
    outputs = np.clip(model.predict(rows) + shares, 0.02, 1)
    predicted = np.exp(probe.log_probabilities(replace(given, pooled=pooled)))
    np.testing.assert_allclose(predicted, outputs / outputs.sum(axis=1, keepdims=True), atol=1e-5)


def test_the_kernel_probe_reads_the_models_own_image_encoder():
    assert find_probe("kernel").own_encoders == ("image",)
    assert auxiliary_encoders(["kernel", "mpnet"]) == ["minilm-layers", "mpnet-layers"]
    assert [find_probe(name).own_encoders for name in ("text", "lexicon", "clip")] == [("text",), (), ()]


def test_a_probe_of_an_encoder_is_a_name_with_its_modality():
    assert find_probe("image:timm:a").encoders == ("image:timm:a",)
    assert auxiliary_encoders(["clip", "clip-text", "mpnet", "text:bert"]) == [
        "text:clip",
        "image:clip",
        "mpnet-layers",
        "text:bert",
    ]
    for name in ("bert", "hf:some", "speech:some"):
        with pytest.raises(KeyError):
            find_probe(name)
