"""Make stratified training and validation splits. `grouped` keeps near-duplicates together, `plain` ignores them.

Chosen: groups of near-duplicates are not divided. The largest groups are assigned first; groups of the same size are in
random order. Each group goes to the split that lacks the most pairs of the group's classes. Class shares are
exact to about one pair, for any share and any number of folds. Rejected: scikit-learn's `train_test_split` over groups,
which counts groups and not pairs, and `StratifiedGroupKFold`, which supports only shares of 1/n.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

from mmsent_cli.config import SplitConfig
from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.placeholders import IMAGE_SHARE, TEXT_SHARE, image_key, placeholders, text_key
from mmsent_cli.errors import ConfigError, DataError, counted, damage, summarize
from mmsent_cli.files import read_plain, reason
from mmsent_cli.outputs import is_stream, open_output, require_writable
from mmsent_cli.results import SplitResult


def groups_of(pairs: Sequence[Pair]) -> list[int]:
    """Return the group number of each pair. Pairs with the same text key or the same image are in one group.

    A placeholder is ignored: a text that occurs with many different images, or an image with many different texts.
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
    """Return each split's share of each class.

    If a share of a rare class is less than one pair, it is raised to one pair.
    """
    wanted = {}
    for tag, size in sizes.items():
        raised = [max(share, min(1 / size, 1 / len(shares))) for share in shares]
        wanted[tag] = [share / sum(raised) for share in raised]
    return wanted


FORMAT = "mmsent split 1"
REMAKE = "make it again with mmsent split"


