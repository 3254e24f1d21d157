"""Suggest commands to run after a finished run. The commands work from any folder.

Modules that import the training are imported inside functions, since they are not needed after a prediction.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mmsent_cli.config import COLUMNS, DataConfig, ResolvedFit, build, to_dict
from mmsent_cli.data import frames
from mmsent_cli.data.layouts import count_unlabelled, locate
from mmsent_cli.errors import DataError
from mmsent_cli.outputs import STANDARD_OUTPUT
from mmsent_cli.printed_commands import command_line
from mmsent_cli.results import (
    AblateResult,
    CheckResult,
    CompareResult,
    EncodingResult,
    EvaluateResult,
    ExplainResult,
    ModelComparison,
    PaperResult,
    PredictResult,
    TuneResult,
    has_learned_nothing,
)
from mmsent_cli.results.training import TrainedResult
from mmsent_cli.run_folders import BEST, CONFIG, EXPERIMENT, Run, own_config

DEFAULT_RUNS = Path("runs")
CHECKED_OPTIONS = "options"
"""Section of a check's configuration with the options that the user gave, and the path of the data."""
SAMPLE_TEXT = "what a day"
WAY_ON = "--on-bad drop"
EXPLAINED = 3
"""Number of pairs to explain if a file was predicted."""


def next_commands(run: Run, result: Any) -> list[str]:
    """Return the suggested commands after a run.

    Args:
        run: a finished run.
        result: the result of the run.
    """
    if isinstance(result, PaperResult):
        return [_after_training(run, Run(Path(result.train.run)), result.train)]
    if isinstance(result, TrainedResult):
        return [_after_training(run, run, result)]
    if isinstance(result, TuneResult):
        best, tuned = run.path(result.best_config), result.trials[0].settings
        again = has_learned_nothing(result.findings)
        return [_train_again(run, best, tuned) if again else command_line("train", {"config": best, **_runs_dir(run)})]
    if isinstance(result, CompareResult):
        return [_train_arm(run, result)]
    if isinstance(result, CheckResult):
        if result.errors:
            is_enough = all(WAY_ON in one.advice for one in result.errors)
            return [_checked(run, "check", {"on_bad": "drop"})] if is_enough else []
        return [_checked(run, "train", {}) if result.can_train else _predict_checked(run)]
    if isinstance(result, EncodingResult):
        return [_checked(run, "check", {} if result.decided else {"encoding": result.encoding})]
    if isinstance(result, EvaluateResult):
        return _ablate(run, Path(result.subject))
    if isinstance(result, ExplainResult):
        return _ablate(run, Path(result.checkpoint))
    if isinstance(result, ModelComparison):
        best = max(result.models, key=lambda model: model.accuracy.value)
        return _use(run, Path(best.sources[0]).parent)
    return _retrain(run, result) if isinstance(result, AblateResult) else []


def after_predict(result: PredictResult, given: Mapping[str, Any], text: str | None, image: Path | None) -> list[str]:
    """Return the command that explains the single prediction, or the first predictions of a file.

    Args:
        result: the result of the prediction.
        given: the settings of `DataConfig` with which the file was predicted.
        text, image: text and image of the single pair.
    """
    which: dict[str, Any] = {"text": text, "image": image}
    if result.out is not None:
        if given.get("data") == STANDARD_OUTPUT:  # standard input, which is read
            return []
        which = {**given, "data": Path(locate(given.get("data")).path), "pairs": EXPLAINED}
    return [command_line("explain", {"checkpoint": Path(result.checkpoint), **which})]


def after_split(path: Path, given: Mapping[str, Any], has_folds: bool) -> str:
    """Return the command that trains with a split file.

    Args:
        path: the split file.
        given: the settings of `DataConfig` with which the split was made.
        has_folds: True if the file has folds. Then the command names a fold.
    """
    data = {**given, "data": locate(given.get("data")).path}
    return command_line("train", {**data, "split": path, "fold": 1 if has_folds else None})


def _predict(run: Run) -> str:
    """Suggest predicting the unlabelled pairs of the training data. If there are none, suggest predicting a text."""
    config = build(DataConfig, run.read_json(CONFIG)["data"])
    if not _has_unlabelled(config):
        return command_line("predict", {"checkpoint": run.folder, "text": SAMPLE_TEXT})
    usual, own = to_dict(DataConfig()), to_dict(config)
    kept = {name: own[name] for name in own if name not in ("data", "labels", "limit", *COLUMNS)}
    changed = {name: value for name, value in kept.items() if value != usual[name]}
    where = {"checkpoint": run.folder, "data": Path(config.data or "")}
    return command_line("predict", {**where, **changed, "out": _free_name()})


