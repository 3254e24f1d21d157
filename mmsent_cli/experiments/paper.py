"""`paper`: repeat the five experiments of a published setup (BERT + ResNet18), and compare with the published scores.

The first experiment is a tuning. The settings that it finds are used in all later experiments.

Each experiment is a run in the folder `steps`. If `paper` is resumed, finished experiments are read from there.

The published scores are best validation accuracies of single runs on MVSA-Single. Source: the report of a student
project. The project first tuned the learning rate, and then the weight decay at the best learning rate. So the first
weight decay in its report repeats an earlier setting: 75.12 % and 74.50 % are two runs of the same setting.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmsent_cli.clock import begin_command
from mmsent_cli.config import read_train_config
from mmsent_cli.config.command_settings import (
    AblateSettings,
    AugmentSettings,
    CompareSettings,
    PaperSettings,
    TuneSettings,
)
from mmsent_cli.experiments.ablation.ablate import ablate
from mmsent_cli.experiments.ablation.target import examine
from mmsent_cli.experiments.arms import TrainedArm
from mmsent_cli.experiments.comparison import augment_compare, compare_fusions
from mmsent_cli.experiments.request import ablation_subject, start_experiment
from mmsent_cli.experiments.tuning.tune import tune
from mmsent_cli.progress import ExperimentBegun, Progress, silent
from mmsent_cli.results import PaperResult, Published, PublishedArm, PublishedTrial, TuneResult
from mmsent_cli.run_folders import BEST, CONFIG, EXPERIMENT, Run
from mmsent_cli.run_time import begin_session
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.run import execute
from mmsent_cli.training.run_folder import start_run

RATES = {
    "learning rate 1e-5": 0.7275,
    "learning rate 2e-5": None,
    "learning rate 3e-5": None,
    "learning rate 5e-5": 0.7512,
}
DECAYS = {"weight decay 1e-4": 0.7450, "weight decay 3e-4": 0.7512, "weight decay 5e-4": 0.7350}
FUSIONS = (
    PublishedArm(name="concat", accuracy=0.7462, epoch=4, train_loss=0.6147, val_loss=0.7448),
    PublishedArm(name="weighted", accuracy=0.7575, epoch=10, train_loss=0.3438, val_loss=0.7967),
    PublishedArm(name="self-attention", accuracy=0.7512, epoch=3, train_loss=0.6687, val_loss=0.7391),
    PublishedArm(name="early", accuracy=0.7488, epoch=9, train_loss=0.3992, val_loss=0.9907),
    PublishedArm(name="clip", accuracy=0.7063, epoch=9, train_loss=0.4233, val_loss=0.8834),
    PublishedArm(name="blip", accuracy=0.7438, epoch=4, train_loss=0.6333, val_loss=0.7472),
    PublishedArm(name="blip-advanced", accuracy=0.7462, epoch=4, train_loss=0.5670, val_loss=0.7683),
)


def published_scores(tuned: TuneResult) -> Published:
    """Return the published scores. Each tuning step has the number of the trial in `tuned` that repeats it."""
    rates = [trial for trial in tuned.trials if trial.phase == "rates"]
    decays = [trial for trial in tuned.trials if trial.phase == "decays"]
    kept = {name: value for name, value in decays[0].settings.items() if name != "weight_decay"}
    best_rate = next(trial for trial in rates if kept.items() <= trial.settings.items())
    steps = [
        *zip(RATES.items(), rates, strict=True),
        *zip(DECAYS.items(), (best_rate, *decays), strict=True),
    ]
    return Published(
        name="the published BERT + ResNet18 setup",
        source="report of a student project on MVSA-Single (Niu et al. 2016); no public address of it is known",
        set_up="BERT-base and ResNet18, the last two text layers and the last image stage trained, 10 epochs, one seed",
        val_pairs=800,
        tune=tuple(
            PublishedTrial(name=name, accuracy=accuracy, trial=trial.number) for (name, accuracy), trial in steps
        ),
        train=0.7538,
        ablation={"both": 0.7538, "text": 0.5988, "image": 0.6488},
        fusions=FUSIONS,
        augmentation=(PublishedArm(name="none", accuracy=0.7438), PublishedArm(name="standard", accuracy=0.7500)),
        repeated=(0.7512, 0.7450),
    )


STEPS = "steps"
EXPERIMENTS = 5
TUNE_EPOCHS = 5
"""Published number of epochs per tuning trial."""
Finish = Callable[..., Run]
"""A function that writes the figures, the report and the `result.json` of an experiment. It is called as
`finish(plan, run, result, detail, command=, start=)`, and returns the finished run."""


@dataclass(frozen=True, slots=True)
class PaperDetail:
    """Additional data for the report.

    Attributes:
        fusions: the trained models of the comparison of fusions.
        drawn: the PNG figures of all experiments. Their keys are names such as `tune/tuning`.
    """

    fusions: Sequence[TrainedArm]
    drawn: dict[str, bytes]


def repeat(
    plan: Plan, settings: PaperSettings, run: Run, progress: Progress = silent, *, finish: Finish
) -> tuple[PaperResult, PaperDetail]:
    """Run the five experiments.

    Args:
        plan: data, split and settings. The number of epochs applies to all experiments except the tuning.
        settings: settings of `paper`.
        run: the run; its folder `steps` contains the runs of the experiments.
        progress: receives progress events.
        finish: a function that writes the report of an experiment.

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
    """Runs the experiments one after the other. Runs that an interrupted `paper` has begun are continued."""

    def __init__(self, folder: Path, progress: Progress, finish: Finish) -> None:
        self.drawn: dict[str, bytes] = {}
        self._begun = 0
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
        """Run one experiment, and write its report.

        Returns:
            The result, additional data that `work` made for the report, and the finished run.
        """
        self._begun += 1
        self._progress(ExperimentBegun(command, self._begun, EXPERIMENTS))
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
