"""Convert raw texts and images to the input of an encoder's first stage."""

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


UNKNOWN_TOKENS = ("[UNK]", "<unk>")


class TextInputs:
    """Cleans and tokenises texts.

    Args:
        tokenizer: a fast tokenizer; its settings for truncation and padding are replaced.
        pad_id: the token id for padding. Padding is masked.
        max_length_tokens: maximum length of a text, including special tokens.
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
        """Return the token ids of each text, int32 [number of tokens]. Each text has at least one token."""
        encodings = self.tokenizer.encode_batch([clean(text, self.cleaning) for text in texts])
        return [np.asarray(encoding.ids or [self.pad_id], dtype=np.int32) for encoding in encodings]

    def unknown_share(self, arrays: Sequence[np.ndarray]) -> float:
        """Return the share of unknown tokens in all token ids; 0 for a tokenizer without an unknown token."""
        known = (self.tokenizer.token_to_id(token) for token in UNKNOWN_TOKENS)
        unknown = [number for number in known if number is not None]
        total = sum(map(len, arrays))
        return sum(int(np.isin(ids, unknown).sum()) for ids in arrays) / total if total and unknown else 0.0

    def settings(self) -> dict[str, object]:
        """Return all settings that affect the token ids. They are a part of the key in the feature store."""
        spec = self.tokenizer.to_str().encode()
        return {
            "tokenizer": hashlib.blake2b(spec, digest_size=16).hexdigest(),
            "max_length_tokens": self.max_length_tokens,
            "cleaning": list(self.cleaning),
        }


@dataclass(frozen=True, slots=True)
class ImageInputs:
    """Decodes images to squares of `image_size_px`. Normalization is part of the first stage."""

    image_size_px: int

    def arrays(self, images: Sequence[ImageFile]) -> list[np.ndarray]:
        """Return the pixels of each image, uint8 [3, height, width]."""
        return [np.ascontiguousarray(decode_image(image, self.image_size_px).transpose(2, 0, 1)) for image in images]

    def settings(self) -> dict[str, object]:
        """Return all settings that affect the pixels. They are a part of the key in the feature store."""
        return {"image_size_px": self.image_size_px}


def word_tokenizer(vocabulary: Sequence[str]) -> "Tokenizer":
    """Make a tokenizer of lower-case words with a fixed vocabulary. Id 0 is padding, id 1 an unknown word."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    words = {"[PAD]": 0, "[UNK]": 1} | {word: index for index, word in enumerate(vocabulary, start=2)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(r"[\w#@'’]+|[^\w\s]"), "removed", invert=True)]
    )
    return tokenizer


def build_vocabulary(texts: Sequence[str], cleaning: Sequence[str], max_words: int, min_count: int) -> tuple[str, ...]:
    """Return the words of the training texts, most frequent first (ties in alphabetical order).

    Args:
        texts: texts of the training split.
        cleaning: the encoder's cleaning steps.
        max_words: maximum number of words.
        min_count: minimum number of occurrences of a word.
    """
    from collections import Counter

    splitter = word_tokenizer(())
    counts: Counter[str] = Counter()
    for text in texts:
        normal = splitter.normalizer.normalize_str(clean(text, cleaning))
        counts.update(word for word, _ in splitter.pre_tokenizer.pre_tokenize_str(normal))
    ranked = sorted((-count, word) for word, count in counts.items() if count >= min_count)
    return tuple(word for _, word in ranked[:max_words])
