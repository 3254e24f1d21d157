"""Write docs/accuracy.md, from one model to the presets, out of recorded training runs.

    python docs/make_accuracy.py record NAME=RUN,RUN,… …    # metrics of run folders into docs/accuracy.json
    python docs/make_accuracy.py                            # docs/accuracy.json into docs/accuracy.md

Runs are those of `mmsent train --folds 5`, one per seed, all with the same folds. NAME is one of ARMS, `best`,
`fast` or `max`; tables without a given run stay as they were.
Only metrics are kept, never a pair or a tag.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mmsent_cli.ensemble import geometric_mean, log_softmax, stack_out_of_fold
from mmsent_cli.run_folders import FOLDS, Run
from mmsent_cli.stats import calibration_error
from mmsent_cli.stats.estimate import accuracy_scores, estimate_difference, interval, macro_f1_scores
from mmsent_cli.training.checkpoints import read_checkpoint
from mmsent_cli.training.predictions import read_predictions

HERE = Path(__file__).parent
DATA, PAGE = HERE / "accuracy.json", HERE / "accuracy.md"

HEAD = "| | accuracy | macro-F1 | gain in accuracy | gain in macro-F1 | ECE |\n|---|---|---|---|---|---|\n"
ARMS = {
    "frozen": "`--encoders compact`, frozen, `--text-cleaning ''`: MiniLM's last layer,"
    " EfficientNet-Lite0's last feature at 224 px",
    "layers": "`--text-encoder minilm-layers`: the means of MiniLM's last four layers",
    "stages": "`--image-encoder efficientnet-lite0-stages --image-size-px 320`: larger, and the middle stages' means",
}
"""Arms with one model per fold; `best` and `fast` are recorded as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row: its metrics, mean over seeds, and what it changed. Shares of 0 to 1; intervals are 95 %."""

    name: str
    seeds: int
    accuracy: float
    accuracy_sd: float
    macro_f1: float
    macro_f1_sd: float
    calibration_error: float
    accuracy_gain: float | None = None
    accuracy_interval: tuple[float, float] | None = None
    macro_f1_gain: float | None = None
    macro_f1_interval: tuple[float, float] | None = None


class Recorded:
    """The out-of-fold predictions of one run's members."""

    def __init__(self, folder: str) -> None:
        run = Run(Path(folder))
        result, rows = run.read_json("result.json"), read_predictions(run, "oof_predictions.csv")
        self.labels = result["labels"]
        self.adjustment = run.read_json("config.json")["model"]["logit_adjustment"]
        self.targets = np.array([self.labels.index(row.tag) for row in rows])
        self.stacked = np.log(np.array([row.probabilities for row in rows]).clip(1e-6))
        answers = np.load(run.path("oof_log_probabilities.npy"))
        self.members = {member["name"]: answers[:, number] for number, member in enumerate(result["members"])}
        place = {row.guid: number for number, row in enumerate(rows)}
        splits = run.read_json("split.json")["splits"]
        self.folds = [np.array([place[guid] for guid in part["val"]]) for part in splits]
        self.networks = self._networks(run)

    def _networks(self, run: Run) -> np.ndarray:
        """Log-probabilities of each model alone [K, N, C]."""
        parts = [
            read_checkpoint(run.path(f"{FOLDS}/fold-{n}.pt"))["logits"].numpy() for n in range(1, len(self.folds) + 1)
        ]
        result = np.empty((len(parts[0]), len(self.targets), len(self.labels)))
        for part, rows in zip(parts, self.folds, strict=True):
            result[:, rows] = [log_softmax(logits) for logits in part]
        return result

    def joined(self, names: list[str], networks: int, adjustment: float = 0.0) -> np.ndarray:
        """Log-probabilities [N, C] of some members, combined as in `train`."""
        network = [geometric_mean(list(self.networks[:networks]))] if networks else []
        answers = np.stack([*network, *(self.members[name] for name in names)], axis=1)
        return stack_out_of_fold(answers, self.targets, self.folds, adjustment)


