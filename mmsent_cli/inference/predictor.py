"""A trained model over new pairs, in a stream: a few hundred pairs are in memory, however many there are."""

import csv
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import torch

from mmsent_cli.charsets.decide import EncodingDecision
from mmsent_cli.compute.device import Compute, choose_compute
from mmsent_cli.compute.threads import torch_threads
from mmsent_cli.config import DataConfig, RuntimeConfig
from mmsent_cli.data.check import decide_encoding, iter_unlabelled
from mmsent_cli.data.images import verify_image
from mmsent_cli.data.layouts import Source, locate
from mmsent_cli.data.ocr import OcrText, read_ocr, require_ocr
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.ensemble import Ensemble, pool
from mmsent_cli.errors import DataError, UndecidedEncoding
from mmsent_cli.features.column import raw_pad, rows_by_length, stack
from mmsent_cli.features.parallel_map import in_order
from mmsent_cli.files import atomic_path, default_cache_dir, reason, require_writable
from mmsent_cli.model import Batch, SentimentModel
from mmsent_cli.results import Prediction, PredictResult
from mmsent_cli.training.checkpoints import Description, load_ensemble
from mmsent_cli.training.plan import Listener

CHUNK_BATCHES = 16
"""Batches whose pairs are read and sorted by length together."""
PROGRESS_STEP = 16
"""Pairs between two reports of progress."""
SHARE = 4
"""While the engine works, PyTorch takes a thread for so many of its: it waits in vain for cores that are busy (on two
cores an ensemble's trained layers took 23 s for 511 pairs with two threads, 7 s with one)."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """A checkpoint ready to predict.

    Attributes:
        ensemble: in eval mode, on the device; a single network is one of one.
        description: what the checkpoint says of it.
        compute: device, precision and engine.
        note: what the user should know of these, or an empty string.
    """

    ensemble: Ensemble
    description: Description
    compute: Compute
    note: str = ""

    @classmethod
    def load(cls, checkpoint: Path, runtime: RuntimeConfig) -> "Predictor":
        """Rebuild what a checkpoint holds on the device that `runtime` asks for."""
        compute, note = choose_compute(runtime)
        weights = WeightSource.of(runtime)
        ensemble, description = load_ensemble(checkpoint, weights)
        if ensemble.reads_ocr:
            require_ocr()
        for network in ensemble.networks:
            network.to(compute.device)
        return cls(ensemble, description, compute, note)

    @property
    def model(self) -> SentimentModel:
        """The network whose encoders say how pairs are read."""
        return self.ensemble.network

    def notes(self) -> list[str]:
        """What the user should know of how the answers are computed."""
        encoders = (self.model.text, self.model.image, *self.ensemble.readers.values())
        return [*([self.note] if self.note else []), *self.compute.refusals(*encoders)]

    def predict(self, pairs: Iterable[Pair]) -> Iterator[Prediction]:
        """Predict pairs in their order; a pair may lack its text or its image, not both."""
        stream = iter(pairs)
        streams = max(map(self.compute.streams_for, (self.model.image, *self.ensemble.readers.values())))
        with ThreadPoolExecutor(self.compute.decoders) as decoders, ThreadPoolExecutor(streams) as encoders:
            while chunk := list(islice(stream, CHUNK_BATCHES * self.compute.predict_batch)):
                yield from self._predict_chunk(chunk, decoders, encoders)

    def _predict_chunk(
        self, chunk: Sequence[Pair], decoders: ThreadPoolExecutor, encoders: ThreadPoolExecutor
    ) -> list[Prediction]:
        """Predict in order of length, which saves padding; answer in the order given."""
        texts = [pair.text or "" for pair in chunk]
        ids = self.model.text.inputs.arrays(texts)
        order = sorted(range(len(chunk)), key=lambda row: len(ids[row]))
        size = self.compute.predict_batch
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        images = [[decoders.submit(self._pixels, chunk[row]) for row in group] for group in groups]
        read = {name: self._read(each, texts, encoders) for name, each in self.ensemble.readers.items()}

        def prepare(number: int) -> Prepared:
            pairs = [chunk[row] for row in groups[number]]
            return Prepared(
                pairs=pairs,
                text=self._activations(self.model.text, [ids[row] for row in groups[number]]),
                image=self._activations(self.model.image, [future.result() for future in images[number]]),
                ocr_texts=[self._writing(pair) for pair in pairs] if self.ensemble.reads_ocr else [],
                read={name: features[groups[number]] for name, features in read.items()},
            )

        answers: dict[int, Prediction] = {}
        streams = self.compute.streams_for(self.model.image)
        with torch_threads(torch.get_num_threads() if streams == 1 else max(1, streams // SHARE)):
            for group, prepared in zip(groups, in_order(prepare, range(len(groups)), streams, encoders), strict=True):
                shares = self._probabilities(prepared)
                answers |= {row: self._answer(chunk[row], part) for row, part in zip(group, shares, strict=True)}
        return [answers[row] for row in range(len(chunk))]

    def _read(self, encoder: Encoder, texts: Sequence[str], encoders: ThreadPoolExecutor) -> np.ndarray:
        """Features [N, D] of texts by an encoder that only probes read. All texts of one length go together, since
        such an encoder is large, and its weights pass through the cores once a batch."""
        ids = encoder.inputs.arrays(texts)
        groups = list(rows_by_length(ids, self.compute.text_batch))

        def store(rows: list[int]) -> Activations:
            return self._activations(encoder, [ids[row] for row in rows])

        features = np.empty((len(texts), encoder.out_dim), dtype=np.float32)
        streams = self.compute.streams_for(encoder)
        for rows, stored in zip(groups, in_order(store, groups, streams, encoders), strict=True):
            features[rows] = pool(encoder, stored)
        return features

    def _writing(self, pair: Pair) -> OcrText:
        return OcrText() if pair.image is None else read_ocr(pair.image)

    def _pixels(self, pair: Pair) -> np.ndarray:
        inputs = self.model.image.inputs
        if pair.image is None:
            return np.zeros((3, inputs.image_size_px, inputs.image_size_px), dtype=np.uint8)
        return inputs.arrays([pair.image])[0]

    @torch.inference_mode()
    def _probabilities(self, given: "Prepared") -> np.ndarray:
        """Class probabilities [B, C] of a batch."""
        device = self.compute.device
        present = torch.tensor([[pair.text is not None, pair.image is not None] for pair in given.pairs])
        unknown = torch.full((len(given.pairs),), -1, device=device)
        batch = Batch(given.text, given.image, present.to(device), unknown)
        texts = [pair.text or "" for pair in given.pairs]
        with self.compute.autocast():
            return np.exp(self.ensemble.log_probabilities(batch, texts, given.ocr_texts, given.read))

    def _activations(self, encoder: Encoder, arrays: list[np.ndarray]) -> Activations:
        return self.compute.prefix(encoder, stack(arrays, raw_pad(encoder)))

    def _answer(self, pair: Pair, shares: np.ndarray) -> Prediction:
        labels = self.description.labels
        missing = "text" if pair.text is None else "image" if pair.image is None else ""
        probabilities = {label: float(share) for label, share in zip(labels, shares, strict=True)}
        return Prediction(
            guid=pair.guid, tag=labels[int(shares.argmax())], probabilities=probabilities, missing=missing
        )


class Prepared(NamedTuple):
    """A batch of pairs and what stored stages, and the reader of words in images, make of them."""

    pairs: list[Pair]
    text: Activations
    image: Activations
    ocr_texts: list[OcrText]
    read: dict[str, np.ndarray]


def predict_file(
    checkpoint: Path,
    data: DataConfig,
    runtime: RuntimeConfig,
    out: Path,
    listener: Listener,
    with_probabilities: bool = False,
    force: bool = False,
) -> PredictResult:
    """Predict the unlabelled pairs of a source into a file of rows `guid,tag`, in the order of the input.

    Args:
        checkpoint: from `records.find_checkpoint`.
        data: which pairs.
        runtime: device, precision, weights, cache.
        out: the file to write; it appears whole or not at all.
        listener: hears how many pairs are done.
        with_probabilities: add a column a class, and one that names a missing modality.
        force: overwrite `out`.

    Raises:
        MmsentError: unusable checkpoint, data or output.
    """
    start = time.perf_counter()
    require_writable(out, force)
    source = locate(data.data)
    predictor = Predictor.load(checkpoint, runtime)
    decision, notes = _decide(source, data, default_cache_dir(runtime.cache_dir), predictor.description)
    problems: list[str] = []
    tally = Tally()
    pairs = tally.watch(iter_unlabelled(source, data, decision, problems))
    with atomic_path(out) as hidden:
        with hidden.open("w", encoding="utf-8", newline="") as stream:
            _write_rows(stream, predictor, pairs, tally, with_probabilities, listener)
        if not tally.pairs:
            raise DataError(f"{source.path} holds no pair to predict", "name a folder or manifest with --data")
    return PredictResult(
        checkpoint=str(checkpoint),
        out=str(out),
        pairs=tally.pairs,
        counts={label: tally.tags[label] for label in predictor.description.labels},
        missing_text=tally.missing["text"],
        missing_image=tally.missing["image"],
        replaced_characters=tally.replaced,
        seconds=time.perf_counter() - start,
        notes=(source.notice, *notes, *predictor.notes(), *tally.notes(), *problems),
    )


def predict_one(checkpoint: Path, text: str | None, image: Path | None, runtime: RuntimeConfig) -> PredictResult:
    """Predict a single pair, of which one modality may be missing.

    Raises:
        MmsentError: unusable checkpoint or image, or neither text nor image.
    """
    start = time.perf_counter()
    has_text = bool(text and text.strip())
    if not has_text and image is None:
        raise DataError("neither a text nor an image is given", "give --text, --image, or both")
    if image is not None:
        _require_image(image)
    predictor = Predictor.load(checkpoint, runtime)
    pair = Pair(guid="-", tag=None, text=text if has_text else None, image=image)
    (prediction,) = predictor.predict([pair])
    return PredictResult(
        checkpoint=str(checkpoint),
        out=None,
        pairs=1,
        counts={label: int(label == prediction.tag) for label in predictor.description.labels},
        missing_text=int(not has_text),
        missing_image=int(image is None),
        replaced_characters=0,
        seconds=time.perf_counter() - start,
        prediction=prediction,
        notes=tuple(predictor.notes()),
    )


class Tally:
    """Counts what passes by, so that nothing needs to be kept."""

    SHOWN_GUIDS = 5

    def __init__(self) -> None:
        self.pairs = 0
        self.replaced = 0
        self.tags: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self._incomplete: list[str] = []

    def watch(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Pass pairs on and count their undecodable characters."""
        for pair in pairs:
            self.replaced += pair.replaced
            yield pair

    def count(self, prediction: Prediction) -> None:
        """Count one answer."""
        self.pairs += 1
        self.tags[prediction.tag] += 1
        if prediction.missing:
            self.missing[prediction.missing] += 1
            if len(self._incomplete) < self.SHOWN_GUIDS:
                self._incomplete.append(f"{prediction.guid} (no {prediction.missing})")

    def notes(self) -> list[str]:
        """The first pairs that were predicted from one modality."""
        if not self._incomplete:
            return []
        more = sum(self.missing.values()) - len(self._incomplete)
        rest = f" and {more} more; --probabilities marks each" if more > 0 else ""
        return [f"predicted from one modality alone: {', '.join(self._incomplete)}{rest}"]


