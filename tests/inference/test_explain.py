"""Explanations: scores of a model whose answer is known, shares by hand, integrated gradients that add up."""

from dataclasses import replace
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mmsent_cli.config.command_settings import ExplainSettings
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.contract import Activations, Encoded
from mmsent_cli.errors import ConfigError
from mmsent_cli.inference.explain import MAX_PARTS, Explainer, cover, gradient_scores, split_text
from mmsent_cli.results import Prediction
from tests.data.builders import image_bytes
from tests.inference.test_predictor import LABELS, predictor  # noqa: F401  # a fixture

WORDS = {"good": 0.2, "fine": 0.1, "bad": -0.15}
RED = 0.25


class Additive:
    """Probability of `positive`: 0.4, plus a number for each known word, plus 0.25 if the image has a red corner."""

    def __init__(self):
        self.description = SimpleNamespace(labels=LABELS)
        self.ensemble = SimpleNamespace(stacker=None)

    def predict(self, pairs):
        for pair in pairs:
            share = 0.4 + sum(WORDS.get(word, 0) for word in (pair.text or "").split())
            if pair.image is not None:
                red = np.asarray(Image.open(BytesIO(pair.image)).convert("RGB"), dtype=float)[:10, -10:]
                share += RED * (red[..., 0].mean() > 200 and red[..., 1].mean() < 50)
            others = (1 - share) / 2
            shares = {"negative": others, "neutral": others, "positive": share}
            missing = "text" if pair.text is None else "image" if pair.image is None else ""
            yield Prediction(guid=pair.guid, tag=max(shares, key=shares.get), probabilities=shares, missing=missing)

    def votes(self, pair):
        return ("member", pair.guid)


def red_corner():
    pixels = np.full((80, 80, 3), 90, dtype=np.uint8)
    pixels[:20, 60:] = (255, 0, 0)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def explained(text, image, **settings):
    explainer = Explainer(Additive(), ExplainSettings(grid=4, **settings))
    return explainer.explain(Pair(guid="1", tag=None, text=text, image=image))


def test_each_part_gets_what_the_probability_loses_without_it():
    found = explained("a good but  bad day", red_corner())
    assert {word.word: pytest.approx(word.score, abs=1e-6) for word in found.words} == {
        "a": 0,
        "good": 0.2,
        "but": 0,
        "bad": -0.15,
        "day": 0,
    }
    regions = np.array(found.regions)
    assert regions[0, 3] == pytest.approx(RED, abs=1e-6)
    assert np.abs(np.delete(regions.flatten(), 3)).max() < 1e-6
    assert found.top_region() == (0, 3)
    assert [word.word for word in found.top_words(2)] == ["good", "bad"]
    assert (found.guid, found.text, found.label, found.predicted) == (
        "1",
        "a good but  bad day",
        "positive",
        "positive",
    )
    assert found.probabilities == pytest.approx({"negative": 0.15, "neutral": 0.15, "positive": 0.7})
    assert (found.missing, found.members) == ("", ("member", "1"))


def test_shares_add_up_and_an_absent_modality_has_none():
    both = explained("good", red_corner())
    assert (both.shares.nothing, both.shares.text, both.shares.image) == pytest.approx((0.4, 0.2, RED), abs=1e-6)
    text = explained("good fine", None)
    assert (text.shares.text, text.shares.image) == pytest.approx((0.3, 0), abs=1e-6)
    assert text.regions == () and text.missing == "image"
    image = explained(None, red_corner())
    assert image.shares.text == pytest.approx(0, abs=1e-12) and image.words == ()


def test_another_class_is_explained_on_request():
    found = explained("good", None, label="negative")
    assert (found.label, found.predicted) == ("negative", "positive")
    assert found.words[0].score == pytest.approx(-0.1, abs=1e-6)
    with pytest.raises(ConfigError, match="no class"):
        explained("good", None, label="happy")


