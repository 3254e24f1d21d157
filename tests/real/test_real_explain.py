"""The word and the region that `explain` names first are those that carry the label, where this is known."""

import csv
import random

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mmsent_cli import explain, read_pairs, train
from tests.commands.running import SAMPLE
from tools.sample.image import draw_image
from tools.sample.text import ADJECTIVES, HASHTAGS, TAILS, VERBS, write_text

pytestmark = pytest.mark.real

COLORS = {"positive": (240, 60, 60), "negative": (40, 60, 220), "neutral": (60, 200, 60)}
CELL_PX, GRID = 20, 7
TAGS = {"gloomy": "negative", "plain": "neutral", "cheerful": "positive"}
"""The labels of a model that is trained on the cues of the sample."""
SCENE_PX, SCENES = 96, 3
CUED = ("cheerful", "gloomy")
"""Cues of a sentiment; the third, plain, is the absence of both."""


def draw_pairs(folder, pairs):
    """Grey noise with one colored cell each, whose color is the label; the rows, and the cell of each pair."""
    draws, rows, places = np.random.default_rng(0), [], {}
    for number in range(pairs):
        tag = list(COLORS)[number % len(COLORS)]
        pixels = draws.integers(110, 146, (GRID * CELL_PX, GRID * CELL_PX, 3)).astype(np.uint8)
        row, column = (int(place) for place in draws.integers(0, GRID, 2))
        cell = slice(CELL_PX * row, CELL_PX * (row + 1)), slice(CELL_PX * column, CELL_PX * (column + 1))
        pixels[cell] = np.clip(np.array(COLORS[tag]) + draws.integers(-12, 13, (CELL_PX, CELL_PX, 3)), 0, 255)
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        rows.append({"guid": str(number), "text": "word", "image": str(path), "tag": tag})
        places[str(number)] = (row, column)
    return pd.DataFrame(rows), places


def test_the_top_region_is_the_planted_one(tmp_path):
    pairs, places = draw_pairs(tmp_path, 240)
    where = {"runs_dir": tmp_path / "runs"}
    run = train(pairs, encoders="compact", fusion="image-only", epochs=5, **where)
    assert run.result.accuracy > 0.9
    shown = explain(pairs.tail(20).drop(columns="tag"), checkpoint=run, pairs=20, **where).result.explanations
    hits = [one.top_region() == places[one.guid] for one in shown]
    assert sum(hits) / len(hits) >= 0.9


def cues_of(kind):
    """The cue of each pair of the sample, by guid."""
    with (SAMPLE / "cues.csv").open(encoding="utf-8") as rows:
        return {row["guid"]: row[kind] for row in csv.DictReader(rows)}


def cue_words(cue):
    """The words of the sample that show a cue."""
    parts = (*ADJECTIVES[cue], *VERBS[cue], *TAILS[cue], *HASHTAGS[cue])
    return {bare(word) for part in parts for word in part.split()}


def bare(word):
    return word.strip('"“”‘’,.!…:#').lower()


def written(pairs):
    """New texts of the sample's grammar, labelled with their cue."""
    rng, taken = random.Random(1), set()
    for number in range(pairs):
        cue = list(TAGS)[number % len(TAGS)]
        raw = write_text(cue, rng, taken)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("gb18030")
        yield {"guid": f"new{number}", "text": text.strip(), "image": None, "tag": TAGS[cue]}


def test_the_top_word_of_the_sample_shows_the_cue(tmp_path):
    where = {"runs_dir": tmp_path / "runs"}
    run = train(pd.DataFrame(written(900)), encoders="light", fusion="text-only", epochs=6, **where)
    cues = cues_of("text_cue")
    shown = explain(SAMPLE, checkpoint=run, pairs=60, grid=1, **where).result.explanations
    assert {cues[one.guid] for one in shown} == set(TAGS)
    hits = [bare(one.top_words(1)[0].word) in cue_words(cues[one.guid]) for one in shown]
    assert len(hits) == 60
    assert sum(hits) / len(hits) >= 0.9


