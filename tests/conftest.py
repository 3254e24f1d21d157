"""What every test shares: no cache, hub or weights of the machine it runs on, one thread, small fake weights."""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

from mmsent_cli.__main__ import OBJECTS_BETWEEN_COLLECTIONS

# Before torch and transformers are imported: two test processes share two cores, and no cache of this machine counts.
os.environ["OMP_NUM_THREADS"] = "1"
NOWHERE = Path(tempfile.gettempdir()) / "mmsent-tests-have-no-hub"
os.environ["HF_HOME"] = os.environ["TORCH_HOME"] = str(NOWHERE)
for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "MMSENT_WEIGHTS", "MMSENT_DATA"):
    os.environ.pop(name, None)

gc.disable()  # until everything is imported

hypothesis.settings.register_profile("mmsent", deadline=None, max_examples=50)  # no test asserts a time
hypothesis.settings.load_profile("mmsent")


def pytest_collection_finish():
    """Leave what imports made out of later garbage collections, which come as rarely as in `mmsent` itself."""
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory):
    """A cache folder for fixtures that outlive a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMSENT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_cache(request, session_cache, tmp_path_factory):
    """A cache folder for each test, not in its `tmp_path`, removed after it: the suite needs little space."""
    if "shared_cache" in request.keywords:
        yield
        return
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMSENT_CACHE", str(folder))
        yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def weights_dir(tmp_path_factory):
    """A `--weights-dir` with small random models under the names of the real ones."""
    from tests.encoders.fake_weights import write_weights

    return write_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out the figures and the page of runs, which take most of the time, where nobody looks at them."""
    from tests.undrawn import leave_out_figures

    leave_out_figures(monkeypatch)


@pytest.fixture
def coarse(monkeypatch):
    """Figures of few pixels, where nobody looks at them closely."""
    from tests.undrawn import draw_coarsely

    draw_coarsely(monkeypatch)


@pytest.fixture
def forked_workers(monkeypatch):
    """Training workers that start in no time."""
    from tests.workers import fork_workers

    fork_workers(monkeypatch)
