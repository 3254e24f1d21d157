"""Make stratified training and validation splits. `grouped` keeps near-duplicates together, `plain` ignores them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mmsent_cli.config import SplitConfig
from mmsent_cli.data.grouping import assign, groups_of
from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.split_file import Split, digest_of, read_split, write_split
from mmsent_cli.errors import ConfigError, DataError, summarize
from mmsent_cli.results import SplitResult

__all__ = [
    "Split",
    "apply_split",
    "describe",
    "groups_of",
    "make_folds",
    "make_split",
    "read_split",
    "require_all_in_folds",
    "write_split",
]

PLAIN_VAL_SIZES = {"plain-80-20": 0.2, "plain-90-10": 0.1}
"""Validation shares of two published setups; with the default seed 42 the splits equal theirs, row for row."""


def make_split(pairs: Sequence[Pair], labels: Sequence[str], config: SplitConfig) -> Split:
    """Divide pairs into training and validation.

    With `grouped`, the split does not depend on the order of the pairs. The plain strategies ignore near-duplicates and
    call scikit-learn's `train_test_split` on the pairs in their order.

    Raises:
        DataError: a class has too few pairs for both splits.
        ConfigError: `val_size` is given with a plain strategy, which has a fixed one.
    """
    if config.strategy != "grouped":
        return _plain_split(pairs, labels, config)
    groups = _groups(pairs, labels, 2)
    side_of = assign(pairs, groups, (1 - config.val_size, config.val_size), config.split_seed)
    train, val = (_guids(pairs, [side == wanted for side in side_of]) for wanted in (0, 1))
    _require_both_sides(pairs, labels, train, val)
    return Split(train, val, "grouped", config.split_seed, config.val_size, digest_of(train, val))


def make_folds(pairs: Sequence[Pair], labels: Sequence[str], n: int, seed: int) -> tuple[Split, ...]:
    """Divide pairs into n folds, near-duplicates together. Returns one split per fold, which validates on this fold.

    Raises:
        ConfigError: n is less than 2.
        DataError: a class has fewer groups of near-duplicates than there are folds.
    """
    if n < 2:
        raise ConfigError(f"cannot make {n} folds", "give --folds 2 or more")
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
            f"{len(missing)} pairs of the split are not in the data: {summarize(missing, 'guids')}",
            "use the data the split was made from, without --limit, or make a new split with mmsent split",
        )
    return [by_guid[guid] for guid in split.train], [by_guid[guid] for guid in split.val]


def require_all_in_folds(folds: Sequence[Split], pairs: Sequence[Pair]) -> None:
    """Check that the recorded folds contain exactly these pairs.

    Raises:
        DataError: pairs are missing in the folds or in the data.
    """
    in_folds = {guid for fold in folds for guid in fold.val}
    strange = sorted(in_folds ^ {pair.guid for pair in pairs})
    if strange:
        raise DataError(
            f"{len(strange)} pairs differ between the data set and the recorded folds: {summarize(strange, 'guids')}",
            "use the data that the run was started with, or start a new run",
        )


def describe(splits: Sequence[Split], pairs: Sequence[Pair], labels: Sequence[str], path: Path) -> SplitResult:
    """Return the sizes, class counts and near-duplicates of a split or of folds, as `mmsent split` shows them."""
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
            f"--strategy {config.strategy} always uses val_size {val_size}", "leave --val-size out, or use grouped"
        )
    _require_members({label: sum(pair.tag == label for pair in pairs) for label in labels}, 2)
    sides = _stratified(pairs, val_size, config.split_seed)
    if sides is None:
        raise DataError(f"{len(pairs)} pairs are too few for {config.strategy}", "add pairs, or use --strategy grouped")
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
    """Return the indices of the pairs of each group. Every class must occur in at least `needed` groups."""
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
            f"each class needs {needed} or more pairs (near-duplicates count as one); too few: {', '.join(short)}",
            _more_members(needed, max(counts.values()), min(counts.values())),
        )


def _more_members(needed: int, most: int, least: int) -> str:
    """What to do if classes have fewer than `needed` members: folds need one each."""
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
                "add pairs of these classes, or choose another --val-size or seed",
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
