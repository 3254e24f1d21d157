"""The one path from pairs to activations: what a prediction encodes is what the feature store holds."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmsent_cli.compute.device import Compute
from mmsent_cli.data.ocr import TEXT_AND_OCR, OcrText
from mmsent_cli.data.pairs import Pair
from mmsent_cli.features import pipeline
from mmsent_cli.features.column import Column, text_key
from mmsent_cli.features.pipeline import BATCHES_DECODED_AHEAD, PairPipeline, decode_ahead, encode_texts
from tests.data.builders import image_bytes
from tests.encoders.cases import fresh

FP32 = Compute("cpu", "fp32")
TEXTS = ["good day", None, "the sun is warm and so is this good day", "no sun", "a b", "good day today"] * 7


@pytest.fixture
def pairs():
    """Pairs of which some lack the text and others the image; images are in memory."""
    images = [None if number % 5 == 3 else image_bytes(number, (40, 30)) for number in range(len(TEXTS))]
    return [
        Pair(guid=str(number), tag=None, text=text, image=image)
        for number, (text, image) in enumerate(zip(TEXTS, images, strict=True))
    ]


def test_every_pair_of_a_chunk_is_encoded_once_with_what_it_lacks_marked(pairs, weights_dir, monkeypatch):
    text, image = fresh("text", "bert", weights_dir).freeze(2).eval(), fresh("image", "light", weights_dir).freeze(2)
    encoded = PairPipeline(text, image.eval(), FP32, {}).chunks(pairs)
    threads = []
    monkeypatch.setattr(pipeline, "ThreadPoolExecutor", lambda n: threads.append(n) or ThreadPoolExecutor(n))
    ((chunk, batches),) = [(chunk, list(batches)) for chunk, batches in encoded]
    assert threads == [FP32.decoders, 1]
    assert [rows for rows, _ in encode_texts(text, FP32, ["sun", *["good day"] * 9])] == [[*range(1, 10)], [0]]
    assert chunk == pairs
    lengths = [length for batch in batches for length in batch.batch.text.mask.sum(dim=1).tolist()]
    assert lengths == sorted(lengths)
    assert sorted(row for batch in batches for row in batch.rows) == list(range(len(pairs)))
    assert max(len(batch.rows) for batch in batches) == FP32.predict_batch
    for batch in batches:
        own = [pairs[row] for row in batch.rows]
        assert batch.batch.present.tolist() == [[each.text is not None, each.image is not None] for each in own]
        assert batch.texts == [each.text or "" for each in own]
        ids = text.inputs.arrays(batch.texts)
        assert batch.batch.text.mask.sum(dim=1).tolist() == [len(each) for each in ids]
        for row, each in enumerate(own):
            if each.image is not None:
                pixels = torch.from_numpy(image.inputs.arrays([each.image])[0])[None]
                alone = image.prefix(batch.batch.image._replace(values=pixels), image.cut).values[0]
                torch.testing.assert_close(batch.batch.image.values[row], alone, rtol=1e-4, atol=1e-5)


def test_auxiliary_features_are_the_bytes_that_the_store_holds(pairs, weights_dir, tmp_path):
    """In torch they depend on the size of a batch, which used to be another one in a prediction."""
    encoder = fresh("text", "bert", weights_dir)
    encoder.freeze(encoder.n_stages).eval()
    texts = [pair.text or "" for pair in pairs]
    column = Column(encoder, [text_key(text) for text in texts], tmp_path, FP32)
    column.fill(texts, (), lambda *_: None)
    image = fresh("image", "light", weights_dir).freeze(0).eval()
    text = fresh("text", "bert", weights_dir).freeze(0).eval()
    for given in (pairs, pairs[:3]):
        ((_, batches),) = [(c, list(b)) for c, b in PairPipeline(text, image, FP32, {"own": encoder}).chunks(given)]
        for batch in batches:
            assert np.array_equal(batch.features["own"], column.batch(batch.rows).values.numpy())


def test_auxiliary_features_of_two_chunks_are_computed_together(pairs, weights_dir, monkeypatch):
    encoder = fresh("text", "bert", weights_dir)
    encoder.freeze(encoder.n_stages).eval()
    image = fresh("image", "light", weights_dir).freeze(0).eval()
    model_text = fresh("text", "bert", weights_dir).freeze(0).eval()
    computed, encode = [], pipeline.encode_texts

    def counted(encoder, compute, texts, pool):
        computed.append(len(texts))
        return encode(encoder, compute, texts, pool)

    def features():
        found = []
        for chunk, batches in PairPipeline(model_text, image, FP32, {"own": encoder}).chunks(pairs):
            found.append(np.empty((len(chunk), encoder.out_dim), dtype=np.float32))
            for batch in batches:
                found[-1][batch.rows] = batch.features["own"]
        return found

    (whole,) = features()
    monkeypatch.setattr(pipeline, "encode_texts", counted)
    monkeypatch.setattr(pipeline, "CHUNK_BATCHES", 1)
    monkeypatch.setattr(pipeline, "AUXILIARY_PAIRS", 32)
    parts = features()
    assert [len(part) for part in parts] == [16, 16, 10]
    assert computed == [32, 10]
    assert np.array_equal(np.concatenate(parts), whole)


def test_an_encoder_of_text_and_ocr_reads_the_words_after_the_text(pairs, weights_dir, monkeypatch):
    monkeypatch.setattr(pipeline, "read_ocr", lambda image: OcrText("SALE" if len(image) % 2 else "", 1, 0.1))
    encoder = fresh("text", "bert", weights_dir)
    encoder.freeze(encoder.n_stages).eval()
    image = fresh("image", "light", weights_dir).freeze(0).eval()
    model_text = fresh("text", "bert", weights_dir).freeze(0).eval()
    has_words = [pair.image is not None and len(pair.image) % 2 == 1 for pair in pairs]
    assert 0 < sum(has_words) < len(pairs)
    texts = [f"{pair.text or ''}{' . SALE' * has}" for pair, has in zip(pairs, has_words, strict=True)]

    def features(given, name, reads_ocr):
        found = np.empty((len(pairs), encoder.out_dim))
        for _, batches in PairPipeline(model_text, image, FP32, {name: encoder}, reads_ocr).chunks(given):
            for batch in batches:
                found[batch.rows] = batch.features[name]
        return found

    typed = [replace(pair, text=text) for pair, text in zip(pairs, texts, strict=True)]
    assert np.array_equal(features(pairs, f"{TEXT_AND_OCR}:own", True), features(typed, "own", False))
    assert not np.array_equal(features(pairs, f"{TEXT_AND_OCR}:own", True), features(pairs, "own", True))


def test_image_features_of_an_auxiliary_encoder_are_those_that_the_store_holds(pairs, weights_dir, tmp_path):
    """At the encoder's own size; zeros for a pair without an image."""
    encoder = fresh("image", "clip", weights_dir)
    encoder.freeze(encoder.n_stages).eval()
    own = [replace(pair, image_digest="" if pair.image is None else pair.guid) for pair in pairs]
    column = Column(encoder, [pair.image_digest for pair in own], tmp_path, FP32)
    column.fill([pair.image for pair in own], (), lambda *_: None)
    image = fresh("image", "light", weights_dir).freeze(0).eval()
    text = fresh("text", "bert", weights_dir).freeze(0).eval()
    ((_, batches),) = [(c, list(b)) for c, b in PairPipeline(text, image, FP32, {"own": encoder}).chunks(own)]
    for batch in batches:
        assert np.array_equal(batch.features["own"], column.batch(batch.rows).values.numpy())
    assert not any(batch.features["own"][batch.rows.index(3)].any() for batch in batches if 3 in batch.rows)


def test_images_are_decoded_a_bounded_number_of_batches_ahead():
    taken, threads = [], set()

    def batches():
        for number in range(50):
            taken.append(number)
            yield [number, number]

    def decode(number):
        threads.add(threading.current_thread().name)
        return np.full(2, number)

    with ThreadPoolExecutor(2, thread_name_prefix="decoder") as decoders:
        decoded = decode_ahead(batches(), decode, decoders)
        first = next(decoded)
        assert [each.tolist() for each in first] == [[0, 0], [0, 0]]
        assert len(taken) == BATCHES_DECODED_AHEAD + 1
        assert [int(each[0][0]) for each in decoded] == list(range(1, 50))
    assert all(name.startswith("decoder") for name in threads)
