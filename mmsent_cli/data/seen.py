"""A record of the training pairs for the checkpoint: digests, classes and lengths, but no text and no image.

The record shows whether a pair was in training or validation, even if it is in another copy of the data.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.text import duplicate_key

NEW, NEAR, SEEN, VALIDATED = 0, 1, 2, 3
"""The possible relations of a pair to the training pairs; see `SeenPairs.relation`."""
ARRAYS = ("texts", "images", "classes", "words")


@dataclass(frozen=True, slots=True, eq=False)
class SeenPairs:
    """The record of N training pairs.

    Attributes:
        texts, images: 64-bit digests [N] of the words of the text (equal for near-duplicates) and of the image file. 0
            if the pair lacks the modality.
        classes: class numbers [N].
        words: length of each text [N].
        validation: the record of the validation pairs, on which the best epoch was chosen. None in a checkpoint of an
            earlier version. With folds, each pair is a training pair and a validation pair.
    """

    texts: np.ndarray
    images: np.ndarray
    classes: np.ndarray
    words: np.ndarray
    validation: "SeenPairs | None" = None

    @classmethod
    def of(cls, pairs: Iterable[Pair], labels: Sequence[str], validation: Iterable[Pair] | None = None) -> "SeenPairs":
        """Make the record of labelled pairs, and of the validation pairs if they are given."""
        chosen = list(pairs)
        return cls(
            texts=np.array([_text_digest(pair) for pair in chosen], dtype=np.int64),
            images=np.array([_image_digest(pair) for pair in chosen], dtype=np.int64),
            classes=np.array([labels.index(pair.tag or "") for pair in chosen], dtype=np.int32),
            words=word_counts(chosen).astype(np.int32),
            validation=None if validation is None else cls.of(validation, labels),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], labels: int) -> "SeenPairs":
        """Make a record, without validation pairs, from the result of `arrays`.

        Args:
            arrays: arrays by name.
            labels: the number of classes.

        Raises:
            KeyError: an array is missing.
            ValueError: the arrays are no record of pairs with these classes.
        """
        texts, images, classes, words = (np.asarray(arrays[name]) for name in ARRAYS)
        found = cls(texts, images, classes, words)
        arrays = found.arrays()
        count = found.classes.size
        is_record = count > 0 and all(each.shape == (count,) and each.dtype.kind == "i" for each in arrays.values())
        if not is_record or found.words.min() < 0 or found.classes.min() < 0 or found.classes.max() >= labels:
            raise ValueError("the record of the training pairs is unusable")
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the record, without validation pairs, as arrays by name."""
        return {name: getattr(self, name) for name in ARRAYS}

    def relation(self, pairs: Iterable[Pair]) -> np.ndarray:
        """Return an array with NEW, NEAR, SEEN or VALIDATED for each pair.

        SEEN: a training pair has the same text and the same image. VALIDATED: a validation pair has the same text and
        the same image. NEAR: a training pair has the same text or the same image. NEW: none of these.
        """
        chosen = list(pairs)
        found = self._own_relation(chosen)
        if self.validation is not None:
            other = self.validation._own_relation(chosen)
            found[(found != SEEN) & (other == SEEN)] = VALIDATED
        return found

    def _own_relation(self, pairs: Iterable[Pair]) -> np.ndarray:
        """Return an array with NEW, NEAR or SEEN for each pair. The validation pairs are not used."""
        both = set(zip(self.texts.tolist(), self.images.tolist(), strict=True))
        texts, images = (set(values.tolist()) - {0} for values in (self.texts, self.images))
        found = []
        for pair in pairs:
            text, image = _text_digest(pair), _image_digest(pair)
            is_near = text in texts or image in images
            found.append(SEEN if is_near and (text, image) in both else NEAR if is_near else NEW)
        return np.array(found, dtype=np.int64)


def word_counts(pairs: Iterable[Pair]) -> np.ndarray:
    """Return an array with the number of words of each text; 0 for a missing text."""
    return np.array([len((pair.text or "").split()) for pair in pairs], dtype=np.int64)


def _text_digest(pair: Pair) -> int:
    key = duplicate_key(pair.text or "")
    return _as_int(blake2b(key.encode(), digest_size=8).digest()) if key else 0


def _image_digest(pair: Pair) -> int:
    return _as_int(bytes.fromhex(pair.image_digest)[:8]) if pair.image_digest else 0


def _as_int(digest: bytes) -> int:
    return int.from_bytes(digest, "big", signed=True)