def test_words_are_split_where_readers_see_them():
    assert [text[slice(*part)] for text in ["so good!"] for part in split_text(text)] == ["so", "good!"]
    assert len(split_text("今天很开心 yes")) == 6
    text = " ".join(f"w{number}" for number in range(500))
    parts = split_text(text)
    assert len(parts) <= MAX_PARTS
    assert " ".join(text[slice(*part)] for part in parts) == text


def test_a_cover_hides_its_cell_alone():
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    kept = np.ones((2, 2), dtype=bool)
    kept[1, 0] = False
    covered = cover(pixels, kept, np.array([9, 9, 9], dtype=np.uint8))
    assert (covered[3:, :4] == 9).all()
    assert (covered[:3] == pixels[:3]).all() and (covered[:, 4:] == pixels[:, 4:]).all()


def test_scores_are_what_the_prediction_of_a_real_model_loses(predictor):  # noqa: F811
    """Whatever the model uses, cue or not: each word's score is the effect of its removal, as `predict` shows it."""
    words = ["good", "bad", "lovely", "day"]
    pair = Pair(guid="1", tag=None, text=" ".join(words), image=image_bytes(3, (60, 40)))
    found = Explainer(predictor, ExplainSettings(grid=2, label="positive")).explain(pair)
    shorter = [replace(pair, text=" ".join(words[:place] + words[place + 1 :])) for place in range(len(words))]
    whole, *others = (answer.probabilities["positive"] for answer in predictor.predict([pair, *shorter]))
    assert [word.word for word in found.words] == words
    assert [word.score for word in found.words] == pytest.approx([whole - other for other in others], abs=1e-6)
    assert found.shares.nothing + found.shares.text + found.shares.image == pytest.approx(whole, abs=1e-6)


def test_integrated_gradients_add_up_to_the_difference_of_probabilities(predictor):  # noqa: F811
    """From padding alone to the words, and from the mean color to the image, or with one of them missing in both."""
    pair = Pair(guid="1", tag=None, text="good bad good day", image=image_bytes(3, (60, 40)))
    ids = torch.from_numpy(predictor.model.text.inputs.arrays([pair.text])[0]).long()[None]
    pixels = torch.from_numpy(predictor.model.image.inputs.arrays([pair.image])[0])[None]
    mean = pixels.float().mean(dim=(2, 3), keepdim=True).round().to(torch.uint8).expand_as(pixels)
    cases = ((pair, ids, pixels), (replace(pair, image=None), ids, None), (replace(pair, text=None), None, pixels))
    for given, tokens, image in cases:
        words, regions = gradient_scores(predictor, given, "positive", 3)
        assert [word.word for word in words] == ([] if tokens is None else ["good", "bad", "good", "day"])
        assert np.shape(regions) == ((0,) if image is None else (3, 3))
        full = _probability(predictor, tokens, image)
        empty = _probability(predictor, None if tokens is None else 0 * ids, None if image is None else mean)
        assert sum(word.score for word in words) + np.sum(regions) == pytest.approx(full - empty, rel=0.1)
        assert abs(full - empty) > 1e-5
    explained = Explainer(predictor, ExplainSettings(grid=3, label="positive", method="gradients")).explain(cases[1][0])
    by_hand, _ = gradient_scores(predictor, cases[1][0], "positive", 3)
    assert [(word.word, word.score) for word in explained.words] == [
        (word.word, pytest.approx(word.score)) for word in by_hand
    ]


@torch.no_grad()
def _probability(predictor, ids, pixels):  # noqa: F811
    """The probability of `positive` by the encoders and the fusion, without what is None."""
    model = predictor.model
    mask = None if ids is None else torch.ones_like(ids, dtype=torch.bool)
    text = Encoded(model.missing_text[None]) if ids is None else model.text.suffix(Activations(ids, mask), 0)
    image = Encoded(model.missing_image[None]) if pixels is None else model.image.suffix(Activations(pixels), 0)
    logits = model.classify(text, image, torch.tensor([[ids is not None, pixels is not None]])).main
    return float(logits.softmax(dim=1)[0, LABELS.index("positive")])