def _write_rows(
    stream: TextIO,
    predictor: Predictor,
    pairs: Iterable[Pair],
    tally: Tally,
    with_probabilities: bool,
    listener: Listener,
) -> None:
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["guid", "tag", *(("missing", *predictor.description.labels) if with_probabilities else ())])
    for prediction in predictor.predict(pairs):
        tally.count(prediction)
        shares = [prediction.missing, *(f"{share:.6f}" for share in prediction.probabilities.values())]
        rows.writerow([prediction.guid, prediction.tag, *(shares if with_probabilities else ())])
        if tally.pairs % PROGRESS_STEP == 0:
            listener.prepare("predicting", tally.pairs, None)
    listener.prepare("predicting", tally.pairs, tally.pairs)


def _require_image(path: Path) -> None:
    """Check the image of a single pair before the model is loaded."""
    hint = "give another --image, or --text alone"
    try:
        problem = verify_image(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read the image {path}: {reason(error)}", hint) from error
    if problem:
        raise DataError(f"{path} {problem}", hint)


def _decide(
    source: Source, data: DataConfig, cache: Path, description: Description
) -> tuple[EncodingDecision, tuple[str, ...]]:
    """How the new texts are read: their own evidence, else the encoding of the training corpus, said aloud."""
    try:
        return decide_encoding(source, data, cache), ()
    except UndecidedEncoding:
        trained = EncodingDecision.from_dict(dict(description.encoding))
        return trained, (f"encoding: {trained.encoding}, that of the training texts (too little evidence here)",)