@dataclass(frozen=True, slots=True)
class Split:
    """The guids of the training and the validation pairs.

    `digest` is the result of `digest_of`; `fold` is the number of the fold, from 1, or None.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    strategy: str
    seed: int
    val_size: float
    digest: str
    fold: int | None = None
    folds: int | None = None


def digest_of(train: Iterable[str], val: Iterable[str]) -> str:
    """Return the hex digest of a split (BLAKE2b-128). The order of the guids does not matter."""
    lines = sorted([*((guid, "train") for guid in train), *((guid, "val") for guid in val)])
    return blake2b(
        "".join(f"{guid}\t{side}\n" for guid, side in lines).encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()


def require_split_name(path: Path) -> None:
    """Check the suffix of a split file.

    Raises:
        ConfigError: the suffix belongs to another kind of file.
    """
    if path.suffix.lower() not in ("", ".json") and not is_stream(path):
        raise ConfigError(
            f"--out {path}: a split cannot be written as a {path.suffix} file", "give a name that ends in .json"
        )


def write_split(split: Split | Sequence[Split], path: Path, force: bool) -> None:
    """Write a split, or all folds, to a JSON file.

    Raises:
        MmsentError: the file exists and `force` is False, or the file cannot be written.
    """
    require_writable(path, force)
    parts = [split] if isinstance(split, Split) else list(split)
    text = json.dumps({"format": FORMAT, "splits": [asdict(part) for part in parts]}, indent=1, ensure_ascii=False)
    with open_output(path) as stream:
        stream.write(f"{text}\n")


def read_split(path: Path, fold: int | None = None) -> Split:
    """Read a split file, and check its digest.

    Args:
        path: the split file.
        fold: the number of the fold, from 1; required if the file has folds.

    Raises:
        DataError: the file does not exist, is not a split file or was changed, or there is no such fold.
    """
    try:
        content = json.loads(read_plain(path).decode())
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {FORMAT!r}")
        splits = [_from_json(part) for part in content["splits"]]
    except OSError as error:
        raise DataError(f"cannot read the split {path}: {reason(error)}", "make one with mmsent split") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a split file: {damage(error)}", REMAKE) from error
    for split in splits:
        if split.digest != digest_of(split.train, split.val) or set(split.train) & set(split.val):
            raise DataError(f"{path} was changed after it was written: its digest does not match", REMAKE)
    return _pick(splits, path, fold)


def _from_json(values: Mapping[str, Any]) -> Split:
    sides = {name: tuple(values[name]) for name in ("train", "val")}
    if not all(isinstance(guid, str) for guids in sides.values() for guid in guids):
        raise ValueError("a guid is not text")
    return Split(**{**values, **sides})


def _pick(splits: Sequence[Split], path: Path, fold: int | None) -> Split:
    if len(splits) == 1 and fold is None:
        return splits[0]
    chosen = [split for split in splits if fold is not None and split.fold == fold]
    if not chosen:
        known = ", ".join(str(split.fold) for split in splits if split.fold is not None)
        problem = "has several folds, and --fold is not given" if fold is None else f"has no fold {fold}"
        raise DataError(f"{path} {problem}", f"set --fold to one of {known}" if known else "leave out --fold")
    return chosen[0]


PLAIN_VAL_SIZES = {"plain-80-20": 0.2, "plain-90-10": 0.1}
"""Validation shares of two published setups. With the default seed 42, the splits are equal to the published splits."""


def make_split(pairs: Sequence[Pair], labels: Sequence[str], config: SplitConfig) -> Split:
    """Divide pairs into training and validation.

    With `grouped`, the split does not depend on the order of the pairs. The plain strategies ignore near-duplicates and
    call scikit-learn's `train_test_split` on the pairs in their order.

    Raises:
        DataError: a class has too few pairs for both splits.
        ConfigError: `val_size` is given with a plain strategy, which has a fixed validation share.
    """
    if config.strategy != "grouped":
        return _plain_split(pairs, labels, config)
    groups = _groups(pairs, labels, 2)
    side_of = assign(pairs, groups, (1 - config.val_size, config.val_size), config.split_seed)
    train, val = (_guids(pairs, [side == wanted for side in side_of]) for wanted in (0, 1))
    _require_both_sides(pairs, labels, train, val)
    return Split(train, val, "grouped", config.split_seed, config.val_size, digest_of(train, val))


def make_folds(pairs: Sequence[Pair], labels: Sequence[str], n: int, seed: int) -> tuple[Split, ...]:
    """Divide pairs into n folds, and keep near-duplicates together. Fold i is the validation part of split i.

    Raises:
        ConfigError: n is less than 2.
        DataError: a class has fewer groups of near-duplicates than there are folds.
    """
    if n < 2:
        raise ConfigError(f"--folds {n}: the value must be at least 2", "for example, use --folds 5")
    fold_of = assign(pairs, _groups(pairs, labels, n), (1 / n,) * n, seed)
    splits = []
    for fold in range(n):
        train, val = (_guids(pairs, [(held == fold) is is_val for held in fold_of]) for is_val in (False, True))
        _require_both_sides(pairs, labels, train, val)
        splits.append(Split(train, val, "grouped", seed, 1 / n, digest_of(train, val), fold + 1, n))
    return tuple(splits)


def apply_split(split: Split, pairs: Iterable[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Return the training and the validation pairs, in the order of the split. Other pairs are left out.

    Raises:
        DataError: guids of the split are not in the data.
    """
    by_guid = {pair.guid: pair for pair in pairs}
    missing = [guid for guid in split.train + split.val if guid not in by_guid]
    if missing:
        raise DataError(
            f"the data has no row for {counted(len(missing), 'pair')} of the split"
            f" (guids: {summarize(missing, 'guids')})",
            "use the data that the split was made from, without --limit; or make a new split with mmsent split",
        )
    return [by_guid[guid] for guid in split.train], [by_guid[guid] for guid in split.val]


def require_all_in_folds(folds: Sequence[Split], pairs: Sequence[Pair]) -> None:
    """Check that the recorded folds contain exactly these pairs.

    Raises:
        DataError: the folds lack pairs of the data, or the data lacks pairs of the folds.
    """
    in_folds = {guid for fold in folds for guid in fold.val}
    strange = sorted(in_folds ^ {pair.guid for pair in pairs})
    if strange:
        raise DataError(
            f"the data and the recorded folds differ in {counted(len(strange), 'pair')}"
            f" (guids: {summarize(strange, 'guids')})",
            "use the data that the run was started with, or start a new run",
        )


def describe(splits: Sequence[Split], pairs: Sequence[Pair], labels: Sequence[str], path: Path) -> SplitResult:
    """Return the sizes, class counts and near-duplicates of a split or of folds, which `mmsent split` shows."""
    split, tags = splits[0], {pair.guid: pair.tag for pair in pairs}
    group_of = dict(zip((pair.guid for pair in pairs), groups_of(pairs), strict=True))
    members = defaultdict(list)
    for guid, group in group_of.items():
        members[group].append(guid)
    groups = [guids for guids in members.values() if len(guids) > 1]
    plain = _stratified(pairs, split.val_size, split.seed)
    return SplitResult(
        path=str(path),
        digest=",".join(part.digest for part in splits),
        strategy=split.strategy,
        seed=split.seed,
        val_size=split.val_size,
        train=len(split.train),
        val=len(split.val),
        train_counts=_counts(split.train, tags, labels),
        val_counts=_counts(split.val, tags, labels),
        groups=len(groups),
        grouped_pairs=sum(len(guids) for guids in groups),
        conflicting_groups=sum(len({tags[guid] for guid in guids}) > 1 for guids in groups),
        leaks=_leaks(split.train, split.val, group_of),
        leaks_without_groups=_leaks(*plain, group_of) if plain else None,
        folds=split.folds,
        fold_counts=tuple(_counts(part.val, tags, labels) for part in splits if part.folds),
    )


