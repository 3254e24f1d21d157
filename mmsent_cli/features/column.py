"""One modality of many pairs, with its features in the store: a `Column` fills the store and makes batches."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import cast

import numpy as np
import torch

from mmsent_cli.compute.device import Compute
from mmsent_cli.data.augment import Augmentation, augment
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.inputs import ImageInputs, TextInputs
from mmsent_cli.features.memory import Resident, make_resident
from mmsent_cli.features.parallel_map import Progress, counted, in_order
from mmsent_cli.features.store import Space

RawInput = str | Path | bytes
"""A text; an image file, or the bytes of one."""
ROWS = 16
"""In torch, text batches are filled up to a multiple of this with copies. Below it, its matrix kernels round
differently by batch size, and a feature would depend on which other texts happened to be computed with it."""
AHEAD = 4
"""Image batches that are decoded ahead of the encoder."""
FEATURE_FORMAT = 2


class Column:
    """The texts or the images of a list of pairs, as activations of the encoder's stored stages.

    Args:
        encoder: frozen and cut as it will be trained.
        keys: content digest of each pair's text or image; empty where the pair lacks it.
        store: folder of the feature store.
        compute: device and precision of the stored stages.
        augmentation: the views to make of training images, or None.
    """

    def __init__(
        self,
        encoder: Encoder,
        keys: Sequence[str],
        store: Path,
        compute: Compute,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.encoder = encoder
        self.keys = list(keys)
        self.augmentation = augmentation
        self._arithmetic = compute
        self._engine = compute.engine_for(encoder)
        self._is_pixels = isinstance(encoder.inputs, ImageInputs) and encoder.cut == 0
        self._space = Space(store, self._description())
        self._views = self._space
        if augmentation is not None and not self._is_pixels:
            self._views = Space(store, self._description() | {"augmentation": augmentation.describe()})
        self._empty: np.ndarray | None = None
        self._resident: Resident | None = None
        self._is_loaded = False

    @property
    def corrupt(self) -> int:
        """Damaged store entries met so far; all were computed anew."""
        return sum(space.corrupt for space in {self._space, self._views})

    def fill(
        self, sources: Sequence[str] | Sequence[Path | bytes | None], train_rows: Sequence[int], progress: Progress
    ) -> int:
        """Compute what the store lacks.

        Args:
            sources: the text or image path of each pair, in the order of `keys`.
            train_rows: pairs whose augmented views are wanted as well.
            progress: called as the work goes on.

        Returns:
            The number of entries computed; 0 if the store held them all.
        """
        by_key = {key: source for key, source in zip(self.keys, sources, strict=True) if key and source is not None}
        wanted = ((self._space, list(by_key)), (self._views, self._view_keys(train_rows)))
        return sum(self._fill(space, space.missing(keys), by_key, progress) for space, keys in wanted)

    def batch(self, rows: Sequence[int], epoch: int | None = None) -> Activations:
        """Activations of some pairs, padded to the longest.

        Args:
            rows: pair numbers.
            epoch: the epoch when training, which picks the augmented view; None when evaluating.
        """
        resident = self.load() if epoch is None or self.augmentation is None else None
        if resident is not None:
            return resident.batch(rows)
        return stack([self._array(self.keys[row], epoch) for row in rows], self._pad())

    def load(self) -> Resident | None:
        """All rows without augmentation in memory, read at the first batch; None if they are too many for that."""
        if not self._is_loaded:
            self._is_loaded = True
            self._resident = make_resident(lambda row: self._array(self.keys[row], None), len(self.keys), self._pad())
        return self._resident

    def _pad(self) -> int | None:
        """What fills up a row of a batch, or None where all rows have one shape."""
        pad = raw_pad(self.encoder) if self.encoder.cut == 0 else 0
        return pad if is_ragged(self.encoder) else None

    def _fill(self, space: Space, missing: Sequence[str], by_key: Mapping[str, RawInput], progress: Progress) -> int:
        if missing:
            self.encoder.eval()
            entries = self._compute(missing, by_key)
            space.add(counted(entries, len(missing), f"encoding with {self.encoder.name}", progress))
        return len(missing)

    def _array(self, key: str, epoch: int | None) -> np.ndarray:
        if not key:
            return self._placeholder()
        if epoch is None or self.augmentation is None:
            return self._space.read(key)
        if self._is_pixels:
            return augment(self._space.read(key), self.augmentation, key, epoch)
        return self._views.read(_view_key(key, epoch % self.augmentation.views))

    def _placeholder(self) -> np.ndarray:
        """Stands in for a modality that a pair lacks; the model replaces its feature."""
        if self._empty is None:
            known = next(key for key in self.keys if key)
            array = self._space.read(known)
            self._empty = np.zeros_like(array[:1] if is_ragged(self.encoder) else array)
        return self._empty

    def _view_keys(self, train_rows: Sequence[int]) -> list[str]:
        if self.augmentation is None or self._is_pixels:
            return []
        views = range(self.augmentation.views)
        return [_view_key(self.keys[row], view) for row in train_rows if self.keys[row] for view in views]

    def _compute(self, missing: Sequence[str], by_key: Mapping[str, RawInput]) -> Iterator[tuple[str, np.ndarray]]:
        """Arrays for the missing keys, in any order."""
        inputs = self.encoder.inputs
        if isinstance(inputs, ImageInputs):
            batches = self._image_batches(inputs, missing, by_key)
        else:
            batches = self._text_batches(inputs, missing, by_key)
        for keys, outputs in in_order(self._run_prefix, batches, self._arithmetic.streams_for(self.encoder)):
            yield from zip(keys, outputs, strict=False)  # copies at the end have no key

    def _run_prefix(self, batch: tuple[list[str], list[np.ndarray]]) -> tuple[list[str], list[np.ndarray]]:
        """Keys with the stored stages' activations of raw arrays, float32; with no stage, the arrays themselves."""
        keys, arrays = batch
        if self.encoder.cut == 0:
            return batch
        outputs = self._arithmetic.prefix(self.encoder, stack(arrays, raw_pad(self.encoder)))
        return keys, list(outputs.values.float().cpu().numpy())

    def _text_batches(
        self, inputs: TextInputs, missing: Sequence[str], by_key: Mapping[str, RawInput]
    ) -> Iterator[tuple[list[str], list[np.ndarray]]]:
        """Batches of texts of one length, so that no feature depends on padding."""
        arrays = inputs.arrays([str(by_key[key]) for key in missing])
        for rows in rows_by_length(arrays, self._arithmetic.text_batch):
            copies = 0 if self._engine else -len(rows) % ROWS
            yield [missing[row] for row in rows], [arrays[row] for row in rows] + [arrays[rows[0]]] * copies

    def _image_batches(
        self, inputs: ImageInputs, missing: Sequence[str], by_key: Mapping[str, RawInput]
    ) -> Iterator[tuple[list[str], list[np.ndarray]]]:
        """Batches of decoded (and perhaps augmented) images; the next one is decoded while this one is used."""
        with ThreadPoolExecutor(self._arithmetic.decoders) as pool:
            ahead: list[tuple[list[str], list[Future[np.ndarray]]]] = []
            size = self._arithmetic.image_batch
            for start in range(0, len(missing), size):
                keys = list(missing[start : start + size])
                ahead.append((keys, [pool.submit(self._decode, inputs, key, by_key) for key in keys]))
                if len(ahead) > AHEAD:
                    yield _results(*ahead.pop(0))
            yield from (_results(*batch) for batch in ahead)

    def _decode(self, inputs: ImageInputs, key: str, by_key: Mapping[str, RawInput]) -> np.ndarray:
        digest, _, view = key.partition("-view")
        pixels = inputs.arrays([cast(Path | bytes, by_key[digest])])[0]
        if not view or self.augmentation is None:
            return pixels
        return augment(pixels, self.augmentation, digest, int(view))

    def _description(self) -> dict[str, object]:
        """Everything that decides the stored values."""
        cut = self.encoder.cut
        return {
            "format": FEATURE_FORMAT,
            "encoder": self.encoder.name,
            "stages": f"{cut} of {self.encoder.n_stages}",
            "weights": self.encoder.digest(cut),
            "inputs": self.encoder.inputs.settings(),
            "compute": self._arithmetic.describe(self.encoder) if cut else "none",
        }


