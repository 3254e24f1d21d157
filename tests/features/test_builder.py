"""Tables of a data set: each text and image is encoded once, whichever models read it."""

import numpy as np
import pytest
import torch

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.compute.device import Compute
from mmsent_cli.data.augment import Augmentation
from mmsent_cli.data.pairs import Dataset, Pair
from mmsent_cli.encoders.contract import Activations
from mmsent_cli.features.builder import Rows, TableBuilder
from mmsent_cli.features.column import SkippedModality
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.model import SentimentModel, build_head
from mmsent_cli.progress import silent
from tests.data.builders import TAGS, image_bytes
from tests.encoders.cases import fresh

FP32 = Compute("cpu", "fp32")
TEXTS = ("the sun is good", "good day", "odd day", None, "sun")
ROWS = Rows(train=(1, 3), val=(0, 4, 2), views=(1,))


@pytest.fixture
def build(tmp_path):
    """Builders over one feature store. The third pair has no image, the fourth no text."""
    images = [image_bytes(n, (40, 30)) if n != 2 else None for n in range(5)]
    pairs = tuple(
        Pair(guid=str(n), tag=TAGS[n % 3], text=text, image=image, image_digest="" if image is None else f"{n:032x}")
        for n, (text, image) in enumerate(zip(TEXTS, images, strict=True))
    )
    dataset = Dataset(source="pairs", pairs=pairs, labels=TAGS, decision=EncodingDecision("utf-8"))
    return lambda encoded=lambda: None: TableBuilder(dataset, tmp_path, FP32, encoded)


def model(weights_dir, fusion="concat", modalities=("text", "image")):
    text, image = (fresh(side, "light", weights_dir).freeze(1).eval() for side in ("text", "image"))
    joined = FUSIONS[fusion].build(text.out_dim, image.out_dim)
    return SentimentModel(text, image, joined, build_head(joined.out_dim, (), (), len(TAGS)), modalities=modalities)


def test_a_table_has_all_pairs_with_their_classes_and_lengths(build, weights_dir):
    own, builder = model(weights_dir), build()
    table = builder.table(own, None, ROWS, silent)
    assert table.targets.tolist() == [0, 1, 2, 0, 1]
    assert (table.lengths, table.train, table.val) == ([4, 2, 2, 1, 1], (1, 3), (4, 2, 0))
    assert [list(map(bool, column.keys)) for column in (table.text, table.image)] == [[1, 1, 1, 0, 1], [1, 1, 0, 1, 1]]
    (pixels,) = own.image.inputs.arrays([image_bytes(4, (40, 30))])
    alone = own.image.prefix(Activations(torch.from_numpy(pixels)[None]), 1).values[0]
    torch.testing.assert_close(table.image.batch([0, 4]).values[1], alone)
    assert builder.notes() == ["10.0 % of all tokens are unknown to light-text"]  # "odd", of ten tokens


def test_models_share_what_is_encoded(build, weights_dir):
    """Augmented views are encoded once more, for the rows that need them, and a stored feature is not."""
    stored, augmentation = [], Augmentation("flip", 0, 2)
    builder = build(lambda: stored.append(1))
    tables = [builder.table(model(weights_dir), None, ROWS, silent) for _ in range(2)]
    assert tables[0].text is tables[1].text and tables[0].image is tables[1].image
    assert (builder.encoder_runs, len(stored)) == ({"text": 4, "image": 4}, 2)
    assert builder.table(model(weights_dir), augmentation, ROWS, silent).image is not tables[0].image
    assert (builder.encoder_runs, len(stored)) == ({"text": 4, "image": 6}, 3)
    again = build()
    table = again.table(model(weights_dir, "text-only", ("text",)), None, ROWS, silent)
    assert again.encoder_runs == {"text": 0, "image": 0}
    assert isinstance(table.image, SkippedModality) and np.array_equal(table.image.keys, tables[0].image.keys)
    assert table.image.batch([0, 2]).values.shape == (2, 0)


def test_a_frozen_column_holds_all_texts_or_images_or_other_texts(build, weights_dir):
    text, image = (fresh(side, "light", weights_dir) for side in ("text", "image"))
    builder = build()
    own, pictures = (builder.frozen_column(each.freeze(each.n_stages).eval(), silent) for each in (text, image))
    assert builder.encoder_runs == {"text": 4, "image": 4}
    others = builder.frozen_column(text, silent, [None, "good day", "sun", "a new sun", None])
    assert builder.encoder_runs == {"text": 5, "image": 4}
    assert list(map(bool, others.keys)) == [False, True, True, True, False]
    assert torch.equal(others.batch([1, 2]).values, own.batch([1, 4]).values)
    parts = [part.values for part in pictures.batches(2)]
    assert list(map(len, parts)) == [2, 2, 1] and torch.equal(torch.cat(parts), pictures.batch(range(5)).values)
