"""What tests of train and predict share: a folder of their own, and one trained run to read from."""

from pathlib import Path

import pytest

from tests.commands.running import QUICK, small_lab, succeed
from tests.undrawn import draw_coarsely


@pytest.fixture
def own_cache(session_cache):
    """All commands share a cache; a test that needs an empty one takes `empty_cache`."""


@pytest.fixture
def empty_cache(tmp_path_factory, monkeypatch):
    """A cache folder for this test alone."""
    monkeypatch.setenv("MMSENT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="package", autouse=True)
def coarse_figures():
    """What fixtures that outlive a test draw has few pixels."""
    with pytest.MonkeyPatch.context() as patch:
        draw_coarsely(patch)
        yield


@pytest.fixture(autouse=True)
def without_figures(request, monkeypatch):
    """Only fixtures that outlive a test draw the figures and the page of a run, and tests marked `drawn`."""
    if "drawn" not in request.keywords:
        request.getfixturevalue("undrawn")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The current folder, empty but for a small lab layout in `lab`."""
    monkeypatch.chdir(tmp_path)
    return small_lab(tmp_path / "lab")


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A finished run of one epoch on the small lab layout, next to it; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    small_lab(folder / "lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        draw_coarsely(patch)
        values = succeed("train", "--data", "lab", *QUICK, "--epochs", 1, "--json")
    return folder / values["run"]


@pytest.fixture(autouse=True)
def no_line_about_loading(monkeypatch):
    """On a busy machine, a test may take longer than it takes until this line comes."""
    monkeypatch.setattr("mmsent_cli.reports.progress.LOADING_SECONDS", 3600.0)
