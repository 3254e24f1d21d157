"""The memory limit of a container counts, in either version of control groups and at any level above."""

import psutil
import pytest

from mmsent_cli.compute.free_memory import FILES, free_memory_bytes

MIB = 2**20


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine with 1,000 MiB available."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1000 * MIB}))


def write_cgroup(folder, version, limit, usage, cached=0):
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip(FILES[version - 1], (limit, usage), strict=True):
        (folder / name).write_text(f"{value}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")


@pytest.mark.parametrize(("version", "place"), [(1, "."), (1, "pod/box"), (2, "memory"), (2, "memory/pod/box")])
@pytest.mark.parametrize(("limit", "expected"), [(600 * MIB, 350), (2000 * MIB, 1000), (200 * MIB, 0), ("max", 1000)])
def test_the_least_of_machine_and_container_counts(tmp_path, version, place, limit, expected):
    """300 MiB are used, of which 50 are cached files. A nested group is limited by the one above it too."""
    own = tmp_path / "own"
    own.write_text("0::/pod/box\n")
    write_cgroup(tmp_path / "groups" / place, version, limit, 300 * MIB, 50 * MIB)
    assert free_memory_bytes(tmp_path / "groups", own) == expected * MIB


def test_without_control_groups_the_machine_counts(tmp_path):
    assert free_memory_bytes(tmp_path / "none", tmp_path / "none") == 1000 * MIB
