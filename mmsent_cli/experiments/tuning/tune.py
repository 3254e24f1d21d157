"""`tune`: settings tried on the same pairs, and whether the best are really better than the next.

All that is known of a trial is in the study's database, so a killed process goes on where it was, and several may
share the work: each ends with the same result.
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
from mmsent_cli.experiments.tuning.trials import Tried, compare_trials, describe, distinct, rank
from mmsent_cli.progress import Progress, silent
from mmsent_cli.records import Run
from mmsent_cli.results import TuneResult
from mmsent_cli.stats import verdict
from mmsent_cli.training.plan import Plan

BEST_CONFIG = "best_config.json"
STUDY = "study.db"


def tune(plan: Plan, settings: TuneSettings, run: Run, progress: Progress = silent) -> tuple[TuneResult, np.ndarray]:
    """Try settings, and write the best to `best_config.json`, which `mmsent train --config` takes.

    Training with that file repeats the best trial's first seed to the last bit.

    Args:
        plan: what all trials share; its epochs are a trial's, its learning rates the base of the sequence's factors.
        settings: strategy, space, seeds, storage.
        run: folder that keeps the trained models, and the study unless that has a storage of its own.
        progress: receives stages, models, batches and epochs.

    Returns:
        The result, not yet written, and what each model of a complete trial predicts by nested selection, class
        numbers [M, N] of M models and N validation pairs. Both are the same in every process that shared the study.

    Raises:
        ConfigError: a space that cannot be searched, encoders that do not suit a fusion in it, a storage that cannot
            be opened, a study of something else.
        MmsentError: the database failed in the middle.
    """
    search = Search(plan, settings)
    experiment = Experiment(plan, run, progress)
    for model in search.models:  # what does not suit the encoders shall not be found after hours
        experiment.bench.model(model, plan.config.fit.seed)
    direction = "minimize" if search.monitor == "loss" else "maximize"
    with quiet_optuna(), database_errors():
        study, storage = open_study(settings, run.path(STUDY), direction, _digest(plan, settings))
        tuner = Tuner(experiment, search, TaskList(study, storage, is_shared=settings.storage is not None))
        proposed = tuner.run()
        tried = distinct(proposed)
        result = _result(tuner, tried, len(proposed) - len(tried))
    run.write_json(BEST_CONFIG, to_dict(configure(plan, result.trials[result.best].settings)))
    return result, np.stack([model.nested for trial in tried if trial.is_complete for model in trial.models])


def _result(tuner: Tuner, tried: Sequence[Tried], repeated: int) -> TuneResult:
    experiment, search = tuner.experiment, tuner.search
    plan, true = experiment.plan, experiment.true
    best, *others = rank(tried, search.monitor)
    difference = compare_trials(tried[best], tried[others[0]], true) if others else None
    setup = experiment.setting(plan.config, search.seeds)
    return TuneResult(
        strategy=search.settings.strategy,
        fusion=configure(plan, tried[best].settings).model.fusion,
        setup=replace(setup, encoder_runs=tuner.encoder_runs()),
        trials=tuple(describe(trial, number, true, search.monitor) for number, trial in enumerate(tried)),
        best=best,
        best_config=BEST_CONFIG,
        runner_up=others[0] if others else None,
        difference=difference,
        verdict="" if difference is None else verdict(difference.difference, difference.p),
        notes=(*plan.notes, *experiment.bench.notes(), *_notes(search, repeated)),
    )


def _notes(search: Search, repeated: int) -> list[str]:
    again = [f"{repeated} of {search.total} proposals repeated settings that were tried before"] if repeated else []
    return [*again, *seed_notes(len(search.seeds))]


def _digest(plan: Plan, settings: TuneSettings) -> str:
    """Of all that a trial's figures depend on, and of how trials are chosen; not of where things lie.

    More proposals of tpe make no other study, so one can be extended.
    """
    config = to_dict(plan.config)
    told = {
        "pairs": [[pair.guid, pair.tag, pair.text, pair.image_digest] for pair in plan.dataset.pairs],
        "labels": plan.dataset.labels,
        "split": plan.split.digest,
        "model": config["model"],
        "fit": config["fit"],
        "compute": [plan.compute.device_type, plan.compute.precision],
        "settings": {k: v for k, v in to_dict(settings).items() if k not in ("storage", "study", "trials")},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode("utf-8")).hexdigest()
