"""`mmsent cache`: what the feature store holds, and clearing it."""

import json
import os
from pathlib import Path

import pytest

from mmsent_cli.files import CACHE_TAG_CONTENT, COMPILED_MODELS, WEIGHTS, make_own_cache
from tests.commands.running import QUICK, assert_refused, mmsent, same_weights, succeed, weights

pytestmark = pytest.mark.usefixtures("empty_cache")


def files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def test_an_empty_store(work):
    values = succeed("cache", "--json")
    assert (values["feature_sets"], values["bytes"], values["cleared"]) == ([], 0, False)
    assert values["folder"] == str(Path(os.environ["MMSENT_CACHE"]) / "features")
    assert succeed("cache", "--clear", "--json")["cleared"]


def test_what_training_stored_is_shown_cleared_and_computed_anew(work):
    train = ("train", "--data", "lab", *QUICK, "--epochs", 1, "--cache-dir", "mine", "--json")
    before = succeed(*train)
    values = succeed("cache", "--cache-dir", "mine", "--json")
    assert {each["encoder"] for each in values["feature_sets"]} == {"light-text", "light-image"}
    assert [each["entries"] for each in values["feature_sets"]] == [18, 18]
    assert values["bytes"] == sum(path.stat().st_size for path in files("mine/features"))
    assert "light-text" in mmsent("cache", "--cache-dir", "mine").stdout

    cleared = succeed("cache", "--cache-dir", "mine", "--clear", "--json")
    assert (cleared["cleared"], cleared["bytes"]) == (True, values["bytes"])
    assert files("mine/features") == []
    assert files("mine") != []  # the encoding decision stays
    after = succeed(*train)
    assert same_weights(weights(before["run"]), weights(after["run"]))


@pytest.mark.parametrize(
    ("folder", "name", "counted"),
    [
        (COMPILED_MODELS, f"{'0f' * 16}.bin", "compiled_models_bytes"),
        (WEIGHTS, "all-mpnet-base-v2/model.safetensors", "weights_bytes"),
    ],
)
def test_what_lies_beside_the_store_is_counted_and_cleared(work, folder, name, counted):
    place = Path("mine") / folder
    make_own_cache(place)
    (place / name).parent.mkdir(exist_ok=True)
    (place / name).write_bytes(bytes(2_000_000))
    assert succeed("cache", "--cache-dir", "mine", "--json")[counted] == 2_000_000 + len(CACHE_TAG_CONTENT)
    assert "2.0 MB" in mmsent("cache", "--cache-dir", "mine").stdout
    succeed("cache", "--cache-dir", "mine", "--clear", "--json")
    assert files("mine") == []


def test_the_folder_comes_from_the_variable(work, monkeypatch):
    monkeypatch.setenv("MMSENT_CACHE", "elsewhere")
    assert json.loads(mmsent("cache", "--json").stdout)["folder"] == str(Path("elsewhere/features"))


def test_a_place_that_is_no_folder(work):
    assert_refused(mmsent("cache", "--cache-dir", "lab/train.txt"), "lab/train.txt", "--cache-dir")
    assert_refused(mmsent("cache", "--cache-dir", "lab/train.txt/x"), "lab/train.txt/x", "--cache-dir")
