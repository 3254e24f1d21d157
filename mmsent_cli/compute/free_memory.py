"""Find out how much memory new processes may use."""

import contextlib
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
"""The names of the files with the limit and the usage, in version 2 and in version 1 of control groups."""


def free_memory_bytes(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """Return the available memory of the machine, or of the control group (container) if its limit is lower.

    Args:
        cgroups: the folder where control groups are mounted.
        own: the file that lists the control groups of this process.
    """
    left = [_left(folder) for folder in _folders(cgroups, own)]
    return min([psutil.virtual_memory().available, *(bytes_left for bytes_left in left if bytes_left is not None)])


def limit_bytes(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int | None:
    """Return the memory limit of the control groups of this process; None without a limit."""
    found = []
    for folder in _folders(cgroups, own):
        for limit, _ in FILES:
            with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
                found.append(int((folder / limit).read_text()))
    return min(found, default=None)


def _folders(cgroups: Path, own: Path) -> list[Path]:
    """Return the folders of this process's control groups, and the parent folders, whose limits apply too."""
    try:
        paths = [line.split(":", 2)[2].lstrip("/") for line in own.read_text().splitlines()]
    except (OSError, IndexError):
        paths = []
    roots = (cgroups, cgroups / "memory")
    nested = [root / path for root in roots for path in ("", *paths)]
    return [folder for each in nested for folder in (each, *each.parents) if folder.is_relative_to(cgroups)]


def _left(folder: Path) -> int | None:
    """Return the free bytes of a control group; None without a limit. Cached file pages count as free."""
    for limit, usage in FILES:
        try:
            left = int((folder / limit).read_text()) - int((folder / usage).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            return max(0, left + int(stat.get("total_inactive_file", stat.get("inactive_file", 0))))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return None
