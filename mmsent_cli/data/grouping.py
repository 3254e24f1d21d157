"""Near-duplicates: which pairs belong together, and how their groups are assigned to the splits.

Chosen: groups, the largest first and shuffled within a size, each go to the split that is furthest below its share of
the group's classes. Class shares are exact to about one pair, for any share and any number of folds, and duplicates are
spread in proportion. Rejected: scikit-learn's `train_test_split` over groups, which counts groups and not pairs, and
`StratifiedGroupKFold`, which supports only shares of 1/n.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.text import duplicate_key


def groups_of(pairs: Sequence[Pair]) -> list[int]:
    """The group number of each pair: equal where text key or image bytes are equal, directly or through others."""
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first: dict[tuple[str, str], int] = {}
    links = []
    for index, pair in enumerate(pairs):
        keys = (("text", duplicate_key(pair.text or "")), ("image", pair.image_digest))
        links += [(index, first.setdefault(key, index)) for key in keys if key[1]]
    rows, columns = zip(*links, strict=True) if links else ((), ())
    graph = coo_matrix((np.ones(len(links)), (rows, columns)), shape=(len(pairs), len(pairs)))
    return connected_components(graph, directed=False)[1].tolist() if pairs else []


def assign(pairs: Sequence[Pair], groups: list[list[int]], shares: Sequence[float], seed: int) -> list[int]:
    """The split (by number) of each pair: each split gets its share of every class, and no group is divided.

    Args:
        pairs: N pairs.
        groups: Indices of the pairs of each group.
        shares: The share of each split, summing to 1.
        seed: Seed of the shuffle.
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
    """Each split's share of each class: `shares`, raised where a split would get less than one pair of a rare class."""
    wanted = {}
    for tag, size in sizes.items():
        raised = [max(share, min(1 / size, 1 / len(shares))) for share in shares]
        wanted[tag] = [share / sum(raised) for share in raised]
    return wanted
