"""How often each fault is tried (`MMSENT_FAULT_ROUNDS`), and the counts that are printed at the end."""

import os
from collections import Counter

import pytest

# How much the `faults` tests do; `make faults` sets it, CI runs the short form.
ROUNDS = int(os.environ.get("MMSENT_FAULT_ROUNDS", "1"))
COUNTS: Counter[str] = Counter()


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/faults/" in item.path.as_posix():
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def count():
    """Call it with what was tried; the counts are printed at the end."""

    def add(what, times=1):
        COUNTS[what] += times

    return add


@pytest.fixture(scope="session")
def rounds():
    """How many times as much as the short form."""
    return ROUNDS


def pytest_terminal_summary(terminalreporter):
    if COUNTS:
        terminalreporter.section("faults")
        for what, times in sorted(COUNTS.items()):
            terminalreporter.write_line(f"{times:6d}  {what}")
