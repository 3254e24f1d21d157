"""Find groups of near-duplicates, and assign whole groups to splits.

Chosen: groups are taken by size, the largest first, in random order within a size. Each group goes to the split that
most needs pairs of its classes. Class shares are exact to about one pair, for any share and any number of folds.
Rejected: scikit-learn's `train_test_split` over groups, which counts groups and not pairs, and `StratifiedGroupKFold`,
which supports only shares of 1/n.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.placeholders import IMAGE_SHARE, TEXT_SHARE, image_key, placeholders, text_key


def groups_of(pairs: Sequence[Pair]) -> list[int]:
    """Return the group number of each pair. Pairs with the same text key or the same image are in one group.

    A text or an image that many pairs share with different partners is a placeholder and is ignored.
    """
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first: dict[tuple[str, str], int] = {}
    links = []
    texts, images = [text_key(pair) for pair in pairs], [image_key(pair) for pair in pairs]
    ignored = {"", *placeholders(images, texts, IMAGE_SHARE), *placeholders(texts, images, TEXT_SHARE)}
    for index, keys in enumerate(zip(texts, images, strict=True)):
        named = zip(("text", "image"), keys, strict=True)
        links += [(index, first.setdefault(key, index)) for key in named if key[1] not in ignored]
    rows, columns = zip(*links, strict=True) if links else ((), ())
    graph = coo_matrix((np.ones(len(links)), (rows, columns)), shape=(len(pairs), len(pairs)))
    return connected_components(graph, directed=False)[1].tolist() if pairs else []


def assign(pairs: Sequence[Pair], groups: list[list[int]], shares: Sequence[float], seed: int) -> list[int]:
    """Return the split number of each pair. Each split gets its share of every class, and no group is divided.

    Args:
        pairs: N pairs.
        groups: for each group, the indices of its pairs.
        shares: the share of each split; they sum to 1.
        seed: the seed of the shuffle.
    """
    by_name = sorted(groups, key=lambda group: min(pairs[index].guid for index in group))
    order = sorted(Random(seed).sample(by_name, len(by_name)), key=len, reverse=True)
    wanted = _class_shares(Counter(pair.tag for pair in pairs), shares)
    held: list[Counter[str | None]] = [Counter() for _ in shares]
    seen: Counter[str | None] = Counter()
    side_of = [0] * len(pairs)
    for group in order:
        tags = Counter(pairs[index].tag for index in group)
        seen.update(tags)
        surplus = [
            sum(n * (held[side][tag] - wanted[tag][side] * seen[tag]) for tag, n in tags.items())
            for side in range(len(shares))
        ]
        side = surplus.index(min(surplus))
        held[side].update(tags)
        for index in group:
            side_of[index] = side
    return side_of


def _class_shares(sizes: Mapping[str | None, int], shares: Sequence[float]) -> dict[str | None, list[float]]:
    """Return each split's share of each class. Shares that give less than one pair of a rare class are raised."""
    wanted = {}
    for tag, size in sizes.items():
        raised = [max(share, min(1 / size, 1 / len(shares))) for share in shares]
        wanted[tag] = [share / sum(raised) for share in raised]
    return wanted