class SkippedModality:
    """Stands in for the column of a modality that the model does not read: nothing is encoded, nothing is kept.

    Args:
        keys: content digest of each pair's text or image; empty where the pair lacks it.
    """

    corrupt = 0

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = list(keys)

    def batch(self, rows: Sequence[int], epoch: int | None = None) -> Activations:
        """As many empty rows as asked for [B, 0]."""
        return Activations(torch.empty(len(rows), 0))

    def load(self) -> None:
        """There is nothing to load."""


def text_key(text: str | None) -> str:
    """Content digest of a decoded text; empty for None."""
    return "" if text is None else hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def text_keys(pairs: Sequence[Pair]) -> list[str]:
    """Content digest of each pair's text."""
    return [text_key(pair.text) for pair in pairs]


def rows_by_length(arrays: Sequence[np.ndarray], batch: int) -> Iterator[list[int]]:
    """Numbers of texts of one length, at most `batch` at a time, the longest first.

    Blocks that the longest texts leave free are large enough for all that follow. The other way round memory grew with
    the number of texts, by 0.2 GB from 500 to 4,000.
    """
    rows = sorted(range(len(arrays)), key=lambda row: -len(arrays[row]))
    for _, same_length in groupby(rows, key=lambda row: len(arrays[row])):
        group = list(same_length)
        yield from (group[start : start + batch] for start in range(0, len(group), batch))


def is_ragged(encoder: Encoder) -> bool:
    """True if one pair's activations are a sequence of its own length."""
    return not isinstance(encoder.inputs, ImageInputs) and encoder.cut < encoder.n_stages


def stack(arrays: Sequence[np.ndarray], pad: int | None) -> Activations:
    """The arrays of some pairs as one tensor; token ids become int64.

    Args:
        arrays: of equal shape, or sequences [T, …] of different lengths.
        pad: what fills sequences up to the longest, which are then masked; None for arrays that are no sequences.
    """
    if pad is None:
        return Activations(torch.from_numpy(np.stack(arrays)))
    lengths = np.array([len(array) for array in arrays])
    padded = np.full((len(arrays), lengths.max(), *arrays[0].shape[1:]), pad, dtype=arrays[0].dtype)
    for row, array in enumerate(arrays):
        padded[row, : len(array)] = array
    mask = np.arange(lengths.max())[None, :] < lengths[:, None]  # [B, T]
    values = torch.from_numpy(padded)
    return Activations(values.long() if values.dtype == torch.int32 else values, torch.from_numpy(mask))


def raw_pad(encoder: Encoder) -> int | None:
    """What fills up raw inputs of an encoder: its padding id, or None for images."""
    return None if isinstance(encoder.inputs, ImageInputs) else encoder.inputs.pad_id


def _results(keys: list[str], futures: list[Future[np.ndarray]]) -> tuple[list[str], list[np.ndarray]]:
    return keys, [future.result() for future in futures]


def _view_key(key: str, view: int) -> str:
    return f"{key}-view{view}"
