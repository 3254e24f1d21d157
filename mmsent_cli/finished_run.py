"""Write the output of a finished run: tables, figures, report, and `result.json` last."""

import csv
import io
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsent_cli.config import RuntimeConfig, to_dict
from mmsent_cli.data.augment import Augmentation
from mmsent_cli.data.pairs import Pair
from mmsent_cli.experiments.ablation.ablate import BOTH, arm_name, predictions_csv
from mmsent_cli.experiments.arms import epochs_csv
from mmsent_cli.experiments.request import ExperimentRequest, read_request
from mmsent_cli.inference.rows import PROBABILITY
from mmsent_cli.printed_commands import command_line
from mmsent_cli.reports.blocks import Examples, Figures
from mmsent_cli.reports.confidence import Confidence
from mmsent_cli.reports.examples import (
    AugmentedImage,
    agreement_groups,
    augmented_images,
    error_groups,
    modality_groups,
)
from mmsent_cli.reports.outputs import Particulars, run_files
from mmsent_cli.reports.translate import language_of
from mmsent_cli.results import AblateResult, CompareResult, FoldsResult, PaperResult, TrainResult, TuneResult
from mmsent_cli.results.summary import Summary, summarize
from mmsent_cli.run_folders import CONFIG, ENVIRONMENT, EXPERIMENT, RESULT, SECONDS, Run
from mmsent_cli.run_time import whole_seconds, without_session
from mmsent_cli.stats import SHARES, answered_shares, calibration_bins, precision_recall
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.predictions import OUT_OF_FOLD, VAL_PREDICTIONS, read_predictions
from mmsent_cli.training.run_folder import NO_EFFECT_ON_METRICS, cleanup_on_failure

if TYPE_CHECKING:
    import pandas as pd

DOUBTFUL = "labels_to_check.csv"
SHOWN_ABLATION = "permuted"
"""The ablation method whose predictions the examples show. A pair gets the text or the image of another pair."""


class FinishedRun(Run):
    """A finished run, with its result.

    Attributes:
        folder: the run folder.
        result: the result, one of the dataclasses of `mmsent_cli.results`.
        seconds: the duration in seconds.
        files: the names of the files in the run folder.
        summary: the metrics with the same names for all commands; None if the result has no metrics.
    """

    def __init__(
        self,
        folder: Path,
        result: Any,
        seconds: float,
        files: Sequence[str],
        summary: Summary | None = None,
        is_writable: bool = True,
    ) -> None:
        super().__init__(folder, is_writable)
        self.result = result
        self.seconds = seconds
        self.files = tuple(files)
        self.summary = summary

    @property
    def language(self) -> str:
        """The language of the report, `en` or `zh`."""
        return language_of(self.read_json(CONFIG)["runtime"]["lang"])

    def __repr__(self) -> str:
        scores = "" if self.summary is None else f", accuracy={self.summary.accuracy:.4f} ({self.summary.measured})"
        return f"FinishedRun({str(self.folder)!r}{scores})"

    def to_frame(self, table: str | None = None) -> "pd.DataFrame":
        """Return a table of the result as a DataFrame.

        Args:
            table: one of the result's `TABLES`; for a training also "predictions" (guid, true label, predicted label,
                and probabilities). None returns the first table.
        """
        if table != "predictions" or not isinstance(self.result, TrainResult | FoldsResult):
            return self.result.to_frame(table)
        import pandas as pd

        rows = [(*row[:3], *row.probabilities) for row in read_predictions(self, _predictions_of(self.result))]
        labels = [f"{PROBABILITY}{label}" for label in self.result.labels]
        return pd.DataFrame(rows, columns=["guid", "tag", "label", *labels])


def finish(plan: Plan, run: Run, result: Any, detail: Any, *, command: str, start: float) -> FinishedRun:
    """Write the tables, figures and report of a run, and finally its `result.json`.

    Args:
        plan: the plan of the run.
        run: the run, whose folder has `config.json` and `environment.json`.
        result: the result, one of the dataclasses of `results`.
        detail: additional data of an experiment; None for a training.
        command: the name of the command.
        start: the start of the command, by `time.perf_counter`.

    Raises:
        MmsentError: a file cannot be written.
        KeyboardInterrupt: Ctrl-C was pressed. The message has the command that resumes the run.
    """
    if not run.is_writable:
        return FinishedRun(run.folder, result, whole_seconds(run, start), (), is_writable=False)
    with cleanup_on_failure(run, is_new=False, command=command):
        return write_result(
            run,
            result,
            examples=_examples(plan, run, result, detail),
            tables=_tables(plan, result, detail),
            command=repeat_command(run, command),
            start=start,
            drawn=detail.drawn if isinstance(result, PaperResult) else None,
            counts=class_counts(plan),
            seed=plan.config.fit.seed,
            confidence=_confidence(plan, run, result),
            augmented=_augmented(plan, run, result),
        )


