"""What the caches hold; clearing deletes what mmsent marked as its own, and nothing through a link."""

import numpy as np
import pytest

from mmsent_cli.features.store import DESCRIPTION, FeatureSet
from mmsent_cli.features.store_report import clear_store, store_report
from mmsent_cli.files import make_own_cache
from tests.features.test_store import ARRAYS
from tests.features.test_store import DESCRIPTION as BERT


@pytest.fixture
def caches(tmp_path):
    """The store and the caches beside it: two feature sets, a marked folder of models, no weights."""
    root, models = tmp_path / "features", tmp_path / "openvino"
    FeatureSet(root, BERT).add([*ARRAYS.items(), ("more", np.zeros(3, dtype=np.uint8))])
    FeatureSet(root, {**BERT, "encoder": "clip"})
    make_own_cache(models)
    (models / f"{'0f' * 16}.bin").write_bytes(b"model")
    return root, models, tmp_path / "weights"


def test_unpacked_weights_are_counted(caches):
    weights = caches[2]
    make_own_cache(weights)
    tag = store_report(*caches).weights_bytes
    (weights / f"{'0f' * 16}.json").write_bytes(b"weights")
    (weights / "thesis.txt").write_bytes(b"years of work")
    assert store_report(*caches).weights_bytes == tag + 7


def content(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_report_counts_and_clearing_empties(caches, tmp_path):
    report = store_report(*caches)
    assert {each.encoder: each.entries for each in report.feature_sets} == {"bert": len(ARRAYS) + 1, "clip": 0}
    sizes = [sum(path.stat().st_size for path in each.rglob("*") if path.is_file()) for each in caches]
    assert [report.bytes, report.compiled_models_bytes, report.weights_bytes] == sizes
    assert report.foreign == ()
    cleared = clear_store(*caches)
    assert content(tmp_path) == set()
    assert (cleared.bytes, cleared.compiled_models_bytes, cleared.foreign) == (sizes[0], sizes[1], ())
    assert store_report(*caches).feature_sets == ()


def test_what_mmsent_did_not_mark_is_shown_and_stays(caches, tmp_path):
    root, _, weights = caches
    for own in (root / "mine", weights):
        own.mkdir()
        (own / "thesis.txt").write_text("years of work")
    (root / "mine" / DESCRIPTION).write_text('{"encoder": "of another program"}')
    (root / "notes.txt").write_text("mine")
    make_own_cache(weights)  # as the first use of a folder that the user filled before
    assert store_report(*caches).foreign == (str(root / "mine"), str(weights))
    for marked in (caches[1], next(path.parent for path in root.rglob("*.bin"))):
        (marked / "thesis.bin").write_text("put there later")
        (marked / "deep").mkdir()
        (marked / "deep" / "a.npy").write_text("put there later")
    cleared = clear_store(*caches)
    assert len(cleared.foreign) == 6 and cleared.bytes > 0
    left = content(tmp_path)
    later = {name for name in left if name.endswith((".bin", ".npy"))}
    assert len(later) == 4
    assert left - later - {"openvino/CACHEDIR.TAG"} == {
        "features/mine/thesis.txt",
        f"features/mine/{DESCRIPTION}",
        "features/notes.txt",
        "weights/thesis.txt",
    }


@pytest.mark.parametrize("linked", ["store", "feature set", "description", "models", "inside"])
def test_nothing_is_deleted_through_a_link(linked, caches, tmp_path):
    root, models, _ = caches
    set_folder = next(path.parent for path in root.glob(f"*/{DESCRIPTION}") if '"bert"' in path.read_text())
    place = {"store": root, "feature set": set_folder, "description": set_folder / DESCRIPTION, "models": models}
    elsewhere = tmp_path / "elsewhere"
    if linked == "inside":
        elsewhere.mkdir()
        (elsewhere / "thesis.txt").write_text("years of work")
        (set_folder / "link").symlink_to(elsewhere)
    else:
        place[linked].rename(elsewhere)
        place[linked].symlink_to(elsewhere)
    before = content(elsewhere) if elsewhere.is_dir() else elsewhere.read_text()
    report = store_report(*caches)
    assert (linked == "store") == (report.feature_sets == ()) == (str(root) in report.foreign)
    clear_store(*caches)
    assert (content(elsewhere) if elsewhere.is_dir() else elsewhere.read_text()) == before


def test_a_linked_store_without_features_has_nothing_foreign(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "features").symlink_to(tmp_path / "empty")
    report = store_report(*(tmp_path / name for name in ("features", "openvino", "weights")))
    assert (report.feature_sets, report.foreign, report.bytes) == ((), (), 0)


def test_a_damaged_index_counts_as_no_entry(caches):
    root, *beside = caches
    (index,) = root.rglob("*.npy")
    index.write_bytes(b"garbage" * 50)
    report = store_report(root, *beside)
    assert [each.entries for each in report.feature_sets] == [0, 0]
