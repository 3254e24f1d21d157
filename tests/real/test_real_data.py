"""The data room on the real data of the project, where it is there."""

from collections import Counter
from pathlib import Path

import pytest
from sklearn.model_selection import train_test_split

from mmsent_cli.config import DataConfig, SplitConfig
from mmsent_cli.data.check import iter_unlabelled, load_labelled
from mmsent_cli.data.layouts import locate, text_paths
from mmsent_cli.data.split import describe, make_folds, make_split
from mmsent_cli.data.text import duplicate_key

DATA = Path(__file__).parents[3] / "shared" / "mvsa"
pytestmark = [pytest.mark.real, pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return load_labelled(DataConfig(data=str(DATA)), tmp_path_factory.mktemp("cache"))


def test_every_pair_is_there_and_usable(dataset):
    assert Counter(pair.tag for pair in dataset.pairs) == {"positive": 2388, "negative": 1193, "neutral": 419}
    assert dataset.labels == ("negative", "neutral", "positive")
    assert dataset.problems == ()
    assert sum(pair.replaced for pair in dataset.pairs) == 0
    assert len(text_paths(locate(str(DATA)))) == 4511


def test_unlabelled_pairs_come_in_the_order_of_the_list(dataset):
    pairs = list(iter_unlabelled(locate(str(DATA)), DataConfig(), dataset.decision))
    lines = (DATA / "test_without_label.txt").read_text().split()[1:]
    assert [pair.guid for pair in pairs] == [line.split(",")[0] for line in lines]
    assert all(pair.text and pair.image for pair in pairs)


def test_near_duplicates_are_found(dataset):
    """153 groups by text; the data's own README counts 152.

    It takes the `http` that is left of an address cut by the tweet limit for a text and groups eight pairs by it;
    here such a text is empty and groups nothing, and addresses cut to `htt…` or `h…` are found as well.
    """
    by_key = Counter(duplicate_key(pair.text) for pair in dataset.pairs)
    by_key.pop("")
    sizes = [count for count in by_key.values() if count > 1]
    assert (len(sizes), sum(sizes)) == (153, 360)
    split = make_split(dataset.pairs, dataset.labels, SplitConfig())
    result = describe((split,), dataset.pairs, dataset.labels, DATA)
    assert (result.groups, result.grouped_pairs, result.conflicting_groups) == (154, 365, 41)
    assert result.leaks == 0
    assert result.leaks_without_groups is not None and result.leaks_without_groups > 40


@pytest.mark.parametrize("val_size", [0.1, 0.2])
def test_the_grouped_split_keeps_its_shares(dataset, val_size):
    split = make_split(dataset.pairs, dataset.labels, SplitConfig(val_size=val_size))
    assert abs(len(split.val) / 4000 - val_size) < 0.01
    held = Counter(pair.tag for pair in dataset.pairs if pair.guid in set(split.val))
    whole = Counter(pair.tag for pair in dataset.pairs)
    assert all(abs(held[tag] / whole[tag] - val_size) < 0.015 for tag in whole)


def test_five_folds_are_of_one_size(dataset):
    sizes = [len(split.val) for split in make_folds(dataset.pairs, dataset.labels, 5, seed=42)]
    assert sum(sizes) == 4000 and max(sizes) - min(sizes) <= 5


@pytest.mark.parametrize(("strategy", "size"), [("plain-80-20", 0.2), ("plain-90-10", 0.1)])
def test_plain_splits_equal_scikit_learn(dataset, strategy, size):
    split = make_split(dataset.pairs, dataset.labels, SplitConfig(strategy=strategy))
    guids, tags = [pair.guid for pair in dataset.pairs], [pair.tag for pair in dataset.pairs]
    train, val = train_test_split(guids, test_size=size, random_state=42, stratify=tags)
    assert (list(split.train), list(split.val)) == (train, val)