def _plain_split(pairs: Sequence[Pair], labels: Sequence[str], config: SplitConfig) -> Split:
    val_size = PLAIN_VAL_SIZES[config.strategy]
    if config.val_size not in (val_size, SplitConfig().val_size):
        raise ConfigError(
            f"--strategy {config.strategy} always uses --val-size {val_size}",
            "leave --val-size out, or use --strategy grouped",
        )
    _require_members({label: sum(pair.tag == label for pair in pairs) for label in labels}, 2)
    sides = _stratified(pairs, val_size, config.split_seed)
    if sides is None:
        raise DataError(
            f"{len(pairs)} pairs are too few for --strategy {config.strategy}", "add pairs, or use --strategy grouped"
        )
    return Split(*sides, config.strategy, config.split_seed, val_size, digest_of(*sides))


def _stratified(pairs: Sequence[Pair], val_size: float, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return scikit-learn's stratified split, or None if there are too few pairs."""
    from sklearn.model_selection import train_test_split

    guids, tags = [pair.guid for pair in pairs], [pair.tag for pair in pairs]
    try:
        train, val = train_test_split(guids, test_size=val_size, random_state=seed, stratify=tags)
    except ValueError:  # a class or a split would be too small; guids and tags are always valid here
        return None
    return tuple(train), tuple(val)


def _groups(pairs: Sequence[Pair], labels: Sequence[str], needed: int) -> list[list[int]]:
    """Return, for each group of near-duplicates, the indices of its pairs.

    Every class must occur in at least `needed` groups.
    """
    members = defaultdict(list)
    for index, group in enumerate(groups_of(pairs)):
        members[group].append(index)
    counts = Counter(tag for group in members.values() for tag in {pairs[index].tag for index in group})
    _require_members({label: counts[label] for label in labels}, needed)
    return list(members.values())


def _require_members(counts: Mapping[str, int], needed: int) -> None:
    short = [f"{label} ({count})" for label, count in counts.items() if count < needed]
    if short:
        raise DataError(
            f"each class needs {needed} or more pairs (near-duplicates count as one); classes with too few pairs:"
            f" {', '.join(short)}",
            _more_members(needed, max(counts.values()), min(counts.values())),
        )


def _more_members(needed: int, most: int, least: int) -> str:
    """Return a hint for classes that have fewer than `needed` members. Each fold needs one member."""
    fewer = f"use --folds {least} or fewer" if needed > 2 and least >= 2 else ""
    others = "leave these classes out with --exclude-labels" if most >= needed else ""
    return ", or ".join(filter(None, (fewer, "add pairs of these classes", others)))


def _require_both_sides(pairs: Sequence[Pair], labels: Sequence[str], train: Sequence[str], val: Sequence[str]) -> None:
    tags = {pair.guid: pair.tag for pair in pairs}
    for name, guids in (("training", train), ("validation", val)):
        lacking = [label for label, count in _counts(guids, tags, labels).items() if not count]
        if lacking:
            raise DataError(
                f"the {name} split would have no pair of {', '.join(lacking)}",
                "add pairs of these classes, or choose another --split-seed, --val-size or number of --folds",
            )


def _guids(pairs: Sequence[Pair], is_chosen: Sequence[bool]) -> tuple[str, ...]:
    return tuple(pair.guid for pair, chosen in zip(pairs, is_chosen, strict=True) if chosen)


def _counts(guids: Iterable[str], tags: Mapping[str, str | None], labels: Sequence[str]) -> dict[str, int]:
    counts = Counter(tags[guid] for guid in guids)
    return {label: counts[label] for label in labels}


def _leaks(train: Iterable[str], val: Iterable[str], group_of: Mapping[str, int]) -> int:
    """Return the number of validation pairs with a near-duplicate in training."""
    in_training = {group_of[guid] for guid in train}
    return sum(group_of[guid] in in_training for guid in val)