def write_result(
    run: Run,
    result: Any,
    *,
    examples: Examples,
    tables: Mapping[str, str | bytes],
    command: str,
    start: float,
    drawn: Figures | None = None,
    counts: Mapping[str, Mapping[str, int]] | None = None,
    seed: int | None = None,
    confidence: Confidence | None = None,
    augmented: Sequence[AugmentedImage] = (),
) -> FinishedRun:
    """Write the figures, report and tables of a result, and finally `result.json`.

    Args:
        run: the run, whose folder has `config.json` and `environment.json`.
        result: a result of any type with a report.
        examples: pairs to show in the report.
        tables: additional files by name.
        command: the command that repeats the run.
        start: the start of the command, by `time.perf_counter`. The reported time ends when the figures are drawn.
        drawn: figures that already exist.
        counts: number of pairs of each class in each part of the data. None counts the pairs of an evaluation.
        seed: the seed of a training.
        confidence: evaluation of the probabilities of a training.
        augmented: training images with augmented versions.
    """
    config = run.read_json(CONFIG)
    runtime = config["runtime"]
    if runtime.get("no_examples"):
        examples, confidence = Examples(), replace(confidence, doubtful=()) if confidence else None
    seconds = cache(lambda: whole_seconds(run, start))
    parts = Particulars(
        config=config,
        environment=without_session(run.read_json(ENVIRONMENT)),
        examples=examples,
        command=command,
        seconds=seconds,
        language=language_of(runtime["lang"]),
        formats=runtime.get("figure_format", ()),
        drawn=drawn,
        confidence=confidence,
        counts=counts or {},
        date=datetime.now().astimezone().date().isoformat(),
        augmented=augmented,
    )
    if confidence is not None and confidence.doubtful:
        tables = {**tables, DOUBTFUL: _doubtful_csv(confidence)}
    for name, content in {**tables, **run_files(result, parts)}.items():
        run.write(name, content)
    names = sorted({path.name for path in run.folder.iterdir() if not path.name.startswith(".")} | {RESULT})
    if isinstance(getattr(result, "files", None), tuple):
        result = replace(result, files=tuple(names))
    evaluated = {one.label: one.support for one in getattr(result, "per_class", ())}
    summary = summarize(result, shlex.split(command)[1], {"evaluated": evaluated} if counts is None else counts, seed)
    if hasattr(result, "seconds"):
        result = replace(result, seconds=seconds())
    run.write_json(ENVIRONMENT, {**parts.environment, SECONDS: round(seconds(), 3)})
    run.write_json(RESULT, {**as_dict(summary), **asdict(result)})
    return FinishedRun(run.folder, result, seconds(), names, summary)


def _confidence(plan: Plan, run: Run, result: Any) -> Confidence | None:
    """Evaluate the probabilities that the model of a training predicts. Return None for an experiment."""
    if not isinstance(result, TrainResult | FoldsResult):
        return None
    rows, labels = read_predictions(run, _predictions_of(result)), plan.dataset.labels
    shares = np.array([row.probabilities for row in rows])  # [N, C]
    targets = np.array([labels.index(row.tag) for row in rows])
    is_right = shares.argmax(axis=1) == targets
    texts = {pair.guid: pair.text or "" for pair in plan.dataset.pairs}
    wrong = [(row.guid, row.tag, row.predicted, max(row.probabilities), texts[row.guid]) for row in rows]
    wrong = sorted((row for row, right in zip(wrong, is_right, strict=True) if not right), key=lambda row: -row[3])
    return Confidence(
        bins=calibration_bins(shares, targets),
        answered=answered_shares(shares.max(axis=1), is_right, SHARES),
        majority=result.majority_accuracy,
        curves=precision_recall(shares, targets, labels),
        doubtful=tuple(wrong) if isinstance(result, FoldsResult) else (),
    )


