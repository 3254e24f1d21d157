"""Plugins of pytest for `tools/mutants.py`: which tests reach a function, and a run of these alone."""

import time
from collections import defaultdict
from collections.abc import Generator, Iterable

import pytest


class Reached:
    """A pytest plugin: the mutated functions that each test calls, itself or through a fixture that tests share."""

    def __init__(self) -> None:
        self.by_test: dict[str, set[str]] = defaultdict(set)
        self.by_fixture: dict[str, set[str]] = defaultdict(set)
        self.fixtures: dict[str, list[str]] = {}
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        self.now: list[set[str]] = [set()]

    def record(self, function: str, caller: str | None = None) -> None:
        """Note that `function` was called; mutmut calls this."""
        for called in self.now:
            called.add(function)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        self.now, start = [self.by_test[item.nodeid]], time.process_time()
        result = yield
        self.fixtures[item.nodeid] = list(getattr(item, "fixturenames", ()))
        self.seconds[item.nodeid] = time.process_time() - start
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef) -> Generator[None, object, object]:
        before = self.now
        if fixturedef.scope != "function":
            self.now = [*before, self.by_fixture[fixturedef.argname]]
        result = yield
        self.now = before
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(f"{report.nodeid}: {report.longreprtext.splitlines()[-1]}")

    def tests(self) -> dict[str, dict[str, float]]:
        """The tests that reach each function, and the seconds of each test."""
        tests: dict[str, dict[str, float]] = defaultdict(dict)
        for test, fixtures in self.fixtures.items():
            for function in self.by_test[test].union(*(self.by_fixture.get(name, ()) for name in fixtures)):
                tests[function][test] = self.seconds[test]
        return tests


class Chosen:
    """A pytest plugin: only these tests run."""

    def __init__(self, tests: Iterable[str]) -> None:
        self.tests = set(tests)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self.tests]
