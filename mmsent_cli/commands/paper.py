"""`mmsent paper`: all of system A's experiments in one go, and our figures beside the published ones."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsent_cli.commands.ablate import ablation_subject, write_ablation
from mmsent_cli.commands.experiment import (
    FOLDS_ONLY,
    Config,
    Resume,
    model_groups,
    open_experiment,
    print_result_json,
    read_base,
    repeat_command,
    write_comparison,
    write_outputs,
)
from mmsent_cli.commands.options import Json, RunsDir, options
from mmsent_cli.commands.system_a import published_by_system_a
from mmsent_cli.commands.train import SECTIONS
from mmsent_cli.commands.train import write_outputs as write_training
from mmsent_cli.commands.tune import EPOCHS as TUNE_EPOCHS
from mmsent_cli.commands.tune import write_tuning
from mmsent_cli.config import FitConfig, read_train_config
from mmsent_cli.experiments.settings import (
    AblateSettings,
    AugmentSettings,
    CompareSettings,
    PaperSettings,
    TuneSettings,
)
from mmsent_cli.progress import Progress
from mmsent_cli.records import BEST, CONFIG, EXPERIMENT, Run

if TYPE_CHECKING:
    from mmsent_cli.experiments.trained_arm import TrainedArm
    from mmsent_cli.results import AblateResult, CompareResult, TrainResult, TuneResult
    from mmsent_cli.training.plan import Plan

COMMAND = "paper"
EPOCHS = 10
"""System A's, for all but the tuning."""
STEPS = "steps"
"""Folder of the five experiments, each a run of its own."""


@options(PaperSettings, *SECTIONS, omit=FOLDS_ONLY | {"augmentation"})
def paper(
    given: dict[type, dict[str, Any]],
    config: Config = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Repeat system A: tune, train, ablate, compare-fusions, augment-compare; one report beside its figures."""
    from mmsent_cli.reports.outputs import print_result, run_files
    from mmsent_cli.reports.progress import ProgressView
    from mmsent_cli.results import PaperResult
    from mmsent_cli.training.run import ENVIRONMENT, cleanup_on_failure

    if resume is None and not read_base(config, COMMAND)[1]:
        given[FitConfig] = {"epochs": EPOCHS, **given[FitConfig]}
    start = time.perf_counter()
    with ProgressView() as progress:
        plan, settings, run = open_experiment(COMMAND, PaperSettings, given, config, resume, runs_dir, progress)
        with cleanup_on_failure(run, is_new=resume is None, command=COMMAND):
            work = Repetition(plan, settings, run.path(STEPS), progress)
            tuned = work.tune()
            trained, checkpoint = work.train()
            ablated = work.ablate(checkpoint)
            fusions, models = work.compare_fusions()
            augmentation = work.augment_compare()
    seconds = time.perf_counter() - start
    result = PaperResult(
        tune=tuned,
        train=trained,
        ablate=ablated,
        fusions=fusions,
        augmentation=augmentation,
        published=published_by_system_a(tuned),
    )
    outputs = run_files(
        result,
        config=run.read_json(CONFIG),
        environment=run.read_json(ENVIRONMENT),
        groups=model_groups(plan, models),
        command=repeat_command(COMMAND, run),
        seconds=seconds,
    )
    files = write_outputs(run, result, outputs)
    if json:
        print_result_json(run, result, seconds)
    else:
        print_result(result, folder=run.folder, files=files, seconds=seconds)


class Repetition:
    """The five experiments on one plan; what an interrupted repetition finished is read back, not done again.

    Args:
        plan: data, split and settings, with the epochs of all but the tuning.
        settings: how many seeds.
        folder: keeps the experiments' runs.
        progress: receives what happens.
    """

    def __init__(self, plan: "Plan", settings: PaperSettings, folder: Path, progress: Progress) -> None:
        self.plan = plan
        self.settings = settings
        self.folder = folder
        self.progress = progress
        self.start = time.perf_counter()

    def tune(self) -> "TuneResult":
        """System A's sequence; the plan goes on with the rates and the decay found."""
        from mmsent_cli.experiments.tuning import tune as experiments

        asked = self.plan.asked
        plan = self.plan.asking(replace(asked, fit=replace(asked.fit, epochs=TUNE_EPOCHS)))
        settings = TuneSettings()
        run = self._run("tune", plan, settings)
        result, predicted = experiments.tune(plan, settings, run, self.progress)
        write_tuning(plan, run, result, predicted, self._seconds())
        best = read_train_config(run.path(result.best_config)).fit
        found = {name: getattr(best, name) for name in ("encoder_lr", "head_lr", "weight_decay")}
        self.plan = self.plan.asking(replace(asked, fit=replace(asked.fit, **found)))
        return result

    def train(self) -> tuple["TrainResult", Path]:
        """One model with what was found; its result and its checkpoint."""
        from mmsent_cli.training.run import execute

        run = self._run("train", self.plan, None)
        result = write_training(execute(self.plan, run, self.progress), self.plan, run)
        return result, run.path(BEST)

    def ablate(self, checkpoint: Path) -> "AblateResult":
        """The trained model without each modality, and models trained on one."""
        from mmsent_cli.experiments.ablation import ablate as experiments
        from mmsent_cli.experiments.ablation.target import examine

        settings = AblateSettings(retrain=True)
        examined = examine(checkpoint, None, None, self.plan.config.runtime, self.progress)
        run = self._run("ablate", examined.plan, settings, checkpoint)
        result, detail = experiments.ablate(examined, settings, run, self.progress)
        write_ablation(examined, run, result, detail, self._seconds())
        return result

    def compare_fusions(self) -> tuple["CompareResult", "list[TrainedArm]"]:
        """The seven fusions; also the trained models, for examples."""
        from mmsent_cli.experiments.comparison import fusions as experiments

        settings = CompareSettings(seeds=self.settings.seeds)
        run = self._run("compare-fusions", self.plan, settings)
        result, models = experiments.compare_fusions(self.plan, settings, run, self.progress)
        write_comparison("compare-fusions", self.plan, run, result, models, self._seconds())
        return result, models

    def augment_compare(self) -> "CompareResult":
        """System A's augmentation against none."""
        from mmsent_cli.experiments.comparison import augmentation as experiments

        settings = AugmentSettings(seeds=self.settings.seeds)
        run = self._run("augment-compare", self.plan, settings)
        result, models = experiments.augment_compare(self.plan, settings, run, self.progress)
        write_comparison("augment-compare", self.plan, run, result, models, self._seconds())
        return result

    def _run(self, command: str, plan: "Plan", settings: Any, checkpoint: Path | None = None) -> Run:
        """The run that an interrupted repetition began, else a new one."""
        from mmsent_cli.experiments.request import start_experiment
        from mmsent_cli.training.run import start_run

        begun = sorted(self.folder.glob(f"*-{command}-*/{CONFIG if command == 'train' else EXPERIMENT}"))
        if begun:
            return Run(begun[0].parent)
        if command == "train":
            return start_run(plan, self.folder)
        subject = None if checkpoint is None else ablation_subject(checkpoint, plan.config.runtime)
        return start_experiment(plan, command, settings, self.folder, subject)

    def _seconds(self) -> float:
        """Since the last step was done."""
        before, self.start = self.start, time.perf_counter()
        return self.start - before
