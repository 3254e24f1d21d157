"""`tune`: try settings on the same pairs, and test the difference between the best two trials.

A database contains the complete state of each trial. So a tuning can be resumed, and several processes can share it;
all of them return the same result.
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
    """Try settings, and write the best ones to `best_config.json`, for `mmsent train --config`.

    Training with this file repeats the best trial with its first seed exactly.

    Args:
        plan: pairs and settings of all trials.
        settings: settings of `tune`.
        run: the run. Trained models are kept in its folder, and also the database if `settings` has no storage.
        progress: receives progress events.

    Returns:
        The result, and the class numbers [M, N] that M models (of complete trials) predict for N validation pairs by
        nested selection. The result is not written yet.

    Raises:
        ConfigError: the space cannot be searched, a fusion cannot use the encoders, the database cannot be opened, or
            it has other settings or data.
        MmsentError: the database failed.
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
    """Return a digest of everything that determines the trials and their metrics, without locations of files.

    The number of trials of `tpe` is left out, so that trials can be added to a study.
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