def _has_unlabelled(config: DataConfig) -> bool:
    if config.data in (None, frames.NAME):
        return False
    try:
        return count_unlabelled(locate(config.data), config)[0] > 0
    except DataError:
        return False


def _free_name() -> str:
    """Return `submission.txt`, with a number if this file exists in the current folder."""
    names = ("submission.txt", *(f"submission-{number}.txt" for number in range(2, 1000)))
    return next(name for name in names if not Path(name).exists())


def _ablate(run: Run, checkpoint: Path) -> list[str]:
    """Suggest an ablation of a checkpoint. If the model cannot be ablated, suggest predicting a text."""
    if checkpoint.suffix != ".pt":  # predictions of another program
        return []
    own = own_config(checkpoint)
    if own is None or own.model.fusion.endswith("-only"):
        return [command_line("predict", {"checkpoint": checkpoint, "text": SAMPLE_TEXT})]
    return [command_line("ablate", {"checkpoint": checkpoint, **_runs_dir(run)})]


def _use(run: Run, folder: Path) -> list[str]:
    """Suggest predicting with the model of a run, if the folder is a run with a model."""
    model = Run(folder)
    return [_predict(model)] if model.path(CONFIG).is_file() and model.path(BEST).is_file() else []


def _after_training(run: Run, trained: Run, result: TrainedResult) -> str:
    """Suggest predicting with a trained model. If the model has learned nothing, suggest training again."""
    return _train_again(run, trained.path(CONFIG)) if has_learned_nothing(result.findings) else _predict(trained)


def _train_again(run: Run, config: Path, tuned: Collection[str] = ()) -> str:
    """Suggest training with settings that may help a model that has learned nothing.

    The settings in `tuned` are not changed, since `tune` has already tried other values.
    """
    from mmsent_cli.training.describe import next_settings

    fit = build(ResolvedFit, Run(config.parent).read_json(config.name)["fit"])
    changed = {name: value for name, value in next_settings(fit).items() if name not in tuned}
    return command_line("train", {"config": config, **changed, **_runs_dir(run)})


def _train_arm(run: Run, result: CompareResult) -> str:
    """Suggest training with the fusion and the augmentation that a comparison has chosen."""
    chosen = {"fusion": result.chosen.fusion, "augmentation": result.chosen.augmentation}
    return command_line("train", {"config": run.folder, **chosen, **_runs_dir(run)})


def _checked(run: Run, command: str, changed: Mapping[str, Any]) -> str:
    """Suggest a command for the checked pairs. It has the options of the check, but `changed` replaces some of them."""
    options = run.read_json(CONFIG)[CHECKED_OPTIONS]
    if options.get("data") == frames.NAME:
        return f"{command}(data, runs_dir={str(run.folder.absolute().parent)!r}), with the same data"
    return command_line(command, {**options, "data": Path(options["data"]), **changed, **_runs_dir(run)})


def _predict_checked(run: Run) -> str:
    """Suggest predicting the checked pairs, which have no labels."""
    options = run.read_json(CONFIG)[CHECKED_OPTIONS]
    if options.get("data") == frames.NAME:
        return "predict(data, out='submission.txt'), with the same data"
    names = {*COLUMNS, "encoding", "on_bad"} - {"tag_column"}
    kept = {name: value for name, value in options.items() if name in names}
    return command_line("predict", {**kept, "data": Path(options["data"]), "out": _free_name(), **_runs_dir(run)})


def _retrain(run: Run, result: AblateResult) -> list[str]:
    """Suggest an ablation with `--retrain`, unless it was done, or other pairs than the run's own were evaluated."""
    from mmsent_cli.experiments.request import read_request

    subject = read_request(run.path(EXPERIMENT)).subject
    if subject["data"] is not None or any(arm.method == "retrained" for arm in result.arms):
        return []
    options = {"checkpoint": Path(subject["checkpoint"]), "retrain": True}
    return [command_line("ablate", {**options, **_runs_dir(run)})]


def _runs_dir(run: Run) -> dict[str, Path]:
    """Return the option for the folder of all runs, if this folder is not the default folder."""
    runs = run.folder.absolute().parent
    return {} if runs == DEFAULT_RUNS.absolute() else {"runs_dir": runs}