def joined(scenes):
    """One image of scenes, row by row."""
    canvas = Image.new("RGB", (SCENES * SCENE_PX, SCENES * SCENE_PX))
    for cell, scene in enumerate(scenes):
        canvas.paste(scene.resize((SCENE_PX, SCENE_PX)), (cell % SCENES * SCENE_PX, cell // SCENES * SCENE_PX))
    return canvas


def scene_pairs(folder, pairs):
    """Plain scenes of the sample in a square, with one that shows the label; the rows, and the place of each pair."""
    rng, rows, places = random.Random(0), [], {}
    for number in range(pairs):
        cue, at = CUED[number % 2], rng.randrange(SCENES**2)
        path = folder / f"{number}.png"
        joined([draw_image(cue if cell == at else "plain", rng) for cell in range(SCENES**2)]).save(path)
        rows.append({"guid": str(number), "text": "word", "image": str(path), "tag": TAGS[cue]})
        places[str(number)] = divmod(at, SCENES)
    return pd.DataFrame(rows), places


def test_the_top_region_is_the_scene_that_shows_the_cue(tmp_path):
    pairs, places = scene_pairs(tmp_path, 240)
    where = {"runs_dir": tmp_path / "runs"}
    run = train(pairs, encoders="compact", fusion="image-only", epochs=12, freeze_image="all", **where)
    unlabelled = pairs.tail(60).drop(columns="tag")
    shown = explain(unlabelled, checkpoint=run, pairs=60, grid=SCENES, **where).result.explanations
    hits = [one.top_region() == places[one.guid] for one in shown]
    assert sum(hits) / len(hits) >= 0.9


def trained_on_sample(folder, **settings):
    """A model of both modalities, trained on the sample as it is, and read pairs of the sample by guid."""
    run = train(SAMPLE, runs_dir=folder / "runs", **settings)
    assert run.result.accuracy > 0.85
    return run, {pair.guid: pair for pair in [*read_pairs(SAMPLE), *read_pairs(SAMPLE, labelled=True)]}


def explained(model, guids, cue, images, **settings):
    """Explain the class of the cue for pairs of the sample with these images."""
    run, pairs = model
    rows = [{"guid": guid, "text": pairs[guid].text, "image": str(images[guid])} for guid in guids]
    where = {"runs_dir": run.folder.parent, "label": TAGS[cue], "pairs": len(rows)}
    return explain(pd.DataFrame(rows), checkpoint=run, **where, **settings).result.explanations


def test_a_model_of_the_sample_reads_its_cue_words(tmp_path):
    model = trained_on_sample(tmp_path, encoders="compact")
    cues, images = cues_of("text_cue"), {guid: SAMPLE / f"data/{guid}.jpg" for guid in cues_of("text_cue")}
    hits = []
    for cue in CUED:
        guids = [guid for guid in cues if cues[guid] == cue][:16]
        shown = explained(model, guids, cue, images, grid=1)
        hits += [bare(one.top_words(1)[0].word) in cue_words(cue) for one in shown]
    assert len(hits) == 32
    assert sum(hits) / len(hits) >= 0.9


def test_a_model_of_the_sample_finds_its_image_among_plain_ones(tmp_path):
    """Each image with a cue stands among eight plain images of the sample; the model was trained on single ones."""
    model = trained_on_sample(tmp_path, encoders="light", epochs=30)
    cues, rng, hits = cues_of("image_cue"), random.Random(0), []
    plain = [guid for guid in cues if cues[guid] == "plain"]
    for cue in CUED:
        places, images = {}, {}
        for guid in [guid for guid in cues if cues[guid] == cue][:12]:
            at = rng.randrange(SCENES**2)
            named = [guid if cell == at else rng.choice(plain) for cell in range(SCENES**2)]
            images[guid], places[guid] = tmp_path / f"{guid}.png", divmod(at, SCENES)
            joined([Image.open(SAMPLE / f"data/{name}.jpg") for name in named]).save(images[guid])
        shown = explained(model, list(places), cue, images, grid=SCENES)
        hits += [one.top_region() == places[one.guid] for one in shown]
    assert len(hits) == 24
    assert sum(hits) / len(hits) >= 0.9
