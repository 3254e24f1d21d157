"""Splits: near-duplicates stay together, classes keep their shares, plain splits are scikit-learn's, files are safe."""

import hashlib
import json
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from mmsent_cli.config import SplitConfig
from mmsent_cli.data.split import (
    Split,
    apply_split,
    describe,
    digest_of,
    groups_of,
    make_folds,
    make_split,
    read_split,
    require_all_in_folds,
    write_split,
)
from mmsent_cli.errors import ConfigError, DataError, MmsentError
from tests.data.builders import TAGS, make_pair


def realistic_pairs(count=2000, seed=0):
    """Unbalanced classes like real data; about a tenth of the pairs repeat an earlier text or image."""
    rng = random.Random(seed)
    pairs = []
    for number in range(count):
        tag = rng.choices(TAGS, (0.3, 0.1, 0.6))[0]
        earlier = rng.choice(pairs) if pairs and rng.random() < 0.1 else None
        text = f"RT @x: {earlier.text}" if earlier and rng.random() < 0.5 else None
        digest = earlier.image_digest if earlier and text is None else None
        pairs.append(make_pair(str(number), tag, text, digest))
    return pairs


PAIRS = realistic_pairs()


def groups_on_both_sides(pairs, split):
    group_of = dict(zip((pair.guid for pair in pairs), groups_of(pairs), strict=True))
    return {group_of[guid] for guid in split.train} & {group_of[guid] for guid in split.val}


# Groups


def test_groups_join_same_text_same_image_and_chains_of_both():
    pairs = [
        make_pair("0", "positive", "good morning", "A"),
        make_pair("1", "positive", "RT @x: Good MORNING! http://t.co/1", "B"),
        make_pair("2", "negative", "else", "B"),
        make_pair("3", "negative", "more", "C"),
        make_pair("4", "neutral", "other", "D"),
    ]
    first, second, third, fourth, fifth = groups_of(pairs)
    assert first == second == third
    assert len({first, fourth, fifth}) == 3


def test_pairs_without_words_or_image_are_not_grouped():
    pairs = [make_pair("0", "positive", "http://t.co/1", ""), make_pair("1", "positive", "http://t.co/2", "")]
    assert len(set(groups_of(pairs))) == 2
    assert groups_of([]) == []


# Grouped splits


@pytest.mark.parametrize("val_size", [0.05, 0.1, 0.2, 0.5, 0.8])
def test_grouped_split_keeps_groups_whole_and_classes_in_proportion(val_size):
    split = make_split(PAIRS, TAGS, SplitConfig(val_size=val_size))
    assert sorted(split.train + split.val, key=int) == [pair.guid for pair in PAIRS]
    assert groups_on_both_sides(PAIRS, split) == set()
    assert abs(len(split.val) / len(PAIRS) - val_size) < 0.01
    tags = {pair.guid: pair.tag for pair in PAIRS}
    whole, held = Counter(tags.values()), Counter(tags[guid] for guid in split.val)
    assert all(abs(held[tag] / whole[tag] - val_size) < 0.015 for tag in TAGS)


def test_duplicates_are_spread_over_the_sides_in_proportion():
    split = make_split(PAIRS, TAGS, SplitConfig(val_size=0.2))
    group_of = dict(zip((pair.guid for pair in PAIRS), groups_of(PAIRS), strict=True))
    sizes = Counter(group_of.values())
    grouped = [guid for guid, group in group_of.items() if sizes[group] > 1]
    assert 0.15 < sum(guid in set(split.val) for guid in grouped) / len(grouped) < 0.25


def test_the_same_seed_gives_the_same_sides_in_any_order_and_another_seed_others():
    shuffled = random.Random(1).sample(PAIRS, len(PAIRS))
    split = make_split(PAIRS, TAGS, SplitConfig())
    assert make_split(shuffled, TAGS, SplitConfig()).digest == split.digest
    assert make_split(PAIRS, TAGS, SplitConfig(split_seed=43)).digest != split.digest


def test_a_rare_class_stands_on_both_sides():
    pairs = [make_pair(str(n), "neutral" if n < 2 else TAGS[2 * (n % 2)]) for n in range(100)]
    split = make_split(pairs, TAGS, SplitConfig(val_size=0.1))
    assert len({"0", "1"} & set(split.val)) == 1


@pytest.mark.parametrize("strategy", ["grouped", "plain-80-20", "plain-90-10"])
def test_a_class_with_one_pair_is_refused_by_name(strategy):
    pairs = [make_pair(str(n), "neutral" if n == 0 else TAGS[2 * (n % 2)]) for n in range(100)]
    with pytest.raises(DataError, match=r"neutral \(1\)"):
        make_split(pairs, TAGS, SplitConfig(strategy=strategy))


