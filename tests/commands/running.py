"""Running commands as a user does, and what a refusal must look like."""

import json
from functools import cache
from pathlib import Path

import torch
from typer import testing
from typer.testing import CliRunner

from mmsent_cli.commands.app import app
from mmsent_cli.progress import Event
from mmsent_cli.reports.progress import ProgressView
from tests.data.builders import TAGS, write_lab

testing._get_command = cache(testing._get_command)  # 50 commands a test would build the program 50 times
SAMPLE = Path(__file__).parents[2] / "data" / "sample"
QUICK = ("--encoders", "light", "--image-size-px", 32, "--batch-size", 8)
PROGRESS = (
    "checking pairs: ",
    "checking files: ",
    "encoding with ",
    "epoch ",
    "model ",
    "predicting: ",
    "starting Ray: ",
)
RUN_FILES = {
    "answered.png",
    "best_model.pt",
    "calibration.png",
    "config.json",
    "confusion.png",
    "curves.png",
    "environment.json",
    "last.pt",
    "metrics.jsonl",
    "precision-recall.png",
    "report.html",
    "result.json",
    "split.json",
    "tables",
    "val_predictions.csv",
}


def mmsent(*arguments):
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def succeed(*arguments):
    """Run a command that must end well; its JSON if it was asked for."""
    result = mmsent(*arguments)
    assert result.exit_code == 0, (result.output, result.exc_info)
    return json.loads(result.stdout) if "--json" in arguments else result


def assert_refused(result, *reported: str) -> None:
    """Two lines on stderr, after progress if any, that hold each of `reported`; a SystemExit and no crash."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    lines = [line for line in result.stderr.splitlines() if not line.startswith(PROGRESS)]
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"], result.stderr
    for part in reported:
        assert part in " ".join(lines), result.stderr


def small_lab(folder: Path, pairs: int = 18, unlabelled: tuple[str, ...] = ("101", "102", "103")) -> Path:
    """A lab layout that trains in a second."""
    return write_lab(folder, {str(number): TAGS[number % 3] for number in range(1, pairs + 1)}, unlabelled)


def interrupted(monkeypatch, kind: type[Event], times: int, *arguments):
    """The result of a command line at which Ctrl-C is pressed: at the n-th event of a kind."""
    show, seen = ProgressView.__call__, []

    def press(self, event):
        if isinstance(event, kind):
            seen.append(event)
            if len(seen) == times:
                raise KeyboardInterrupt
        show(self, event)

    with monkeypatch.context() as patch:
        patch.setattr(ProgressView, "__call__", press)
        return mmsent(*arguments)


def run_folders(runs: Path = Path("runs")) -> list[Path]:
    """All runs, oldest first."""
    return sorted(path for path in runs.glob("*") if path.is_dir() and not path.is_symlink())


def weights(run: Path | str, name: str = "best_model.pt"):
    """The tensors of a run's checkpoint."""
    return torch.load(Path(run) / name, weights_only=True)["state"]


def same_weights(one, other) -> bool:
    """Whether two states are equal to the bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def epochs_of(run: Path | str) -> list[dict]:
    """The lines of `metrics.jsonl` without what the clock says."""
    lines = (Path(run) / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


def without_source(values):
    """A result without the note that names the data: as typed in the first run, with its whole path in a repetition."""
    return {**values, "notes": [note for note in values["notes"] if not note.startswith("data: ")]}