def _doubtful_csv(confidence: Confidence) -> str:
    """Make a CSV table of the pairs that are predicted wrongly, and whose labels may be wrong.

    The pair with the most confident prediction is first.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["guid", "tag", "predicted", "probability", "text"])
    table.writerows((*row[:3], f"{row[3]:.6f}", row[4].strip()) for row in confidence.doubtful)
    return text.getvalue()


def as_dict(summary: Summary | None) -> dict[str, Any]:
    """Return the summary as a part of `result.json`; an empty dictionary if there is no summary."""
    return {} if summary is None else {"summary": asdict(summary)}


def class_counts(plan: Plan) -> dict[str, dict[str, int]]:
    """Count the pairs of each class in training and in validation. With folds, count the classes of all pairs together.

    With folds, each pair is in training and in validation.
    """
    tags = {pair.guid: pair.tag for pair in plan.dataset.pairs}
    split = plan.split
    parts = {"pairs": tags} if plan.folds else {"training": split.train, "validation": split.val}
    counted = {part: Counter(tags[guid] for guid in guids if guid in tags) for part, guids in parts.items()}
    return {part: {label: counts[label] for label in plan.dataset.labels} for part, counts in counted.items()}


def _augmented(plan: Plan, run: Run, result: Any) -> list[AugmentedImage]:
    """Augment a few training images by each policy of a run; none if the user gave `--no-examples`."""
    if run.read_json(CONFIG)["runtime"].get("no_examples"):
        return []
    fit = plan.config.fit
    if isinstance(result, TrainResult | FoldsResult):
        policies = [fit.augmentation]
    else:
        compared = result.augmentation if isinstance(result, PaperResult) else result
        policies = [arm.augmentation for arm in compared.arms] if isinstance(compared, CompareResult) else []
    fits = [replace(fit, augmentation=policy) for policy in dict.fromkeys(policies)]
    train = {guid for split in plan.folds or (plan.split,) for guid in split.train}
    pairs = [pair for pair in plan.dataset.pairs if pair.guid in train]
    return augmented_images(pairs, [one for one in map(Augmentation.of, fits) if one is not None])


def _examples(plan: Plan, run: Run, result: Any, detail: Any) -> Examples:
    """Choose example pairs for the report. The result's type determines how the pairs are grouped."""
    labels = plan.dataset.labels
    if isinstance(result, TrainResult | FoldsResult):
        rows = [
            (row.guid, row.tag, row.predicted, row.probabilities[labels.index(row.predicted)])
            for row in read_predictions(run, _predictions_of(result))
        ]
        return error_groups(plan.dataset.pairs, rows)
    pairs = _validation_pairs(plan)
    if isinstance(result, AblateResult):
        alone = {side: detail.predicted[arm_name(side, SHOWN_ABLATION)] for side in ("text", "image")}
        return modality_groups(pairs, labels, {"both": detail.predicted[BOTH], **alone}, detail.probabilities)
    if isinstance(result, TuneResult):
        return agreement_groups(pairs, labels, detail)
    arms = detail.fusions if isinstance(result, PaperResult) else detail
    models = [arm.best_predicted for arm in arms if not arm.is_reference]
    return agreement_groups(pairs, labels, np.stack(models))


def _tables(plan: Plan, result: Any, detail: Any) -> dict[str, str]:
    """Make the CSV files of a result: predictions of an ablation, scores of each epoch of a comparison or a tuning."""
    if isinstance(result, AblateResult):
        return {"predictions.csv": predictions_csv(_validation_pairs(plan), result.labels, detail.predicted)}
    if isinstance(result, CompareResult):
        columns = ("name", "fusion", "augmentation", "seed")
        curves = [({name: getattr(arm, name) for name in columns}, arm.curve) for arm in detail]
        return {"epochs.csv": epochs_csv(curves)}
    if isinstance(result, TuneResult):
        curves = [
            (
                {"trial": trial.number + 1, "phase": trial.phase, "state": trial.state, "seed": seed, **trial.settings},
                curve,
            )
            for trial in result.trials
            for seed, curve in zip(result.setup.seeds, trial.curves, strict=False)
        ]
        return {"epochs.csv": epochs_csv(curves)}
    return {}


def _predictions_of(result: TrainResult | FoldsResult) -> str:
    return OUT_OF_FOLD if isinstance(result, FoldsResult) else VAL_PREDICTIONS


def _validation_pairs(plan: Plan) -> list[Pair]:
    """Return the evaluated pairs in the order of the data set: the validation pairs, or for folds all pairs."""
    val = {guid for split in plan.folds or (plan.split,) for guid in split.val}
    return [pair for pair in plan.dataset.pairs if pair.guid in val]


def repeat_command(run: Run, command: str) -> str:
    """Return the command line that repeats a run."""
    if command == "ablate":
        return command_line(command, _ablation_options(read_request(run.path(EXPERIMENT))))
    return command_line(command, {"config": run.path(CONFIG) if command == "train" else run.folder})


def _ablation_options(request: ExperimentRequest) -> dict[str, Any]:
    subject, usual = request.subject, to_dict(RuntimeConfig())
    runtime = {name: value for name, value in subject["runtime"].items() if name not in NO_EFFECT_ON_METRICS}
    return {
        "checkpoint": subject["checkpoint"],
        **(subject["data"] or {}),
        "split": subject["split"],
        **request.settings,
        **{name: value for name, value in runtime.items() if value != usual[name]},
    }
