"""Raw texts and images become the arrays that the first stage of an encoder takes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmsent_cli.data.images import decode_image
from mmsent_cli.data.pairs import ImageFile
from mmsent_cli.data.text import clean

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TextInputs:
    """Cleans and tokenises texts.

    Args:
        tokenizer: a fast tokenizer; its own truncation and padding are replaced.
        pad_id: the id that fills a batch; masked, so it never changes an output.
        max_length_tokens: longest text, special tokens included.
        cleaning: steps of `data.text.clean`.
    """

    def __init__(self, tokenizer: "Tokenizer", pad_id: int, max_length_tokens: int, cleaning: Sequence[str]) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length_tokens)
        self.tokenizer = tokenizer
        self.pad_id = pad_id
        self.max_length_tokens = max_length_tokens
        self.cleaning = tuple(cleaning)

    def arrays(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Token ids of each text: int32 [T], T at least 1."""
        encodings = self.tokenizer.encode_batch([clean(text, self.cleaning) for text in texts])
        return [np.asarray(encoding.ids or [self.pad_id], dtype=np.int32) for encoding in encodings]

    def settings(self) -> dict[str, object]:
        """What decides the arrays, apart from the weights; part of the feature store's key."""
        spec = self.tokenizer.to_str().encode()
        return {
            "tokenizer": hashlib.blake2b(spec, digest_size=16).hexdigest(),
            "max_length_tokens": self.max_length_tokens,
            "cleaning": list(self.cleaning),
        }


@dataclass(frozen=True, slots=True)
class ImageInputs:
    """Decodes images to a square of `image_size_px`; normalisation belongs to the first stage."""

    image_size_px: int

    def arrays(self, images: Sequence[ImageFile]) -> list[np.ndarray]:
        """Pixels of each image: uint8 [3, H, W]."""
        return [np.ascontiguousarray(decode_image(image, self.image_size_px).transpose(2, 0, 1)) for image in images]

    def settings(self) -> dict[str, object]:
        """What decides the arrays; part of the feature store's key."""
        return {"image_size_px": self.image_size_px}


def word_tokenizer(vocabulary: Sequence[str]) -> "Tokenizer":
    """A lower-casing whole-word tokenizer over a fixed vocabulary, whose id 0 is padding and id 1 unknown."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    words = {"[PAD]": 0, "[UNK]": 1} | {word: index for index, word in enumerate(vocabulary, start=2)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(r"[\w#@'’]+|[^\w\s]"), "removed", invert=True)]
    )
    return tokenizer


def build_vocabulary(texts: Sequence[str], cleaning: Sequence[str], max_words: int, min_count: int) -> tuple[str, ...]:
    """Words of the training texts, most frequent first (ties in alphabetical order).

    Args:
        texts: training split only; a word seen only in validation must stay unknown.
        cleaning: the encoder's cleaning steps.
        max_words: at most this many.
        min_count: words seen less often are left out.
    """
    from collections import Counter

    splitter = word_tokenizer(())
    counts: Counter[str] = Counter()
    for text in texts:
        normal = splitter.normalizer.normalize_str(clean(text, cleaning))
        counts.update(word for word, _ in splitter.pre_tokenizer.pre_tokenize_str(normal))
    ranked = sorted((-count, word) for word, count in counts.items() if count >= min_count)
    return tuple(word for _, word in ranked[:max_words])
