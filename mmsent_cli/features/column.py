"""The texts or the images of many pairs: compute their features, store them, and make batches."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch

from mmsent_cli.compute.device import Compute
from mmsent_cli.data.augment import Augmentation, augment
from mmsent_cli.data.pairs import ImageFile, Pair
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.features.batching import PackedArrays, pack_if_small, stack, stored_pad
from mmsent_cli.features.parallel_map import counted
from mmsent_cli.features.pipeline import encode_images, encode_texts
from mmsent_cli.features.store import FeatureSet
from mmsent_cli.progress import Progress

RawInput = str | ImageFile
"""The source of a feature: a text, an image file, or the bytes of an image file."""
FEATURE_FORMAT = 2


class Column:
    """The texts or the images of a list of pairs, as the output of an encoder's stored stages (its first `cut` stages).

    Args:
        encoder: the encoder, with the same frozen and stored stages as in training.
        keys: content digest of each pair's text or image; an empty string if the pair lacks this modality.
        store: folder of the feature store.
        compute: device and precision for the stored stages.
        augmentation: the augmentation of training images, or None.
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
        self._compute = compute
        self._is_pixels = isinstance(encoder.inputs, ImageInputs) and encoder.cut == 0
        self._plain = FeatureSet(store, describe_features(encoder, compute))
        self._augmented = self._plain
        if augmentation is not None and not self._is_pixels:
            self._augmented = FeatureSet(store, describe_features(encoder, compute, augmentation))
        self._empty: np.ndarray | None = None
        self._packed: PackedArrays | None = None
        self._is_loaded = False

    @property
    def damaged(self) -> int:
        """Number of damaged store entries found so far, which were computed again."""
        return sum(features.damaged for features in {self._plain, self._augmented})

    def fill(self, sources: Sequence[RawInput | None], train_rows: Sequence[int], progress: Progress) -> int:
        """Compute and store the features that are not in the feature store.

        Args:
            sources: the text or image of each pair, in the order of `keys`.
            train_rows: the pairs that are augmented.
            progress: receives the number of computed entries.

        Returns:
            The number of computed entries.
        """
        by_key = {key: source for key, source in zip(self.keys, sources, strict=True) if key and source is not None}
        wanted = ((self._plain, list(by_key)), (self._augmented, self._view_keys(train_rows)))
        return sum(self._fill(features, features.missing(keys), by_key, progress) for features, keys in wanted)

    def batch(self, rows: Sequence[int], epoch: int | None = None) -> Activations:
        """Make a batch of some pairs. Sequences are padded to the length of the longest one.

        Args:
            rows: numbers of the pairs.
            epoch: the epoch, which determines the augmented view of each image; None for evaluation.
        """
        packed = self.load() if epoch is None or self.augmentation is None else None
        if packed is not None:
            return packed.batch(rows)
        return stack(
            [self._array(self.keys[row], epoch) for row in rows],
            stored_pad(self.encoder),
            self._compute.length_multiple,
        )

    def batches(self, size: int) -> Iterator[Activations]:
        """Yield all pairs in order, in batches of at most `size` pairs, without augmentation."""
        rows = range(len(self.keys))
        return (self.batch(rows[start : start + size]) for start in range(0, len(rows), size))

    def load(self) -> PackedArrays | None:
        """Return all features in memory, without augmentation; None if they are too large."""
        if not self._is_loaded:
            self._is_loaded = True
            pad, multiple = stored_pad(self.encoder), self._compute.length_multiple
            limit = self._compute.column_bytes
            rows = len(self.keys)
            self._packed = pack_if_small(lambda row: self._array(self.keys[row], None), rows, limit, pad, multiple)
        return self._packed

    def _fill(
        self, features: FeatureSet, missing: Sequence[str], by_key: Mapping[str, RawInput], progress: Progress
    ) -> int:
        if missing:
            self.encoder.eval()
            entries = self._encode(missing, by_key)
            unit = "image" if isinstance(self.encoder.inputs, ImageInputs) else "text"
            features.add(counted(entries, len(missing), f"encoding with {self.encoder.name}", unit, progress))
        return len(missing)

    def _encode(self, missing: Sequence[str], by_key: Mapping[str, RawInput]) -> Iterator[tuple[str, np.ndarray]]:
        """Compute the arrays for the missing keys, in any order."""
        if isinstance(self.encoder.inputs, ImageInputs):
            encoded = encode_images(self.encoder, self._compute, missing, lambda key: self._decode(key, by_key))
        else:
            encoded = encode_texts(self.encoder, self._compute, [str(by_key[key]) for key in missing])
        for rows, arrays in encoded:
            yield from zip((missing[row] for row in rows), arrays, strict=False)  # copies at the end fill a batch

    def _decode(self, key: str, by_key: Mapping[str, RawInput]) -> np.ndarray:
        digest, _, view = key.partition("-view")
        pixels = self.encoder.inputs.arrays([cast(ImageFile, by_key[digest])])[0]
        if not view or self.augmentation is None:
            return pixels
        return augment(pixels, self.augmentation, digest, int(view))

    def _array(self, key: str, epoch: int | None) -> np.ndarray:
        if not key:
            return self._placeholder()
        if epoch is None or self.augmentation is None:
            return self._plain.read(key)
        if self._is_pixels:
            return augment(self._plain.read(key), self.augmentation, key, epoch)
        return self._augmented.read(_view_key(key, epoch % self.augmentation.views))

    def _placeholder(self) -> np.ndarray:
        """Return zeros for a pair without the modality. The model replaces the feature of such a pair."""
        if self._empty is None:
            array = self._plain.read(next(key for key in self.keys if key))
            is_sequence = stored_pad(self.encoder) is not None
            self._empty = np.zeros_like(array[:1] if is_sequence else array)
        return self._empty

    def _view_keys(self, train_rows: Sequence[int]) -> list[str]:
        if self.augmentation is None or self._is_pixels:
            return []
        views = range(self.augmentation.views)
        return [_view_key(self.keys[row], view) for row in train_rows if self.keys[row] for view in views]


class SkippedModality:
    """An empty column for a modality that the model does not read.

    Args:
        keys: content digest of each pair's text or image; an empty string if the pair lacks this modality.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = list(keys)

    def batch(self, rows: Sequence[int], epoch: int | None = None) -> Activations:
        """Return an empty batch [B, 0]."""
        return Activations(torch.empty(len(rows), 0))

    def load(self) -> None:
        """Return None, since there are no features to load."""


def describe_features(
    encoder: Encoder, compute: Compute, augmentation: Augmentation | None = None
) -> dict[str, object]:
    """Describe everything that affects stored features. Equal descriptions mean equal features."""
    cut = encoder.cut
    return {
        "format": FEATURE_FORMAT,
        "encoder": encoder.name,
        "stages": f"{cut} of {encoder.n_stages}",
        "weights": encoder.digest(cut),
        "inputs": encoder.inputs.settings(),
        "compute": compute.describe(encoder) if cut else "none",
        **({"augmentation": augmentation.describe()} if augmentation else {}),
    }


def text_key(text: str | None) -> str:
    """Return the content digest of a text; an empty string for None."""
    return "" if text is None else hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def text_keys(pairs: Sequence[Pair]) -> list[str]:
    """Return the content digest of each pair's text."""
    return [text_key(pair.text) for pair in pairs]


def _view_key(key: str, view: int) -> str:
    return f"{key}-view{view}"
