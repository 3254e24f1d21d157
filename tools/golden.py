"""Record what the program computes, and compare two recordings, to show that a refactoring changed no number.

    python tools/golden.py record --repo DIR --data FOLDER --out golden.json [--quick | --only NAME,NAME] [--work DIR]
    python tools/golden.py compare old.json new.json [--all]
    python tools/golden.py list

`record` runs the program of the checkout DIR as a user would, scenario by scenario, without a network, with the Python
that runs this script. All scenarios share one cache folder, which starts empty. A scenario that needs the model of
another one runs that one first. `--quick` runs a subset of about two minutes, the whole takes about ten on two cores.

`compare` does not look at names of files, columns or JSON keys, so a rename is no difference. What it compares:

numbers   every number, and every string that is a class label, in result.json, the other JSON files, metrics.jsonl
          and the answers of --json. Each old one must be there in the new recording; further ones are only counted.
          Where a key path is in both recordings, its value must also be the same (`--multiset` waives this).
          Left out: durations, sizes, paths, versions, and what depends on how full the cache is (see UNSTABLE).
tables    the rows of every CSV file and prediction file without the header line. A new table with the same columns in
          another order, or with additional ones, is the same.
arrays    every tensor and array in .pt, .npy and .npz files by dtype, shape and bytes, and lists of numbers in .pt
          files. Files are paired by content. Additional arrays in a new file are a difference.
guids     every list of pair names, as a set: who is in which split and fold.
exits     the exit codes.

On a CPU where bf16 is fast, most scenarios compute in it, and a change below 0.4 % can vanish in its rounding.
`compare-jobs` therefore trains all fusions in float32.

Renamed options: add a row to RENAMED_OPTIONS or RENAMED_VALUES. The new name is used where --help shows it.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

RENAMED_OPTIONS: tuple[tuple[str, str], ...] = (
    ("--experts", "--probes"),
    ("--networks", "--models-per-fold"),
)
"""Old and new name of an option. An old name may stand in several rows: the first new name that --help shows counts."""

RENAMED_VALUES: tuple[tuple[str, str, str], ...] = (
    ("--experts", "writing", "ocr"),
    ("--experts", "writing-characters", "ocr-characters"),
    ("--augmentation", "colour", "color"),
    ("--policies", "colour", "color"),
)
"""Option (old name), and the old and new name of one of its values, or of one part of a comma-separated value."""

UNSTABLE = re.compile(
    r"seconds|bytes|path|version|memory|gflops|(^|[/_])time|"  # measured, or of the machine
    r"encoder_runs"  # how many pairs were encoded: depends on what the cache held
)
"""Key paths of numbers and names of columns that differ between two runs of the same code."""

SKIPPED_FILES = ("environment.json",)
ON_STANDARD_OUTPUT = "stdout"
SHOWN = 8

FROZEN = ("--encoders", "compact", "--freeze-text", "all", "--freeze-image", "all")
FEW = ("--limit", "400")
FUSIONS = "concat,weighted,self-attention,early,clip,blip,blip-advanced,gmu,cross-attention,logit-ensemble"
SPACE = "head_lr=1e-4:1e-2:log,fusion=concat|gmu"
RESUMED = (*FROZEN, *FEW, "--epochs", "6", "--batch-size", "4")
FOLDED = (
    *(*FROZEN, *FEW, "--folds", "2", "--experts", "image,text,characters,lexicon"),
    *("--networks", "2", "--logit-adjustment", "0.3", "--epochs", "2"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One start of the program.

    Attributes:
        name: also the name of its folder.
        command: of the program.
        options: with {data}, {out}, {run:SCENARIO}, {gaps}, {text} and {image} to be filled in; --data and the folders
            are added.
        kill_after: end the program by SIGKILL once it has written so many epochs, then go on with --resume.
    """

    name: str
    command: str
    options: tuple[str, ...] = ()
    kill_after: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps that are recorded together. `is_quick`: part of --quick."""

    name: str
    steps: tuple[Step, ...]
    is_quick: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """Scenarios whose runs this one reads."""
        text = " ".join(option for step in self.steps for option in step.options)
        return tuple(dict.fromkeys(re.findall(r"\{run:([\w-]+)\}", text)))


def _train(name: str, *options: str, is_quick: bool = False, kill_after: int = 0) -> Scenario:
    return Scenario(name, (Step("train", "train", options, kill_after),), is_quick)


def _predict(name: str, trained: str, single: bool = True, is_quick: bool = False) -> Scenario:
    model = ("--checkpoint", f"{{run:{trained}}}")
    steps = [
        Step("all", "predict", (*model, "--data", "{data}", "--out", "{out}", "--probabilities")),
        Step(
            "gaps",
            "predict",
            (*model, "--data", "{gaps}", "--out", "{out}", "--probabilities", "--on-bad", "blank", "--json"),
        ),
        Step("one", "predict", (*model, "--text", "{text}", "--image", "{image}", "--json")),
    ]
    if single:
        steps += [
            Step("plain", "predict", (*model, "--data", "{data}", "--out", "{out}", "--json")),
            Step("text-only", "predict", (*model, "--text", "{text}", "--json")),
            Step("image-only", "predict", (*model, "--image", "{image}", "--json")),
        ]
    return Scenario(name, tuple(steps), is_quick)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "data",
        (
            Step("encoding", "inspect-encoding", ("--data", "{data}", "--json")),
            Step("split", "split", ("--data", "{data}", "--out", "{work}/split.json", "--json")),
            Step("folds", "split", ("--data", "{data}", "--folds", "5", "--out", "{work}/folds.json", "--json")),
            Step(
                "plain",
                "split",
                ("--data", "{data}", "--strategy", "plain-90-10", "--out", "{work}/plain.json", "--json"),
            ),
        ),
        is_quick=True,
    ),
    _train("train-light", "--encoders", "light", *FEW, "--epochs", "3", is_quick=True),
    _train("train-frozen", *RESUMED, is_quick=True),
    _train("train-resumed", *RESUMED, kill_after=2),
    _train("train-fast", "--preset", "fast", *FEW, is_quick=True),
    Scenario(
        "compare-fusions",
        (
            Step(
                "compare",
                "compare-fusions",
                (*FROZEN, *FEW, "--fusions", "concat,weighted,gmu", "--seeds", "2", "--epochs", "2", "--jobs", "1"),
            ),
        ),
        is_quick=True,
    ),
    Scenario(
        "compare-jobs",
        (
            Step(
                "compare",
                "compare-fusions",
                (
                    *(*FROZEN, *FEW, "--fusions", FUSIONS, "--seeds", "2", "--epochs", "2", "--jobs", "2"),
                    *("--precision", "fp32"),
                ),
            ),
        ),
    ),
    _predict("predict-fast", "train-fast", single=False, is_quick=True),
    _train("train-compact", "--encoders", "compact", *FEW, "--epochs", "3"),
    _predict("predict-compact", "train-compact"),
    Scenario(
        "ablate",
        (Step("ablate", "ablate", ("--checkpoint", "{run:train-compact}", "--retrain", "--jobs", "1")),),
    ),
    _train("train-folds", *FOLDED),
    _train(
        "train-ocr",
        *(*FROZEN, "--limit", "60", "--folds", "2", "--epochs", "1"),
        *("--experts", "image,writing,writing-characters"),
    ),
    _train("folds-resumed", *FOLDED, kill_after=3),
    Scenario(
        "tune",
        (
            Step("sequence", "tune", (*FROZEN, *FEW, "--epochs", "1", "--seeds", "1")),
            Step(
                "tpe",
                "tune",
                (
                    *FROZEN,
                    *FEW,
                    "--epochs",
                    "2",
                    "--seeds",
                    "1",
                    "--strategy",
                    "tpe",
                    "--trials",
                    "3",
                    "--space",
                    SPACE,
                ),
            ),
        ),
    ),
    Scenario(
        "augment-compare",
        (
            Step(
                "compare",
                "augment-compare",
                ("--encoders", "light", "--limit", "200", "--epochs", "1", "--seeds", "1", "--jobs", "1"),
            ),
        ),
    ),
    Scenario(
        "paper",
        (Step("paper", "paper", (*FROZEN, "--limit", "200", "--epochs", "1", "--seeds", "1")),),
    ),
    _train("train-best", "--preset", "best", *FEW),
    _predict("predict-best", "train-best", single=False),
)

LABELS = ("negative", "neutral", "positive")
COMMANDS_WITH_RUNS = ("train", "tune", "ablate", "compare-fusions", "augment-compare", "paper", "predict")
COMMANDS_WITH_DATA = ("train", "tune", "compare-fusions", "augment-compare", "paper")


@dataclass(slots=True)
class Program:
    """The program of one checkout, and what its --help shows."""

    repo: Path
    cache: Path
    _help: dict[str, str] = field(default_factory=dict)

    def start(self) -> list[str]:
        """The command line that starts it."""
        if (self.repo / "mmsent_cli" / "__main__.py").exists():
            return [sys.executable, "-m", "mmsent_cli"]
        return [sys.executable, "-c", "from mmsent_cli.__main__ import main; main()"]

    def environment(self) -> dict[str, str]:
        """Of its processes: the checkout's code first, no network, no settings of this shell."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MMSENT")}
        return kept | {
            "PYTHONPATH": str(self.repo),
            "MMSENT_CACHE": str(self.cache),
            "HF_HUB_OFFLINE": "1",
            "COLUMNS": "400",
            "NO_COLOR": "1",
        }

    def check(self, folder: Path) -> None:
        """Exit if the code that runs is not that of the checkout."""
        line = [sys.executable, "-c", "import mmsent_cli; print(mmsent_cli.__file__)"]
        found = subprocess.run(line, cwd=folder, env=self.environment(), capture_output=True, text=True, check=True)
        if not Path(found.stdout.strip()).resolve().is_relative_to(self.repo):
            sys.exit(f"golden: {found.stdout.strip()} is used, which is not in {self.repo}")

    def help(self, command: str) -> str:
        """Its --help for one command."""
        if command not in self._help:
            line = [*self.start(), command, "--help"]
            done = subprocess.run(line, cwd=self.cache, env=self.environment(), capture_output=True, text=True)
            self._help[command] = done.stdout
        return self._help[command]

    def block(self, command: str, option: str) -> str:
        """What --help says of one option; empty if it has no such option."""
        lines = self.help(command).splitlines()
        starts = [number for number, line in enumerate(lines) if re.match(r"^[\s│|*]*-", line)]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            if re.match(rf"^[\s│|*]*(-\w[\s,]+)?{option}(?![\w-])", lines[start]):
                return " ".join(lines[start:end])
        return ""

    def current(self, command: str, options: Sequence[str]) -> list[str]:
        """Options with the names that this checkout has for them."""
        result: list[str] = []
        asked = ""
        for word in options:
            if word.startswith("--"):
                asked = word
                result.append(self._option(command, word))
            else:
                result.append(self._value(command, asked, word))
        return result

    def _option(self, command: str, name: str) -> str:
        if self.block(command, name):
            return name
        return next((new for old, new in RENAMED_OPTIONS if old == name and self.block(command, new)), name)

    def _value(self, command: str, option: str, value: str) -> str:
        names = {old: new for asked, old, new in RENAMED_VALUES if asked == option}
        if not names:
            return value
        shown = set(re.findall(r"[\w-]+", self.block(command, self._option(command, option))))
        parts = [names[part] if part in names and part not in shown else part for part in value.split(",")]
        return ",".join(parts)


