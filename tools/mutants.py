"""Draw mutants of each room, run the room's tests on each, and print how many were killed.

mutmut makes the mutants: copies of the modules in `mutants/`, in which an environment variable selects one small wrong.
The tests of a room run once without a mutant, which shows those that reach each function; each mutant then runs these
in a fork of this process, until the first fails. A mutant that no test reaches survives.
Rejected: `mutmut run`, which asks only the first of several tests that share a fixture, and needs a run of all tests
beforehand.
"""

import argparse
import atexit
import fnmatch
import json
import os
import random
import resource
import shutil
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import pytest

from tools.reached_tests import Chosen, Reached

ROOMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "charsets": (("charsets.[!r]*",), ("charsets", "commands/test_inspect_encoding.py")),
    "split, grouping": (("data.split*",), ("data/test_split.py",)),
    "check": (
        ("data.check", "data.flaws", "data.fields", "data.columns", "data.placeholders", "data.seen"),
        tuple(
            f"data/test_{name}.py"
            for name in ("placeholders", "columns", "seen", "tables", "check", "layouts", "frames")
        ),
    ),
    "manifests": (
        ("data.manifests", "data.layouts", "data.pairs", "data.frames"),
        (
            *(f"data/test_{name}.py" for name in ("layouts", "frames", "published", "check")),
            "commands/test_inspect_encoding.py",
        ),
    ),
    "tables": (("data.tables.*",), ("data/test_tables.py", "data/test_layouts.py")),
    "images": (("data.image*", "data.augment"), ("data/test_images.py", "data/test_augment.py", "data/test_check.py")),
    "features": (("features.*",), ("features",)),
    "fusion": (("fusion.*",), ("fusion", "test_model_fusions.py")),
    "model": (("model",), ("test_model.py", "test_model_fusions.py")),
    "loop": (
        ("training.loop",),
        tuple(
            f"training/test_{name}.py"
            for name in ("loop", "optimizer", "batch_size", "monitor", "faults", "checkpoints")
        ),
    ),
    "loss, optimizer": (
        ("training.loss",),
        tuple(f"training/test_{name}.py" for name in ("loss", "optimizer", "loop")),
    ),
    "metrics": (
        ("training.metrics",),
        tuple(f"training/test_{name}.py" for name in ("metrics", "monitor", "fold_metrics", "loop")),
    ),
    "folds": (
        ("training.fold*", "training.pr*"),
        ("training/test_fold_metrics.py", "commands/test_folds.py"),
    ),
    "checkpoints": (("training.checkpoints.*",), ("training/test_checkpoints.py", "training/test_faults.py")),
    "stacker, probes": (("ensemble.*",), ("ensemble",)),
    "stats": (("stats.*",), ("stats",)),
    "ablation": (
        ("experiments.ablation.*",),
        (
            *(f"experiments/test_{name}.py" for name in ("perturb", "ablate", "ablate_ensemble")),
            "commands/test_ablate_ensemble.py",
        ),
    ),
    "comparison": (
        ("experiments.comparison", "experiments.arms"),
        tuple(
            f"experiments/test_{name}.py"
            for name in ("epochs", "selection", "comparison", "arms", "augment_compare", "compare_fusions")
        ),
    ),
    "tuning": (
        ("experiments.tuning.*",),
        tuple(f"experiments/test_{name}.py" for name in ("space", "edges", "queue", "trials", "study", "tune")),
    ),
    "evaluation": (("evaluation.*",), ("evaluation",)),
    "run folders": (("run_folders", "run_list"), ("test_run_folders.py", "test_run_list.py")),
    "inference": (
        ("inference.*",),
        (
            "inference",
            *(f"commands/test_{name}.py" for name in ("abstain", "predict", "predict_in_parts", "predict_shards")),
        ),
    ),
}
"""Modules of each room, and the tests that a mutant of the room runs, quick ones first."""
CPU_SECONDS, WALL_SECONDS = 240, 300
OPTIONS = ("-q", "-x", "-p", "no:xdist", "-p", "no:cov", "-p", "no:cacheprovider", "--rootdir=.")


def generate() -> list[str]:
    """Write the mutants of the modules in `[tool.mutmut]` to `mutants/`, with the tests; return their names."""
    from mutmut import __main__ as mutmut

    mutmut.set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir(exist_ok=True)
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.setup_source_paths()
    mutmut.create_mutants(1)
    return [name for _, name, _ in mutmut.collect_source_file_mutation_data(mutant_names=())[0]]


def by_room(names: Iterable[str]) -> dict[str, list[str]]:
    """Sort mutants by room; modules of no room are left out."""
    sorted_names = defaultdict(list)
    for name in names:
        module = name.rpartition(".")[0].removeprefix("mmsent_cli.")
        for room, (patterns, _) in ROOMS.items():
            if any(fnmatch.fnmatch(module, pattern) for pattern in patterns):
                sorted_names[room].append(name)
    return dict(sorted_names)


