"""The part of `result.json` that is the same for every command."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mmsent_cli.results.evaluation import EvaluateResult, ModelComparison
from mmsent_cli.results.experiments import AblateResult, CompareResult, PaperResult, TuneResult
from mmsent_cli.results.training import FoldsResult, TrainResult

SCHEMA = 1
"""Version of the format of `result.json`. It changes if a key is removed or gets another meaning."""
Counts = Mapping[str, Mapping[str, int]]
"""Number of pairs of each class, by part of the data: training, validation, evaluated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The main metrics of a run, under the same names for every command.

    A summary contains no times and no paths. So a resumed run has the same summary as an uninterrupted run.

    Attributes:
        schema: version of the format.
        command: name of the command.
        accuracy, macro_f1: metrics of the model named in `measured`, 0 to 1.
        measured: the measured pairs, and the model.
        majority_accuracy: accuracy of always predicting the most frequent class.
        labels: class names in order.
        counts: number of pairs of each class in each part of the data.
        seeds: seeds of the trained models; empty if nothing was trained.
    """

    schema: int
    command: str
    accuracy: float
    macro_f1: float
    measured: str
    majority_accuracy: float
    labels: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    seeds: tuple[int, ...]


def summarize(result: Any, command: str, counts: Counts, seed: int | None = None) -> Summary | None:
    """Make the summary of a result; None for a result without metrics.

    Args:
        result: the result of a run.
        command: name of the command.
        counts: number of pairs of each class in each part of the data.
        seed: the seed of a single training. Results of experiments contain their seeds.
    """
    if type(result) not in MAIN_METRICS:
        return None
    accuracy, macro_f1, measured, majority = MAIN_METRICS[type(result)](result)
    setup = getattr(result.fusions if isinstance(result, PaperResult) else result, "setup", None)
    seeds = setup.seeds if setup is not None else () if seed is None else (seed,)
    return Summary(
        schema=SCHEMA,
        command=command,
        accuracy=accuracy,
        macro_f1=macro_f1,
        measured=measured,
        majority_accuracy=majority,
        labels=labels_of(result),
        counts={part: dict(classes) for part, classes in counts.items()},
        seeds=seeds,
    )


def labels_of(result: Any) -> tuple[str, ...]:
    """Return the class names of a result."""
    if isinstance(result, PaperResult):
        return result.train.labels
    return result.setup.labels if isinstance(result, CompareResult | TuneResult) else result.labels


def _trained(result: TrainResult) -> tuple[float, float, str, float]:
    return result.accuracy, result.macro_f1, "validation pairs, best epoch (optimistic)", result.majority_accuracy


def _compared(result: CompareResult) -> tuple[float, float, str, float]:
    nested = next(arm.nested for arm in result.arms if arm.name == result.baseline)
    measured = f"validation pairs, {result.baseline} by nested selection, mean over seeds"
    return nested.accuracy_mean, nested.macro_f1_mean, measured, result.setup.majority_accuracy


def _tuned(result: TuneResult) -> tuple[float, float, str, float]:
    best = next(trial for trial in result.trials if trial.number == result.best)
    measured = f"validation pairs, best epoch of trial {best.number + 1} (optimistic)"
    return best.accuracy, best.macro_f1, measured, result.setup.majority_accuracy


def _ablated(result: AblateResult) -> tuple[float, float, str, float]:
    both = next(arm for arm in result.arms if arm.method == "none")
    return both.accuracy, both.macro_f1, f"{result.source}, both modalities", result.majority_accuracy


def _first_model(result: ModelComparison) -> tuple[float, float, str, float]:
    first = result.models[0]
    return first.accuracy.value, first.macro_f1.value, f"shared pairs, {first.name}", result.majority_accuracy


MAIN_METRICS: dict[type, Callable[[Any], tuple[float, float, str, float]]] = {
    TrainResult: _trained,
    FoldsResult: lambda one: (one.accuracy, one.macro_f1, "all pairs, out of fold", one.majority_accuracy),
    CompareResult: _compared,
    TuneResult: _tuned,
    AblateResult: _ablated,
    PaperResult: lambda one: _trained(one.train),
    EvaluateResult: lambda one: (
        one.accuracy.value,
        one.macro_f1.value,
        one.measured or "evaluated pairs",
        one.majority_accuracy,
    ),
    ModelComparison: _first_model,
}
"""For each type of result, a function that returns the accuracy, the macro-F1, a description of the measured pairs and
model, and the majority accuracy."""