def test_a_class_of_near_duplicates_alone_is_refused():
    pairs = [make_pair(str(n), "neutral" if n < 5 else TAGS[2 * (n % 2)], "same" if n < 5 else None) for n in range(50)]
    with pytest.raises(DataError, match=r"neutral \(1\)"):
        make_split(pairs, TAGS, SplitConfig())


ANY_PAIRS = st.lists(
    st.tuples(st.sampled_from(TAGS), st.integers(0, 30), st.integers(0, 60)), min_size=6, max_size=80
).map(lambda rows: [make_pair(str(n), tag, f"word{text}", f"d{image}") for n, (tag, text, image) in enumerate(rows)])


@settings(max_examples=60, deadline=None)
@given(pairs=ANY_PAIRS, val_size=st.floats(0.02, 0.98), seed=st.integers(0, 5))
def test_any_split_has_every_pair_once_and_no_group_on_both_sides(pairs, val_size, seed):
    labels = sorted({pair.tag for pair in pairs})
    try:
        split = make_split(pairs, labels, SplitConfig(val_size=val_size, split_seed=seed))
    except DataError:
        return
    assert sorted(split.train + split.val) == sorted(pair.guid for pair in pairs)
    assert groups_on_both_sides(pairs, split) == set()
    tags = {pair.guid: pair.tag for pair in pairs}
    assert {tags[guid] for guid in split.train} == {tags[guid] for guid in split.val} == set(labels)


@settings(max_examples=60, deadline=None)
@given(tags=st.lists(st.sampled_from(TAGS), min_size=40, max_size=200), val_size=st.floats(0.1, 0.9))
def test_without_duplicates_every_class_is_exact_to_a_pair(tags, val_size):
    pairs = [make_pair(str(n), tag) for n, tag in enumerate(tags)]
    labels = [label for label, count in Counter(tags).items() if count > 9]
    pairs = [pair for pair in pairs if pair.tag in labels]
    split = make_split(pairs, labels, SplitConfig(val_size=val_size))
    held = Counter(pair.tag for pair in pairs if pair.guid in set(split.val))
    for label, count in Counter(pair.tag for pair in pairs).items():
        assert abs(held[label] - val_size * count) <= 1


# Folds


def test_folds_hold_every_pair_once_and_keep_groups_whole():
    folds = make_folds(PAIRS, TAGS, 5, seed=42)
    assert [(split.fold, split.folds) for split in folds] == [(n, 5) for n in range(1, 6)]
    assert sorted((guid for split in folds for guid in split.val), key=int) == [pair.guid for pair in PAIRS]
    tags = {pair.guid: pair.tag for pair in PAIRS}
    whole = Counter(tags.values())
    for split in folds:
        assert set(split.train) == set(tags) - set(split.val)
        assert groups_on_both_sides(PAIRS, split) == set()
        held = Counter(tags[guid] for guid in split.val)
        assert all(abs(held[tag] / whole[tag] - 0.2) < 0.015 for tag in TAGS)


def test_a_split_and_folds_say_how_they_were_made():
    split = make_split(PAIRS, TAGS, SplitConfig(val_size=0.3, split_seed=5))
    assert (split.strategy, split.seed, split.val_size, split.fold, split.folds) == ("grouped", 5, 0.3, None, None)
    assert split.digest == digest_of(split.train, split.val)
    for fold in make_folds(PAIRS, TAGS, 4, seed=7):
        assert (fold.strategy, fold.seed, fold.val_size) == ("grouped", 7, 0.25)
        assert fold.digest == digest_of(fold.train, fold.val)
    plain = make_split(PAIRS, TAGS, SplitConfig(strategy="plain-90-10", split_seed=3))
    assert (plain.strategy, plain.seed, plain.val_size) == ("plain-90-10", 3, 0.1)


def test_folds_depend_on_the_seed_and_not_on_the_order():
    shuffled = random.Random(1).sample(PAIRS, len(PAIRS))
    first, again, other = (
        [set(fold.val) for fold in make_folds(pairs, TAGS, 3, seed)]
        for pairs, seed in ((PAIRS, 1), (shuffled, 1), (PAIRS, 2))
    )
    assert first == again != other


def test_impossible_folds_are_refused():
    with pytest.raises(ConfigError):
        make_folds(PAIRS, TAGS, 1, seed=42)
    with pytest.raises(DataError, match="too few"):
        make_folds(PAIRS, TAGS, 500, seed=42)


