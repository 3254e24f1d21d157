"""`paper`: the five experiments of the published BERT + ResNet18 setup on one plan.

The settings found by the tuning are used in all later experiments.

Each experiment is a run in the folder `steps`. When resumed, finished experiments are read from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmsent_cli.clock import begin_command
from mmsent_cli.config import read_train_config
from mmsent_cli.experiments.ablation.ablate import ablate
from mmsent_cli.experiments.ablation.target import examine
from mmsent_cli.experiments.arms import TrainedArm
from mmsent_cli.experiments.comparison.augmentation import augment_compare
from mmsent_cli.experiments.comparison.fusions import compare_fusions
from mmsent_cli.experiments.published import published_scores
from mmsent_cli.experiments.request import ablation_subject, start_experiment
from mmsent_cli.experiments.settings import (
    AblateSettings,
    AugmentSettings,
    CompareSettings,
    PaperSettings,
    TuneSettings,
)
from mmsent_cli.experiments.tuning.tune import tune
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import PaperResult
from mmsent_cli.run_folders import BEST, CONFIG, EXPERIMENT, Run
from mmsent_cli.run_time import begin_session
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.run import execute
from mmsent_cli.training.run_folder import start_run

STEPS = "steps"
EPOCHS, TUNE_EPOCHS = 10, 5
"""Published number of epochs, and of each tuning trial. With another `--epochs`, every step has that many."""
Finish = Callable[..., Run]
"""`finish(plan, run, result, detail, command=, start=)` writes the figures, report and `result.json` of a step."""


@dataclass(frozen=True, slots=True)
class PaperDetail:
    """Data for the report in addition to the results.

    Attributes:
        fusions: the trained models of the comparison of fusions.
        drawn: the figures of all steps, by names such as `tune/tuning`.
    """

    fusions: Sequence[TrainedArm]
    drawn: dict[str, bytes]


def repeat(
    plan: Plan, settings: PaperSettings, run: Run, progress: Progress = silent, *, finish: Finish
) -> tuple[PaperResult, PaperDetail]:
    """Run the five experiments.

    Args:
        plan: data, split and settings. The number of epochs is for all steps except the tuning.
        settings: settings of `paper`.
        run: the run; its folder `steps` contains the runs of the experiments.
        progress: receives progress events.
        finish: writes the report of each step.

    Returns:
        The results with the published scores, and data for the report. Nothing is written yet.
    """
    steps = _Steps(run.path(STEPS), progress, finish)
    given = plan.given
    tuned_plan = plan.with_given(replace(given, fit=replace(given.fit, epochs=settings.tune_epochs or TUNE_EPOCHS)))
    tuned, _, tune_run = steps.run("tune", "tune", tuned_plan, TuneSettings(), tune)
    best = read_train_config(tune_run.path(tuned.best_config)).fit
    found = {name: getattr(best, name) for name in ("encoder_lr", "head_lr", "weight_decay")}
    plan = plan.with_given(replace(given, fit=replace(given.fit, **found)))

    trained, _, train_run = steps.run("train", "train", plan, None, lambda *given: (execute(plan, *given[2:]), None))
    checkpoint = train_run.path(BEST)
    target = examine(checkpoint, None, None, plan.config.runtime, progress)
    ablated, _, _ = steps.run(
        "ablate",
        "ablate",
        target.plan,
        AblateSettings(retrain=True),
        lambda _, *given: ablate(target, *given),
        ablation_subject(checkpoint, plan.config.runtime),
    )
    fusions, models, _ = steps.run(
        "fusions", "compare-fusions", plan, CompareSettings(seeds=settings.seeds), compare_fusions
    )
    augmentation, _, _ = steps.run(
        "augmentation", "augment-compare", plan, AugmentSettings(seeds=settings.seeds), augment_compare
    )
    result = PaperResult(
        tune=tuned,
        train=trained,
        ablate=ablated,
        fusions=fusions,
        augmentation=augmentation,
        published=published_scores(tuned),
    )
    return result, PaperDetail(models, steps.drawn)


class _Steps:
    """Runs the experiments one after the other, in new runs or in the unfinished runs of an interrupted `paper`."""

    def __init__(self, folder: Path, progress: Progress, finish: Finish) -> None:
        self.drawn: dict[str, bytes] = {}
        self._folder = folder
        self._progress = progress
        self._finish = finish

    def run(
        self,
        name: str,
        command: str,
        plan: Plan,
        settings: Any,
        work: Callable[..., tuple[Any, Any]],
        subject: dict[str, Any] | None = None,
    ) -> tuple[Any, Any, Run]:
        """Run one experiment and write its report. Returns its result, its detail and its run."""
        start, run = begin_command(), self._find(command)
        if run is None:
            run = self._start(command, plan, settings, subject)
        else:
            begin_session(run)
        result, detail = work(plan, settings, run, self._progress)
        done = self._finish(plan, run, result, detail, command=command, start=start)
        self.drawn |= {f"{name}/{path.stem}": path.read_bytes() for path in sorted(run.folder.glob("*.png"))}
        return result, detail, done

    def _find(self, command: str) -> Run | None:
        begun = sorted(self._folder.glob(f"*-{command}-*/{CONFIG if command == 'train' else EXPERIMENT}"))
        return Run(begun[0].parent) if begun else None

    def _start(self, command: str, plan: Plan, settings: Any, subject: dict[str, Any] | None) -> Run:
        if command == "train":
            return start_run(plan, self._folder)
        return start_experiment(plan, command, settings, self._folder, subject)