def draw(names: dict[str, list[str]], count: int, seed: int) -> list[tuple[str, str]]:
    """Draw about `count` mutants, as many of each room: pairs of room and name."""
    each = -(-count // len(names))
    numbers = random.Random(seed)
    return [(room, name) for room, own in names.items() for name in numbers.sample(sorted(own), min(each, len(own)))]


def files_of(room: str) -> list[str]:
    """The test files of a room."""
    return [f"tests/{path}" for path in ROOMS[room][1]]


def in_a_fork(work: Callable[[], int], limit: float) -> tuple[str, float]:
    """Run `work` in a fork without output; return `survived`, `killed` or `timeout`, and the seconds of CPU time.

    Args:
        work: returns 0 if all tests passed.
        limit: seconds of CPU time after which the fork is ended.
    """
    child = os.fork()
    if child == 0:
        end = int(time.process_time() + limit) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (end, end + 5))
        signal.alarm(WALL_SECONDS)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        code = 1
        try:
            code = work()
        finally:
            os._exit(code)
    _, ended, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(ended)
    status = "survived" if code == 0 else "timeout" if code in (-signal.SIGXCPU, -signal.SIGALRM) else "killed"
    return status, round(used.ru_utime + used.ru_stime, 1)


def run_tests(files: Iterable[str], *plugins: object) -> int:
    """Run test files in this process; return 0 if all passed."""
    return int(pytest.main([*OPTIONS, *files], plugins=plugins))


def reach(room: str) -> tuple[dict[str, dict[str, float]], float]:
    """Run the tests of a room without a mutant: the tests that reach each function, and the seconds of all.

    Raises:
        SystemExit: a test fails.
    """
    from mutmut.mutation import trampoline

    found = Path(f"reached-{os.getpid()}.json").resolve()

    def work() -> int:
        reached = Reached()
        trampoline.record_trampoline_hit = reached.record
        trampoline.set_mutant_under_test("stats")
        del os.environ["MUTANT_UNDER_TEST"]  # other processes, which cannot record calls here, run the plain code
        code = run_tests(files_of(room), reached)
        found.write_text(json.dumps([reached.tests(), reached.failed]))
        return code

    status, seconds = in_a_fork(work, CPU_SECONDS)
    tests, failed = json.loads(found.read_text()) if found.exists() else ({}, [])
    found.unlink(missing_ok=True)
    if status != "survived":
        why = "; ".join(failed) or f"they did not end ({status} after {seconds} s of CPU time)"
        raise SystemExit(f"{room}: the tests fail without a mutant: {why}")
    return tests, seconds


def run_mutant(name: str, tests: dict[str, float]) -> int:
    """Run the tests that reach a mutant, those of quick files first; return 0 if all passed."""
    from mutmut.mutation.trampoline import set_mutant_under_test

    set_mutant_under_test(name)
    seconds: Counter[str] = Counter()
    for test, own in tests.items():
        seconds[test.partition("::")[0]] += own
    return run_tests(sorted(seconds, key=seconds.__getitem__), Chosen(tests))


def run(drawn: Sequence[tuple[str, str]], out: Path) -> list[str]:
    """Run the tests of each mutant; write a line for each to `out` and return the statuses."""
    from mutmut.mutation.trampoline import set_mutant_under_test

    os.chdir("mutants")
    set_mutant_under_test("")
    _write_weights_once()
    rooms = list(dict.fromkeys(room for room, _ in drawn))
    run_tests(["--collect-only", "-qq", *sorted({test for room in rooms for test in files_of(room)})])
    statuses = []
    with out.open("a") as lines:
        for room in rooms:
            reached, all_seconds = reach(room)
            print(f"{room}: {all_seconds} s of CPU time without a mutant", flush=True)
            for name in (name for where, name in drawn if where == room):
                tests = reached.get(name.partition("__mutmut_")[0], {})
                status, seconds = "survived", 0.0
                if tests:
                    status, seconds = in_a_fork(partial(run_mutant, name, tests), 3 * all_seconds + 20)
                row = {"room": room, "name": name, "status": status, "tests": len(tests), "seconds": seconds}
                lines.write(json.dumps(row) + "\n")
                lines.flush()
                statuses.append(status)
    return statuses


def _write_weights_once() -> None:
    """Write the small random encoders of the tests, which take seconds, and let the forks read them."""
    from tests.encoders import fake_weights

    folder = Path(tempfile.mkdtemp(prefix="mmsent-mutants-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    written = fake_weights.write_weights(folder)
    fake_weights.write_weights = lambda _: written


def main() -> None:
    """Draw, run, print the table of the rooms, and fail if too many mutants survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="mutants of all rooms together")
    parser.add_argument("--seed", type=int, default=int(time.time() // 86400), help="default: the number of the day")
    parser.add_argument("--room", action="append", choices=list(ROOMS), help="only this room; may be given again")
    parser.add_argument("--least", type=float, default=0.0, help="share that must be killed")
    options = parser.parse_args()
    out = Path("mutants", f"sample-{options.seed}.jsonl").resolve()
    names = by_room(generate())
    drawn = draw({room: names[room] for room in options.room or ROOMS}, options.count, options.seed)
    statuses = run(drawn, out)
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for (room, name), status in zip(drawn, statuses, strict=True):
        table[room][status] += 1
        if status == "survived":
            print(f"survived: {name}")
    for room, counts in table.items():
        print(f"{room:24} {counts.total():4} drawn {counts.total() - counts['survived']:4} killed")
    share = 1 - statuses.count("survived") / len(statuses)
    print(f"seed {options.seed}: {len(statuses)} drawn, {share:.0%} killed; `mutmut show NAME` prints a mutant")
    if share < options.least:
        raise SystemExit(f"fewer than {options.least:.0%} were killed")


if __name__ == "__main__":
    main()