def mixed_groups(singles):
    """Two groups of three pairs of class a and one of b, and single pairs of class a."""
    pairs = [make_pair(f"{group}-{n}", "b" if n == 3 else "a", f"word {group}") for group in (0, 1) for n in range(4)]
    return [*pairs, *(make_pair(f"single-{n}", "a") for n in range(singles))]


def test_a_side_without_any_pair_of_a_class_is_refused():
    """Class b comes only with three pairs of class a, which are too many for a tenth of 18 pairs."""
    with pytest.raises(DataError, match=r"the validation split would have no pair of b"):
        make_split(mixed_groups(10), ("a", "b"), SplitConfig(val_size=0.1))
    assert len(make_split(mixed_groups(10), ("a", "b"), SplitConfig(val_size=0.5)).val) == 9
    with pytest.raises(DataError, match=r"the training split would have no pair of b"):
        make_split(mixed_groups(10), ("a", "b"), SplitConfig(val_size=0.9))
    # Four groups hold a b, three of them two pairs. The other goes with the six pairs that are alike, to one fold.
    pairs = [make_pair(f"{group}-{n}", "ab"[n], f"word {group}") for group in range(3) for n in range(2)]
    pairs += [make_pair(f"big-{n}", "a", "big") for n in range(6)]
    pairs += [make_pair(f"mixed-{n}", "ab"[n % 2], "mixed") for n in range(6)]
    with pytest.raises(DataError, match=r"the validation split would have no pair of b"):
        make_folds(pairs, ("a", "b"), 3, seed=0)


# Plain splits


@pytest.mark.parametrize(("strategy", "size"), [("plain-80-20", 0.2), ("plain-90-10", 0.1)])
def test_plain_splits_equal_scikit_learn_row_for_row(strategy, size):
    split = make_split(PAIRS, TAGS, SplitConfig(strategy=strategy))
    guids, tags = [pair.guid for pair in PAIRS], [pair.tag for pair in PAIRS]
    train, val = train_test_split(guids, test_size=size, random_state=42, stratify=tags)
    assert (list(split.train), list(split.val)) == (train, val)
    assert groups_on_both_sides(PAIRS, split) != set()


def test_a_plain_split_takes_no_other_size():
    with pytest.raises(ConfigError):
        make_split(PAIRS, TAGS, SplitConfig(strategy="plain-90-10", val_size=0.3))


# What is told


def test_the_report_counts_groups_conflicts_and_leaks(tmp_path):
    pairs = [make_pair(str(n), TAGS[n % 2], f"word{n // 2}" if n < 20 else None) for n in range(200)]
    split = make_split(pairs, TAGS[:2], SplitConfig())
    result = describe((split,), pairs, TAGS[:2], tmp_path)
    assert (result.groups, result.grouped_pairs, result.conflicting_groups) == (10, 20, 10)
    assert result.leaks == 0 and result.leaks_without_groups
    assert result.train == sum(result.train_counts.values()) and result.val == sum(result.val_counts.values())
    plain = make_split(pairs, TAGS[:2], SplitConfig(strategy="plain-80-20"))
    reported = describe((plain,), pairs, TAGS[:2], tmp_path)
    expected = sum(int(guid) < 20 and str(int(guid) ^ 1) in plain.train for guid in plain.val)
    assert reported.leaks == reported.leaks_without_groups == expected


def test_groups_and_conflicts_by_hand(tmp_path):
    """Of four groups, one holds three classes and one two; four pairs are alone. One group is divided."""
    tags = {"a1": 0, "a2": 0, "b1": 0, "b2": 1, "b3": 2, "b4": 0, "c1": 1, "c2": 1, "d1": 0, "d2": 1}
    pairs = [make_pair(guid, TAGS[tag], f"word {guid[0]}") for guid, tag in tags.items()]
    pairs += [make_pair(guid, TAGS[n % 2]) for n, guid in enumerate(("w", "x", "y", "z"))]
    train, val = ("a1", "a2", "b1", "b4", "c1", "c2", "w", "x"), ("b2", "b3", "d1", "d2", "y", "z")
    told = describe((Split(train, val, "by hand", 1, 0.4, "digest"),), pairs, TAGS, tmp_path)
    assert (told.groups, told.grouped_pairs, told.conflicting_groups, told.leaks) == (4, 10, 2, 2)
    assert (told.train, told.val, told.val_size, told.seed, told.strategy) == (8, 6, 0.4, 1, "by hand")
    assert told.train_counts == {"negative": 5, "neutral": 3, "positive": 0}
    assert told.val_counts == {"negative": 2, "neutral": 3, "positive": 1}
    folds = [Split(val, train, "f", 1, 0.5, "one", 1, 2), Split(train, val, "f", 1, 0.5, "two", 2, 2)]
    told = describe(folds, pairs, TAGS, tmp_path)
    assert (told.digest, told.folds) == ("one,two", 2)
    counts = ({"negative": 5, "neutral": 3, "positive": 0}, {"negative": 2, "neutral": 3, "positive": 1})
    assert told.fold_counts == counts


