"""The region that `explain` names first is the one that carries the label, where this is known."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mmsent_cli import explain, train

pytestmark = pytest.mark.real

COLORS = {"positive": (240, 60, 60), "negative": (40, 60, 220), "neutral": (60, 200, 60)}
CELL_PX, GRID = 20, 7


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