def step(name: str, predictions: list[np.ndarray], targets: np.ndarray, before: list[np.ndarray] | None) -> Step:
    """The metrics of a row.

    Args:
        name: of the row.
        predictions: log-probabilities [N, C] by each seed.
        targets: class numbers [N].
        before: those of the row that it is compared with.
    """
    classes = predictions[0].shape[1]
    predicted = np.stack([each.argmax(axis=1) for each in predictions])
    scores = accuracy_scores(targets, predicted), macro_f1_scores(targets, predicted, classes)
    changes = [None] * 4
    if before is not None:
        earlier = np.stack([each.argmax(axis=1) for each in before])
        others = accuracy_scores(targets, earlier), macro_f1_scores(targets, earlier, classes)
        gains = [estimate_difference(*pair) for pair in zip(scores, others, strict=True)]
        changes = [part for gain in gains for part in (gain.value, interval(gain))]
    sd = [float(score.mean(axis=1).std(ddof=1)) if len(predictions) > 1 else 0.0 for score in scores]
    return Step(
        name=name,
        seeds=len(predictions),
        accuracy=float(scores[0].mean()),
        accuracy_sd=sd[0],
        macro_f1=float(scores[1].mean()),
        macro_f1_sd=sd[1],
        calibration_error=float(np.mean([calibration_error(np.exp(each), targets) for each in predictions])),
        accuracy_gain=changes[0],
        accuracy_interval=changes[1],
        macro_f1_gain=changes[2],
        macro_f1_interval=changes[3],
    )


def network_ladder(runs: dict[str, list[Recorded]]) -> list[Step]:
    """One model per fold, one change after the other."""
    steps, before = [], None
    for arm in ARMS:
        if arm in runs:
            predictions = [run.networks[0] for run in runs[arm]]
            steps.append(step(ARMS[arm], predictions, runs[arm][0].targets, before))
            before = predictions
    return steps


def joined_ladder(runs: list[Recorded], networks: int, probes: list[str]) -> list[Step]:
    """Members added one after the other, then logit adjustment."""
    targets = runs[0].targets
    rows: list[tuple[str, list[np.ndarray]]] = [("one model", [run.networks[0] for run in runs])]
    if networks > 1:
        rows.append((f"{networks} models", [geometric_mean(list(run.networks)) for run in runs]))
    rows.append(("stacked, which calibrates the model", [run.joined([], networks) for run in runs]))
    for count, name in enumerate(probes, start=1):
        rows.append((f"and {name}", [run.joined(probes[:count], networks) for run in runs]))
    adjusted = [run.joined(probes, networks, run.adjustment) for run in runs]
    rows.append((f"logit adjustment {runs[0].adjustment}", adjusted))
    befores = [None, *(predictions for _, predictions in rows)]
    return [
        step(name, predictions, targets, before) for (name, predictions), before in zip(rows, befores, strict=False)
    ]


def alone(runs: list[Recorded]) -> list[Step]:
    """Each member alone."""
    names = {name: "model" if name == "network" else name for name in runs[0].members}
    return [step(shown, [run.members[name] for run in runs], runs[0].targets, None) for name, shown in names.items()]


def record(arguments: list[str]) -> None:
    """Read run folders and keep their metrics."""
    runs = {
        name: [Recorded(folder) for folder in folders.split(",")]
        for name, _, folders in (a.partition("=") for a in arguments)
    }
    tables = {"One model per fold, encoders frozen": network_ladder(runs)}
    for preset in ("best", "fast", "max"):
        if preset in runs:
            first = runs[preset][0]
            probes = [name for name in first.members if name != "network"]
            tables[f"`--preset {preset}`, members added one by one"] = joined_ladder(
                runs[preset], len(first.networks), probes
            )
            tables[f"`--preset {preset}`, each member alone"] = alone(runs[preset])
    kept = json.loads(DATA.read_text(encoding="utf-8")) if DATA.is_file() else {}
    kept |= {name: [asdict(row) for row in rows] for name, rows in tables.items() if rows}
    DATA.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def page(tables: dict[str, list[dict]]) -> str:
    """The page of recorded metrics."""
    parts = [(HERE / "accuracy-head.md").read_text(encoding="utf-8")]
    for title, rows in tables.items():
        parts.append(f"## {title}\n\n{HEAD}")
        parts += [_line(Step(**row)) for row in rows]
        parts.append("\n")
    parts.append((HERE / "accuracy-tail.md").read_text(encoding="utf-8"))
    return "".join(parts)


def _line(row: Step) -> str:
    figures = f"{row.accuracy:.4f} ± {row.accuracy_sd:.4f} | {row.macro_f1:.4f} ± {row.macro_f1_sd:.4f}"
    gains = f"{_gain(row.accuracy_gain, row.accuracy_interval)} | {_gain(row.macro_f1_gain, row.macro_f1_interval)}"
    return f"| {row.name} | {figures} | {gains} | {row.calibration_error:.3f} |\n"


def _gain(value: float | None, bounds: tuple[float, float] | None) -> str:
    if value is None or bounds is None:
        return ""
    return f"{100 * value:+.1f} ({100 * bounds[0]:+.1f} to {100 * bounds[1]:+.1f})"


def main() -> None:
    if sys.argv[1:2] == ["record"]:
        record(sys.argv[2:])
    PAGE.write_text(page(json.loads(DATA.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