# Files


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "split.json"


def test_a_split_survives_its_file(path):
    split = make_split(PAIRS, TAGS, SplitConfig())
    write_split(split, path, force=False)
    assert read_split(path) == split
    assert [entry.name for entry in path.parent.iterdir()] == ["split.json"]


def test_folds_survive_their_file_and_must_be_named(path):
    folds = make_folds(PAIRS, TAGS, 3, seed=1)
    write_split(folds, path, force=False)
    assert [read_split(path, fold) for fold in (1, 2, 3)] == list(folds)
    for fold in (None, 0, 4):
        with pytest.raises(DataError) as caught:
            read_split(path, fold)
        assert "1, 2, 3" in caught.value.hint


def test_a_file_is_overwritten_by_force_alone(path):
    first, second = (make_split(PAIRS, TAGS, SplitConfig(split_seed=seed)) for seed in (1, 2))
    write_split(first, path, force=False)
    with pytest.raises(MmsentError):
        write_split(second, path, force=False)
    assert read_split(path) == first
    write_split(second, path, force=True)
    assert read_split(path) == second


def test_a_place_that_cannot_be_written_is_an_expected_failure(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(MmsentError):
        write_split(make_split(PAIRS, TAGS, SplitConfig()), tmp_path / "file" / "split.json", force=False)


def edit(path, change):
    content = json.loads(path.read_text())
    change(content["splits"][0])
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "change",
    [
        lambda split: split["val"].append(split["train"].pop()),
        lambda split: split["train"].pop(),
        lambda split: split["train"].append(split["val"][0]),
        lambda split: split.pop("digest"),
        lambda split: split.update(surprise=1),
        lambda split: split["val"].append(7),
    ],
)
def test_an_edited_file_is_refused(path, change):
    write_split(make_split(PAIRS, TAGS, SplitConfig()), path, force=False)
    edit(path, change)
    with pytest.raises(DataError, match=str(path)):
        read_split(path)


def test_a_guid_on_both_sides_is_refused_even_with_its_digest(path):
    write_split(make_split(PAIRS, TAGS, SplitConfig()), path, force=False)

    def leak(split):
        split["train"].append(split["val"][0])
        split["digest"] = digest_of(split["train"], split["val"])

    edit(path, leak)
    with pytest.raises(DataError):
        read_split(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "other", "splits": []}', "guid,tag\n1,positive\n"])
def test_another_file_is_no_split(tmp_path, content):
    path = tmp_path / "split.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"split\.json"):
        read_split(path)


def test_a_missing_split_is_an_expected_failure(path):
    with pytest.raises(DataError, match=str(path)):
        read_split(path)


def test_the_digest_knows_sides_and_no_order():
    assert digest_of(["a", "b"], ["c"]) == digest_of(["b", "a"], ["c"])
    not_utf8 = hashlib.blake2b(b"a\xed\xb3\xbf\ttrain\nb\tval\n", digest_size=16).hexdigest()
    assert digest_of(["a\udcff"], ["b"]) == not_utf8  # a file name that is no UTF-8
    assert len({digest_of(["a", "b"], ["c"]), digest_of(["a"], ["b", "c"]), digest_of(["c"], ["a", "b"])}) == 3


def test_a_split_is_applied_in_its_own_order():
    split = make_split(PAIRS, TAGS, SplitConfig(strategy="plain-80-20"))
    train, val = apply_split(split, reversed(PAIRS))
    assert [pair.guid for pair in train] == list(split.train)
    assert [pair.guid for pair in val] == list(split.val)


def test_guids_missing_in_the_data_are_told():
    split = make_split(PAIRS, TAGS, SplitConfig())
    with pytest.raises(DataError, match=rf"2 pairs.*{PAIRS[0].guid}"):
        apply_split(split, PAIRS[2:])


def test_folds_of_other_pairs_are_refused():
    folds = make_folds(PAIRS, TAGS, 3, seed=1)
    require_all_in_folds(folds, PAIRS)
    for pairs, strange in ((PAIRS[1:], "0"), ([*PAIRS, make_pair("new", TAGS[0])], "new")):
        with pytest.raises(DataError, match=rf"differ in 1 pair .*{strange}"):
            require_all_in_folds(folds, pairs)
