"""Find placeholders: texts and images that many pairs share, such as the picture "image not available"."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.text import duplicate_key

FEW, MANY = 5, 20
IMAGE_SHARE, TEXT_SHARE, SMALL_SHARE = 0.25, 0.5, 0.01
"""A placeholder image occurs with more than n different texts. For N pairs, n is the smaller of max(5, N / 4) and
max(20, N / 100). A placeholder text occurs with more than n different images. For texts, n is computed with N / 2
instead of N / 4."""
Key = Callable[[Pair], str]


def text_key(pair: Pair) -> str:
    """Return a key that is equal for near-duplicate texts; empty for a text without words."""
    return duplicate_key(pair.text or "")


def image_key(pair: Pair) -> str:
    """Return a key that is equal for equal images; empty without an image."""
    return pair.image_digest


def placeholders(keys: Sequence[str], partners: Sequence[str], share: float) -> dict[str, int]:
    """Find texts that occur with many different images, or images that occur with many different texts.

    A retweet is not a placeholder, since its text always occurs with the same image.

    Args:
        keys: to find texts, the key of each pair's text; to find images, the key of each pair's image.
        partners: to find texts, the key of each pair's image; to find images, the key of each pair's text.
        share: IMAGE_SHARE to find images, TEXT_SHARE to find texts.

    Returns:
        The key of each placeholder, with its number of pairs.
    """
    beside: defaultdict[str, set[str]] = defaultdict(set)
    counts: defaultdict[str, int] = defaultdict(int)
    for key, partner in zip(keys, partners, strict=True):
        if key:
            beside[key].add(partner)
            counts[key] += 1
    limit = min(max(FEW, share * len(keys)), max(MANY, SMALL_SHARE * len(keys)))
    return {key: counts[key] for key, different in beside.items() if len(different) > limit}


def placeholder_notes(pairs: Sequence[Pair]) -> list[str]:
    """Return a line for each image that many pairs share."""
    images = [image_key(pair) for pair in pairs]
    if max(Counter(filter(None, images)).values(), default=0) <= FEW:
        return []  # computing the keys of the texts takes time
    texts = [text_key(pair) for pair in pairs]
    found = placeholders(images, texts, IMAGE_SHARE)
    notes = []
    for key, count in found.items():
        guid = pairs[images.index(key)].guid
        share = "all" if count == len(pairs) else f"{count:,} of {len(pairs):,}"
        notes.append(
            f"{share} pairs share one image (that of pair {guid}), probably a placeholder, so these pairs do not count"
            " as near-duplicates; give the pairs their own images, or train with --fusion text-only"
        )
    return notes
