"""`tune`: trials of settings on the same pairs, and a test of the best trial against the runner-up.

The study's database holds the whole state of each trial. So a process that was killed can be resumed, and several
processes can share the work: each ends with the same result.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmsent_cli.config import to_dict
from mmsent_cli.experiments.experiment import Experiment, seed_notes
from mmsent_cli.experiments.settings import TuneSettings
from mmsent_cli.experiments.tuning.queue import TaskList
from mmsent_cli.experiments.tuning.runner import Tuner
from mmsent_cli.experiments.tuning.search import Search
from mmsent_cli.experiments.tuning.space import configure
from mmsent_cli.experiments.tuning.study import database_errors, open_study, quiet_optuna
from mmsent_cli.experiments.tuning.trials import TrialRecord, compare_trials, describe, distinct, rank
from mmsent_cli.progress import Progress, silent
from mmsent_cli.records import Run
from mmsent_cli.results import TuneResult
from mmsent_cli.stats import verdict
from mmsent_cli.training.monitor import Monitor
from mmsent_cli.training.plan import Plan

BEST_CONFIG = "best_config.json"
STUDY = "study.db"


def tune(plan: Plan, settings: TuneSettings, run: Run, progress: Progress = silent) -> tuple[TuneResult, np.ndarray]:
    """Try settings, and write the best to `best_config.json`, which `mmsent train --config` takes.

    Training with that file repeats the best trial's first seed to the last bit.

    Args:
        plan: shared by all trials; the sequence multiplies its learning rates by factors.
        settings: strategy, space, seeds, storage.
        run: its folder keeps the trained models, and the study unless `settings` names a storage.
        progress: receives stages, models, batches and epochs.

    Returns:
        The result, not yet written, and the predictions by nested selection of each model of a complete trial: class
        numbers [M, N] of M models and N validation pairs. Both are the same in every process that shared the study.

    Raises:
        ConfigError: the space cannot be searched, the encoders do not suit one of its fusions, the storage cannot be
            opened, or the study has other settings or data.
        MmsentError: the database failed during the work.
    """
    search = Search(plan, settings)
    experiment = Experiment(plan, run, progress)
    for model in search.models:  # fail now, not after hours, if one does not suit the encoders
        experiment.workspace.model(model, plan.config.fit.seed)
    direction = "minimize" if Monitor(search.monitor).is_loss else "maximize"
    with quiet_optuna(), database_errors():
        study, storage = open_study(settings, run.path(STUDY), direction, _digest(plan, settings))
        tuner = Tuner(experiment, search, TaskList(study, storage, is_shared=settings.storage is not None))
        proposed = tuner.run()
        trials = distinct(proposed)
        result = _result(tuner, trials, len(proposed) - len(trials))
    run.write_json(BEST_CONFIG, to_dict(configure(plan, result.trials[result.best].settings)))
    return result, np.stack([model.nested for trial in trials if trial.is_complete for model in trial.models])


def _result(tuner: Tuner, trials: Sequence[TrialRecord], repeated: int) -> TuneResult:
    experiment, search = tuner.experiment, tuner.search
    plan, true = experiment.plan, experiment.true
    best, *others = rank(trials, search.monitor)
    difference = compare_trials(trials[best], trials[others[0]], true) if others else None
    setup = experiment.setup(plan.config, search.seeds)
    return TuneResult(
        strategy=search.settings.strategy,
        fusion=configure(plan, trials[best].settings).model.fusion,
        setup=replace(setup, encoder_runs=tuner.encoder_runs()),
        trials=tuple(describe(trial, number, true, search.monitor) for number, trial in enumerate(trials)),
        best=best,
        best_config=BEST_CONFIG,
        runner_up=others[0] if others else None,
        difference=difference,
        verdict="" if difference is None else verdict(difference.difference, difference.p),
        notes=(*plan.notes, *experiment.workspace.notes(), *_notes(search, repeated)),
    )


def _notes(search: Search, repeated: int) -> list[str]:
    again = [f"{repeated} of {search.total} proposals repeated the settings of an earlier trial"] if repeated else []
    return [*again, *seed_notes(len(search.seeds))]


def _digest(plan: Plan, settings: TuneSettings) -> str:
    """Digest of everything that determines a trial's metrics and the choice of trials, without locations of files.

    The number of tpe trials is left out, so that a study can be extended.
    """
    config = to_dict(plan.config)
    request = {
        "pairs": [[pair.guid, pair.tag, pair.text, pair.image_digest] for pair in plan.dataset.pairs],
        "labels": plan.dataset.labels,
        "split": plan.split.digest,
        "model": config["model"],
        "fit": config["fit"],
        "compute": [plan.compute.device_type, plan.compute.precision],
        "settings": {k: v for k, v in to_dict(settings).items() if k not in ("storage", "study", "trials")},
    }
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode("utf-8")).hexdigest()
