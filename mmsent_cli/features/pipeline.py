"""Compute the activations of an encoder's stored stages (`Encoder.cut`) from texts and images.

    texts  -> cleaned, tokenised ------------+
                                             +-> batches -> stored stages (Compute.prefix) -> activations
    images -> decoded by several threads ----+

`Column` uses `encode_texts` and `encode_images` to fill the feature store. `PairPipeline` encodes pairs for prediction,
without the store. Batches are in order, and only a few are in memory.

In torch, the rounding depends on the shape of a batch. So if text features are stored, or are the input of probes, all
texts of a batch have the same length, without padding.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby, islice
from typing import Any, TypeVar

import numpy as np
import torch

from mmsent_cli.compute.device import Compute
from mmsent_cli.compute.transfer import begin_fetch, look_ahead
from mmsent_cli.data.ocr import OcrText, is_text_and_ocr, read_ocr, text_with_ocr
from mmsent_cli.data.pairs import ImageFile, Pair
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.inputs import ImageInputs, TextInputs
from mmsent_cli.features.batching import longest_input, raw_pad, stack, stored_pad
from mmsent_cli.features.parallel_map import in_order
from mmsent_cli.model import Batch

Item = TypeVar("Item")

TEXT_BATCH_MULTIPLE = 16
"""In torch, a batch of texts is filled with copies until its size is a multiple of this number. Torch's matrix kernels
round smaller batches in another way, so a feature would depend on the other texts of its batch."""
BATCHES_DECODED_AHEAD = 4
CHUNK_BATCHES = 16
"""Number of batches in a chunk. The pairs of a chunk are in memory together, and are sorted by text length."""
AUXILIARY_PAIRS = 512
"""Number of pairs whose auxiliary features are computed together. With 512 instead of 256 pairs, more texts have the
same length, and MPNet takes 10 % less time."""


def encode_texts(
    encoder: Encoder[TextInputs], compute: Compute, texts: Sequence[str], pool: ThreadPoolExecutor | None = None
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Encode texts in batches. The texts of a batch have equal lengths, and the longest texts come first.

    Args:
        encoder: the encoder, after `Encoder.freeze`.
        compute: device, precision and batch size.
        texts: the texts, not cleaned.
        pool: threads for several batches in parallel; None makes new ones.

    Yields:
        For each batch, the positions of its texts in `texts`, and the output of the stored stages for each text in
        float32. Without stored stages, the token ids are yielded instead of the output.
    """
    ids = encoder.inputs.arrays(texts)
    groups = list(rows_by_length(ids, compute.text_batch, compute.length_multiple))
    multiple = 1 if compute.engine_for(encoder) else TEXT_BATCH_MULTIPLE
    batches = ([ids[row] for row in rows] + [ids[rows[0]]] * (-len(rows) % multiple) for rows in groups)
    are_padded = compute.length_multiple > 1 and stored_pad(encoder) is not None
    for rows, values in zip(groups, _stored(encoder, compute, batches, pool), strict=True):
        if are_padded:  # the shorter `rows` excludes the copies at the end of `values`
            values = [value[: len(ids[row])] for row, value in zip(rows, values, strict=False)]
        yield rows, values


