"""The rooms of `make mutants` name modules and tests that exist, and a seed draws as many mutants of each."""

import fnmatch
import tomllib
from collections import Counter
from pathlib import Path

from tools.mutants import ROOMS, by_room, draw, files_of

ROOT = Path(__file__).parents[2]


def modules():
    """Each module of the package: its file and its dotted name."""
    files = [path.relative_to(ROOT) for path in (ROOT / "mmsent_cli").rglob("*.py")]
    return {str(file): ".".join(file.with_suffix("").parts) for file in files if file.name != "__init__.py"}


def test_the_rooms_are_the_modules_that_are_mutated_and_their_tests_exist():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    mutated = set()
    for pattern in settings["only_mutate"]:
        matching = set(fnmatch.filter(modules(), pattern))
        assert matching, f"{pattern} names no module"
        mutated |= matching
    for pattern in settings["do_not_mutate"]:
        mutated -= set(fnmatch.filter(modules(), pattern))
    names = [f"{modules()[file]}.x_f__mutmut_1" for file in mutated]
    sorted_names = by_room(names)
    assert sorted(name for own in sorted_names.values() for name in own) == sorted(names)
    assert sorted_names.keys() == ROOMS.keys()
    for room, (patterns, _) in ROOMS.items():
        assert all((ROOT / test).exists() for test in files_of(room)), room
        own = [name.rpartition(".")[0].removeprefix("mmsent_cli.") for name in sorted_names[room]]
        assert all(fnmatch.filter(own, pattern) for pattern in patterns), room


def test_a_seed_draws_as_many_of_each_room():
    names = {"a": [f"a{n}" for n in range(50)], "b": [f"b{n}" for n in range(50)], "c": ["c0"]}
    drawn = draw(names, 30, seed=4)
    assert Counter(room for room, _ in drawn) == {"a": 10, "b": 10, "c": 1}
    assert len(set(drawn)) == 21 and all(name in names[room] for room, name in drawn)
    assert draw(names, 30, seed=4) == drawn != draw(names, 30, seed=5)