# --- record ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recorder:
    """Runs scenarios in a work folder."""

    program: Program
    data: Path
    work: Path

    def record(self, scenario: Scenario) -> dict[str, Any]:
        """Run a scenario and collect what it left."""
        begun = time.monotonic()
        exits = [self._run(scenario.name, step) for step in scenario.steps]
        seconds = round(time.monotonic() - begun, 1)
        return {"seconds": seconds, "exits": exits, **collect(self.work / scenario.name)}

    def _run(self, scenario: str, step: Step) -> int:
        folder = self.work / scenario / step.name
        folder.mkdir(parents=True)
        line = self._line(folder, step.command, step.options)
        if not step.kill_after:
            return self._start(line, folder)
        for _ in range(5):
            if self._is_killed(line, folder, step.kill_after):
                resume = self._line(folder, step.command, ("--resume", str(newest_run(folder / "runs"))))
                return self._start(resume, folder)
            shutil.rmtree(folder / "runs")
        sys.exit(f"golden: {scenario}: the program always ended before it could be killed")

    def _line(self, folder: Path, command: str, given: Sequence[str]) -> list[str]:
        options = [self._fill(option, folder) for option in given]
        if command in COMMANDS_WITH_DATA and "--resume" not in options:
            options = ["--data", str(self.data), *options]
        if command in COMMANDS_WITH_RUNS:
            options += ["--runs-dir", str(folder / "runs")]
        if command in COMMANDS_WITH_RUNS and "--resume" not in options:
            options += ["--offline", "--cache-dir", str(self.program.cache)]
        return [*self.program.start(), command, *self.program.current(command, options)]

    def _fill(self, option: str, folder: Path) -> str:
        text, image = self._example()
        known = {"data": self.data, "out": folder / "predictions.txt", "work": folder, "gaps": self.work / "gaps.csv"}
        known |= {"text": text, "image": image}
        for name, value in known.items():
            option = option.replace(f"{{{name}}}", str(value))
        return re.sub(r"\{run:([\w-]+)\}", lambda found: str(self._run_of(found[1])), option)

    def _run_of(self, scenario: str) -> Path:
        return newest_run(self.work / scenario / "train" / "runs")

    def _start(self, line: list[str], folder: Path) -> int:
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("ab") as err:
            code = subprocess.run(line, cwd=folder, env=self.program.environment(), stdout=out, stderr=err).returncode
        if code:
            print(f"  exit {code}: {' '.join(line[1:])}\n{(folder / 'stderr').read_text()[-1500:]}", flush=True)
        return code

    def _is_killed(self, line: list[str], folder: Path, epochs: int) -> bool:
        """Start the program and kill it after that many epochs; False if it ended first."""
        with (folder / "stderr").open("ab") as err:
            process = subprocess.Popen(
                line,
                cwd=folder,
                env=self.program.environment(),
                stdout=subprocess.DEVNULL,
                stderr=err,
                start_new_session=True,
            )
        while process.poll() is None:
            logs = [path for path in (folder / "runs").glob("*/*.jsonl") if not path.parent.is_symlink()]
            if any(path.read_bytes().count(b"\n") >= epochs for path in logs):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return not any((folder / "runs").glob("*/result.json"))
            time.sleep(0.002)
        return False

    def prepare(self) -> None:
        """Write the manifest whose rows lack a text or an image."""
        rows = [("guid", "text", "image")]
        for number, guid in enumerate(self._unlabelled()[:48]):
            text = " ".join((self._folder() / f"{guid}.txt").read_bytes().decode("gb18030").split())
            image = str(self._folder() / f"{guid}.jpg")
            given = [(text, image), (text, ""), ("", image), (text, str(self.work / "absent.jpg"))][number % 4]
            rows.append((guid, *given))
        with (self.work / "gaps.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)

    def _example(self) -> tuple[str, Path]:
        """A text, and an image of the data."""
        return "What a lovely day at the beach! #happy", self._folder() / f"{self._unlabelled()[0]}.jpg"

    def _folder(self) -> Path:
        return self.data / "data"

    def _unlabelled(self) -> list[str]:
        lines = (self.data / "test_without_label.txt").read_text(encoding="utf-8").split()
        return [line.partition(",")[0] for line in lines[1:]]


def newest_run(folder: Path) -> Path:
    """The run folder that was made last."""
    runs = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    return max(runs, key=lambda path: path.stat().st_mtime)


def collect(folder: Path) -> dict[str, Any]:
    """What the files below a folder hold, without regard to their names where that is possible."""
    numbers: dict[str, str] = {}
    guids: Counter[str] = Counter()
    tables: list[dict[str, Any]] = []
    arrays: list[dict[str, Any]] = []
    for path in sorted(files_below(folder)):
        name = plain_name(path.relative_to(folder))
        for place, document in documents(path):
            for key, value in leaves(document, f"{name}{place}"):
                if not UNSTABLE.search(key):
                    numbers[free_key(numbers, key)] = value
            guids.update(guid_lists(document))
        if path.suffix == ".csv" or path.name == "predictions.txt":
            tables.append({"file": name, **table(path)})
        found = [digest for digest, _ in contents(path)]
        if found:
            arrays.append({"file": name, "digests": sorted(found)})
    return {"numbers": numbers, "guids": guids, "tables": tables, "arrays": arrays}


def files_below(folder: Path) -> Iterator[Path]:
    """Files, not those behind a link."""
    for root, _, names in os.walk(folder):
        yield from (Path(root) / name for name in names if name not in SKIPPED_FILES)


def plain_name(path: Path) -> str:
    """A file's name without the date of the run folder, and without its name, but for runs inside a run."""
    parts: list[str] = []
    for part in path.parts:
        name = re.sub(r"^\d{8}-\d{6}-", "", part)
        parts.append("RUN" if name != part and "RUN" not in parts else name)
    return "/".join(parts)


def documents(path: Path) -> list[tuple[str, Any]]:
    """The JSON documents of a file, each with its place in it."""
    if path.suffix == ".jsonl":
        return [(f":{row}", json.loads(line)) for row, line in enumerate(path.read_text("utf-8").splitlines(), 1)]
    if path.suffix == ".json" or path.name == ON_STANDARD_OUTPUT:
        try:
            return [("", json.loads(path.read_text("utf-8")))]
        except ValueError:
            return []
    return []


def leaves(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Each number of a JSON document, and each string that is a label, with its key path."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from leaves(value, f"{key}/{name}")
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from leaves(value, f"{key}/{place}")
    elif isinstance(node, (int, float)) and not isinstance(node, bool):
        yield key, repr(float(node))
    elif isinstance(node, str) and node in LABELS:
        yield key, node


def free_key(taken: dict[str, str], key: str) -> str:
    """The key, numbered if it is taken."""
    number, free = 1, key
    while free in taken:
        number += 1
        free = f"{key}#{number}"
    return free


def guid_lists(node: Any) -> Iterator[str]:
    """A digest of each list, or keys, that are pair names; the order does not matter."""
    values = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    for names in (values, list(node) if isinstance(node, dict) else []):
        if len(names) >= 5 and all(isinstance(name, str) and name.isdigit() for name in names):
            yield sha(json.dumps(sorted(names)).encode())
    for value in values:
        yield from guid_lists(value)


def table(path: Path) -> dict[str, Any]:
    """Digests of a CSV file: all bytes, the rows without the header, each column."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    kept = [place for place, name in enumerate(header) if not UNSTABLE.search(name)]
    columns = {header[place]: sha_rows([[row[place] for row in rows if place < len(row)]]) for place in kept}
    stable = [[row[place] for place in kept if place < len(row)] for row in rows]
    return {
        "count": len(rows),
        "bytes": sha(path.read_bytes()) if len(kept) == len(header) else "",
        "rows": sha_rows(stable),
        "sorted": sha_rows(sorted(stable)),
        "columns": columns,
    }


def contents(path: Path) -> Iterator[tuple[str, str]]:
    """Each array of a file: digest, and place in the file."""
    if path.suffix == ".pt":
        yield from tensors(torch.load(path, map_location="cpu", weights_only=True), "")
    elif path.suffix == ".npy":
        yield from tensors(np.load(path, allow_pickle=False), "")
    elif path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            yield from tensors(dict(file), "")


def tensors(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Each tensor or array reachable in plain data, and each list of at least four numbers."""
    if isinstance(node, torch.Tensor):
        dtype = str(node.dtype).removeprefix("torch.")
        plain = node.detach().contiguous()
        raw = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        yield sha(f"{dtype} {tuple(node.shape)} ".encode() + raw), key
    elif isinstance(node, np.ndarray):
        yield sha(f"{node.dtype} {node.shape} ".encode() + np.ascontiguousarray(node).tobytes()), key
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from tensors(value, f"{key}/{name}")
    elif isinstance(node, (list, tuple)):
        if len(node) >= 4 and all(isinstance(value, (int, float)) for value in node):
            yield sha(f"list {[float(value) for value in node]}".encode()), key
        else:
            for place, value in enumerate(node):
                yield from tensors(value, f"{key}/{place}")


def sha(data: bytes) -> str:
    """A digest, short enough to keep many."""
    return hashlib.sha256(data).hexdigest()[:24]


def sha_rows(rows: list[list[str]]) -> str:
    """A digest of a table's rows."""
    return sha(json.dumps(rows).encode())


def chosen(only: str, quick: bool) -> list[Scenario]:
    """The scenarios asked for, and those they need, in order."""
    known = {scenario.name: scenario for scenario in SCENARIOS}
    names = only.split(",") if only else [name for name, scenario in known.items() if scenario.is_quick or not quick]
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.exit(f"golden: unknown {', '.join(unknown)}; known: {', '.join(known)}")
    wanted = {*names, *(needed for name in names for needed in known[name].needs)}
    return [scenario for scenario in SCENARIOS if scenario.name in wanted]


def record(args: argparse.Namespace) -> int:
    """The command `record`."""
    work = Path(args.work or tempfile.mkdtemp(prefix="golden-")).resolve()
    scenarios = chosen(args.only, args.quick)
    for folder in (work / "cache", *(work / scenario.name for scenario in scenarios)):
        shutil.rmtree(folder, ignore_errors=True)
    (work / "cache").mkdir(parents=True)
    recorder = Recorder(Program(args.repo.resolve(), work / "cache"), args.data.resolve(), work)
    recorder.program.check(work)
    recorder.prepare()
    recorded: dict[str, Any] = {}
    for scenario in scenarios:
        recorded[scenario.name] = recorder.record(scenario)
        found = recorded[scenario.name]
        print(
            f"{scenario.name}: {found['seconds']} s, exits {found['exits']}, {len(found['numbers'])} numbers, "
            f"{len(found['tables'])} tables, {sum(len(file['digests']) for file in found['arrays'])} arrays",
            flush=True,
        )
        args.out.write_text(json.dumps({"commit": commit(args.repo), "scenarios": recorded}, indent=1))
    if not args.work:
        shutil.rmtree(work)
    return 0


def commit(repo: Path) -> str:
    """The commit of a checkout, with + if files differ from it."""
    try:
        head = subprocess.check_output(["git", "-C", str(repo), "rev-parse", "--short", "HEAD"], text=True).strip()
        changed = subprocess.check_output(["git", "-C", str(repo), "status", "--porcelain"], text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


# --- compare --------------------------------------------------------------------------------------------------------


def compare(args: argparse.Namespace) -> int:
    """The command `compare`: a line for each scenario of both recordings, 1 if anything differs."""
    old, new = (json.loads(path.read_text()) for path in (args.old, args.new))
    print(f"old: {old['commit']}, new: {new['commit']}")
    common = [name for name in old["scenarios"] if name in new["scenarios"]]
    failed = 0
    for name in common:
        problems, notes = differences(old["scenarios"][name], new["scenarios"][name], args.multiset)
        shown = problems if args.all else problems[:SHOWN]
        told = f" ({'; '.join(notes)})" if notes else ""
        print(f"{name}: {f'{len(problems)} differences' if problems else 'same'}{told}")
        for problem in shown:
            print(f"    {problem}")
        if len(shown) < len(problems):
            print(f"    … {len(problems) - len(shown)} more: --all")
        failed += bool(problems)
    left_out = sorted(set(old["scenarios"]) ^ set(new["scenarios"]))
    print(f"{len(common) - failed} of {len(common)} scenarios are the same")
    if left_out:
        print(f"only in one recording: {', '.join(left_out)}")
    return int(failed > 0 or not common)


def differences(old: dict[str, Any], new: dict[str, Any], multiset: bool) -> tuple[list[str], list[str]]:
    """Problems, and what is worth a note, of one scenario."""
    problems, notes = [], []
    if old["exits"] != new["exits"]:
        problems.append(f"exits: {old['exits']}, now {new['exits']}")
    for found in (
        compare_numbers(old, new, multiset),
        compare_guids(old, new),
        compare_tables(old, new),
        compare_arrays(old, new),
    ):
        problems += found[0]
        notes += found[1]
    return problems, notes


Found = tuple[list[str], list[str]]


def compare_numbers(old: dict[str, Any], new: dict[str, Any], multiset: bool) -> Found:
    """Each old number must be there; where the key path is there, with the same value."""
    before, after = old["numbers"], new["numbers"]
    problems = []
    if not multiset:
        problems = [
            f"number {key}: {value}, now {after[key]}"
            for key, value in before.items()
            if key in after and value != after[key]
        ]
    missing = Counter(before.values()) - Counter(after.values())
    told = {problem.split(": ")[0].removeprefix("number ") for problem in problems}
    for value, count in missing.items():
        # Of the paths with that value, those that are gone come first.
        keys = sorted((key for key, other in before.items() if other == value), key=lambda key: key in after)
        keys = [key for key in keys if key not in told]
        if keys:
            problems.append(f"number {value} is {count} times missing, of {', '.join(keys[:3])}")
    more = (Counter(after.values()) - Counter(before.values())).total()
    return problems, [f"{more} further numbers"] if more else []


def compare_guids(old: dict[str, Any], new: dict[str, Any]) -> Found:
    """Each old list of pairs must be there."""
    missing = (Counter(old["guids"]) - Counter(new["guids"])).total()
    return [f"{missing} lists of pairs are missing"] if missing else [], []


def compare_tables(old: dict[str, Any], new: dict[str, Any]) -> Found:
    """The rows of each old table must be those of a new one."""
    left = list(new["tables"])
    problems, notes = [], []
    for before in old["tables"]:
        match, problem, note = match_table(before, left)
        if match is not None:
            left.remove(match)
        problems += [problem] if problem else []
        notes += [note] if note else []
    return problems, notes + ([f"{len(left)} further tables"] if left else [])


def match_table(before: dict[str, Any], left: list[dict[str, Any]]) -> tuple[dict[str, Any] | None, str, str]:
    """The new table that holds an old one, what differs, and a note."""
    name = before["file"]
    for kind, note in (("bytes", ""), ("rows", "another header")):
        for after in left:
            if before[kind] and before[kind] == after[kind]:
                is_same = before["columns"].keys() == after["columns"].keys()
                return after, "", "" if is_same else f"{name}: {note}"
    wanted = Counter(before["columns"].values())

    def shared(after: dict[str, Any]) -> int:
        return (wanted & Counter(after["columns"].values())).total()

    best = max(left, key=lambda after: (shared(after), after["file"] == name), default=None)
    if best is None or not (shared(best) or best["file"] == name):
        return None, f"table {name} is missing", ""
    if shared(best) == wanted.total():
        return best, "", f"{name}: other columns as well"
    if best["sorted"] == before["sorted"]:
        return best, f"table {name}: rows in another order", ""
    left_over = Counter(best["columns"].values())
    differing = [column for column, digest in before["columns"].items() if digest not in left_over]
    counts = "" if best["count"] == before["count"] else f", {before['count']} rows, now {best['count']}"
    return best, f"table {name} (now {best['file']}): {', '.join(differing)} differ{counts}", ""


def compare_arrays(old: dict[str, Any], new: dict[str, Any]) -> Found:
    """Each old file's arrays must be those of one new file."""
    left = list(new["arrays"])
    problems, notes = [], []
    pending = []
    for before in old["arrays"]:
        same = [after for after in left if after["digests"] == before["digests"]]
        same.sort(key=lambda after, name=before["file"]: after["file"] != name)
        if same:
            left.remove(same[0])
        else:
            pending.append(before)
    for before in pending:
        wanted = Counter(before["digests"])
        ranked = sorted(
            left,
            key=lambda after: ((wanted & Counter(after["digests"])).total(), after["file"] == before["file"]),
        )
        if not ranked:
            problems.append(f"arrays {before['file']}: no such file")
            continue
        best = ranked[-1]
        left.remove(best)
        found = Counter(best["digests"])
        lost, more = (wanted - found).total(), (found - wanted).total()
        problems.append(
            f"arrays {before['file']} (now {best['file']}): {lost} of {wanted.total()} differ, {more} new ones"
        )
    return problems, notes + ([f"{len(left)} further array files"] if left else [])


def show(_: argparse.Namespace) -> int:
    """The command `list`."""
    for scenario in SCENARIOS:
        marks = " (quick)" if scenario.is_quick else ""
        needs = f", needs {', '.join(scenario.needs)}" if scenario.needs else ""
        print(f"{scenario.name}{marks}{needs}: {', '.join(step.command for step in scenario.steps)}")
    return 0


def main() -> int:
    """Parse the command line and run one command."""
    parser = argparse.ArgumentParser(description="Record what the program computes; compare two recordings.")
    commands = parser.add_subparsers(required=True)
    recording = commands.add_parser("record")
    recording.add_argument("--repo", type=Path, required=True, help="checkout whose program runs")
    recording.add_argument("--data", type=Path, required=True, help="folder in the lab layout")
    recording.add_argument("--out", type=Path, required=True, help="the recording")
    recording.add_argument("--only", default="", help="scenarios, comma-separated")
    recording.add_argument("--quick", action="store_true", help="a subset of about two minutes")
    recording.add_argument("--work", default="", help="folder for the runs, which are then kept")
    recording.set_defaults(call=record)
    comparing = commands.add_parser("compare")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    comparing.add_argument("--all", action="store_true", help="show all differences")
    comparing.add_argument("--multiset", action="store_true", help="a key path may hold another value than before")
    comparing.set_defaults(call=compare)
    commands.add_parser("list").set_defaults(call=show)
    args = parser.parse_args()
    return args.call(args)


if __name__ == "__main__":
    sys.exit(main())