def encode_images(
    encoder: Encoder[ImageInputs], compute: Compute, images: Sequence[Item], decode: Callable[[Item], np.ndarray]
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Decode and encode images in order. For the yielded values, see `encode_texts`.

    Args:
        encoder: the encoder, after `Encoder.freeze`.
        compute: device, precision, batch size and number of decoder threads.
        images: the arguments of `decode`.
        decode: a function that returns the pixels of an image, uint8 [3, H, W].
    """
    groups = list(_groups(range(len(images)), compute.image_batch))
    with ThreadPoolExecutor(compute.decoders) as decoders:
        batches = decode_ahead(([images[row] for row in rows] for rows in groups), decode, decoders)
        yield from zip(groups, _stored(encoder, compute, batches), strict=True)


def encode_batch(encoder: Encoder, compute: Compute, arrays: Sequence[np.ndarray]) -> Activations:
    """Compute the activations of the stored stages for a batch of token ids or pixels."""
    return compute.prefix(encoder, stack(arrays, raw_pad(encoder), compute.length_multiple, longest_input(encoder)))


def decode_ahead(
    batches: Iterable[Sequence[Item]], decode: Callable[[Item], np.ndarray], decoders: ThreadPoolExecutor
) -> Iterator[list[np.ndarray]]:
    """Decode batches of images, and yield them in order. The next batches are decoded while the caller uses a batch."""
    ahead: deque[list[Future[np.ndarray]]] = deque()
    for items in batches:
        ahead.append([decoders.submit(decode, item) for item in items])
        if len(ahead) > BATCHES_DECODED_AHEAD:
            yield [future.result() for future in ahead.popleft()]
    while ahead:
        yield [future.result() for future in ahead.popleft()]


def rows_by_length(arrays: Sequence[np.ndarray], batch: int, multiple: int = 1) -> Iterator[list[int]]:
    """Yield groups of row numbers. The arrays of a group have the same length, and the longest arrays come first.

    A group has at most `batch` numbers. Lengths that are padded to the same multiple of `multiple` count as the same
    length. Since the longest arrays come first, all later batches fit into the freed memory. In the opposite order,
    memory grew by 0.2 GB from 500 to 4,000 texts.
    """
    rows = sorted(range(len(arrays)), key=lambda row: -len(arrays[row]))
    for _, same_length in groupby(rows, key=lambda row: -(-len(arrays[row]) // multiple)):
        yield from _groups(list(same_length), batch)


@dataclass(frozen=True, slots=True)
class PairBatch:
    """A batch of encoded pairs. The batches of a chunk (see `PairPipeline.chunks`) contain all its pairs.

    Attributes:
        rows: the numbers of the pairs in the chunk.
        batch: activations on the device. All class numbers are -1 (unknown).
        texts: the texts; an empty string for a pair without text.
        ocr_texts: the words in the images; empty if the pipeline does not read them.
        features: for each auxiliary encoder by name, features float32 [B, D] of B pairs with D values each. If an
            auxiliary encoder reads images, a pair without an image has zeros.
    """

    rows: list[int]
    batch: Batch
    texts: list[str]
    ocr_texts: list[OcrText]
    features: dict[str, np.ndarray]


@dataclass(frozen=True)
class PairPipeline:
    """Encodes pairs for prediction. A pair may lack its text or its image.

    Attributes:
        text, image: the model's encoders, after `Encoder.freeze`.
        compute: device, precision, batch sizes.
        auxiliary: extra frozen encoders by name, which only probes use.
        reads_ocr: True if the words in the images are read too.
    """

    text: Encoder[TextInputs]
    image: Encoder[ImageInputs]
    compute: Compute
    auxiliary: Mapping[str, Encoder[Any]]
    reads_ocr: bool = False

    @cached_property
    def streams(self) -> int:
        """The number of image batches that are computed in parallel. The first access is slow: it reads all weights."""
        return self.compute.streams_for(self.image)

    @property
    def chunk_pairs(self) -> int:
        """The number of pairs in a chunk. The last chunk may be smaller."""
        return CHUNK_BATCHES * self.compute.predict_batch

    def chunks(self, pairs: Iterable[Pair]) -> Generator[tuple[list[Pair], Iterator[PairBatch]], None, None]:
        """Yield chunks of pairs, each with the batches of these pairs. The texts of a batch have similar lengths."""
        size = self.chunk_pairs
        held = size * -(-AUXILIARY_PAIRS // size) if self.auxiliary else size
        stream = iter(pairs)
        streams = max(self.streams, *map(self.compute.streams_for, self.auxiliary.values()), 1)
        # All chunks use the same threads, since each thread that reads words in images loads the OCR models once.
        with ThreadPoolExecutor(self.compute.decoders) as decoders, ThreadPoolExecutor(streams) as encoders:
            while block := list(islice(stream, held)):
                ocr_texts = list(decoders.map(self._ocr_text, block)) if self.reads_ocr else []
                features = self._auxiliary_features(block, ocr_texts, encoders)
                for start in range(0, len(block), size):
                    part = slice(start, start + size)
                    own = {name: values[part] for name, values in features.items()}
                    yield block[part], self._batches(block[part], ocr_texts[part], own, decoders, encoders)

    def _auxiliary_features(
        self, pairs: Sequence[Pair], ocr_texts: Sequence[OcrText], pool: ThreadPoolExecutor
    ) -> dict[str, np.ndarray]:
        texts = [pair.text or "" for pair in pairs]
        with_ocr = [text_with_ocr(*each) for each in zip(texts, ocr_texts, strict=False)]
        return {
            name: self._features(each, pairs, with_ocr if is_text_and_ocr(name) else texts, pool)
            for name, each in self.auxiliary.items()
        }

    def _batches(
        self,
        chunk: list[Pair],
        ocr_texts: Sequence[OcrText],
        features: Mapping[str, np.ndarray],
        decoders: ThreadPoolExecutor,
        encoders: ThreadPoolExecutor,
    ) -> Iterator[PairBatch]:
        texts = [pair.text or "" for pair in chunk]
        ids = self.text.inputs.arrays(texts)
        by_length = sorted(range(len(chunk)), key=lambda row: len(ids[row]))
        groups = list(_groups(by_length, self.compute.predict_batch))
        pixels = decode_ahead(([chunk[row] for row in rows] for rows in groups), self._pixels, decoders)

        def encode(inputs: tuple[list[int], list[np.ndarray]]) -> PairBatch:
            rows, images = inputs
            return PairBatch(
                rows=rows,
                batch=self._batch([chunk[row] for row in rows], [ids[row] for row in rows], images),
                texts=[texts[row] for row in rows],
                ocr_texts=[ocr_texts[row] for row in rows] if ocr_texts else [],
                features={name: values[rows] for name, values in features.items()},
            )

        return in_order(encode, zip(groups, pixels, strict=True), self.streams, encoders)

    def _batch(self, pairs: Sequence[Pair], ids: list[np.ndarray], pixels: list[np.ndarray]) -> Batch:
        device = self.compute.device
        present = torch.tensor([[pair.text is not None, pair.image is not None] for pair in pairs])
        return Batch(
            text=encode_batch(self.text, self.compute, ids),
            image=encode_batch(self.image, self.compute, pixels),
            present=present.to(device),
            target=torch.full((len(pairs),), -1, device=device),
        )

    def _features(
        self, encoder: Encoder[Any], chunk: Sequence[Pair], texts: Sequence[str], pool: ThreadPoolExecutor
    ) -> np.ndarray:
        """Compute the features [N, D] of N pairs (D values each) with a completely frozen encoder."""
        features = np.zeros((len(chunk), encoder.out_dim), dtype=np.float32)
        places = range(len(chunk))
        if isinstance(encoder.inputs, ImageInputs):
            images = {row: pair.image for row, pair in enumerate(chunk) if pair.image is not None}
            places = list(images)
            encoded = encode_images(encoder, self.compute, list(images.values()), partial(_decoded, encoder.inputs))
        else:
            encoded = encode_texts(encoder, self.compute, texts, pool)
        for rows, values in encoded:
            features[[places[row] for row in rows]] = values[: len(rows)]
        return features

    def _pixels(self, pair: Pair) -> np.ndarray:
        """Return the pixels of an image, uint8 [3, H, W]; black for a pair without an image."""
        if pair.image is None:
            side_px = self.image.inputs.image_size_px
            return np.zeros((3, side_px, side_px), dtype=np.uint8)
        return _decoded(self.image.inputs, pair.image)

    def _ocr_text(self, pair: Pair) -> OcrText:
        return OcrText() if pair.image is None else read_ocr(pair.image)


def _decoded(inputs: ImageInputs, image: ImageFile) -> np.ndarray:
    """Return the pixels of an image, uint8 [3, H, W]."""
    return inputs.arrays([image])[0]


def _stored(
    encoder: Encoder,
    compute: Compute,
    batches: Iterable[list[np.ndarray]],
    pool: ThreadPoolExecutor | None = None,
) -> Iterator[list[np.ndarray]]:
    """Yield the activations of the stored stages in float32, batch by batch.

    If the encoder has no stored stages, the given batches are yielded unchanged.
    """
    if not encoder.cut:
        yield from batches
        return

    def run(arrays: list[np.ndarray]) -> Callable[[], np.ndarray]:
        return begin_fetch(encode_batch(encoder, compute, arrays).values.float())

    begun = in_order(run, batches, compute.streams_for(encoder), pool)
    for fetch in look_ahead(begun, compute.batches_ahead):
        yield list(fetch())


def _groups(rows: Sequence[int], size: int) -> Iterator[list[int]]:
    return (list(rows[start : start + size]) for start in range(0, len(rows), size))
