"""Dockerfile and compose.yaml fit together. Docker itself is not run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
yaml = pytest.importorskip("yaml")


@pytest.fixture
def service():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["mmsent"]


@pytest.fixture
def dockerfile():
    return (ROOT / "Dockerfile").read_text()


def test_only_this_machine_reaches_the_port_that_is_served(service, dockerfile):
    (port,) = service["ports"]
    exposed = re.search(r"EXPOSE (\d+)", dockerfile)[1]
    assert port == f"127.0.0.1:8000:{exposed}"


def test_it_is_restarted_and_its_health_is_asked_for(service):
    assert service["restart"] == "unless-stopped"
    assert any("http://127.0.0.1:8000/health" in part for part in service["healthcheck"]["test"])


def test_the_user_may_write_to_every_volume_that_is_not_read_only(service, dockerfile):
    user = re.search(r"^USER (\w+)$", dockerfile, re.MULTILINE)[1]
    before_user = dockerfile[: dockerfile.index(f"USER {user}")]
    written = [each.split(":")[1] for each in service["volumes"] if not each.endswith(":ro")]
    assert written
    for folder in written:
        assert re.search(rf"mkdir -p [^&\n]*{folder}\b", before_user)
        assert re.search(rf"chown -R {user}:{user} [^&\n]*{folder}\b", before_user)
