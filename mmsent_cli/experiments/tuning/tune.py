"""`tune`: try settings on the same pairs, and test the difference between the two best trials.

A database contains the complete state of each trial. So a tuning can be resumed, and several processes can share the
trials of one tuning. All these processes return the same result.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmsent_cli.config import to_dict
from mmsent_cli.config.command_settings import TuneSettings
from mmsent_cli.errors import MmsentError
from mmsent_cli.experiments.experiment import Experiment, seed_notes
from mmsent_cli.experiments.tuning.runner import (
    ENCODER_RATE,
    Search,
    TrialRecord,
    Tuner,
    compare_trials,
    describe,
    distinct,
    rank,
)
from mmsent_cli.experiments.tuning.space import Value, configure
from mmsent_cli.experiments.tuning.study import TaskList, database_errors, open_study, quiet_optuna
from mmsent_cli.model import trains_encoders
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import NOT_DISTINGUISHABLE, TrialResult, TuneResult, has_learned_nothing, noted
from mmsent_cli.run_folders import Run
from mmsent_cli.stats import few_pairs_notes, holm, verdict
from mmsent_cli.training.describe import what_to_try
from mmsent_cli.training.metrics import Monitor
from mmsent_cli.training.plan import Plan

LISTED_PHASES = ("rates", "decays", "grid")
"""Phases of a tuning that try values from a list. The phase `tpe` is not among them: its sampler prefers values near
good values, so the largest and the smallest tried value mean little."""
DIGITS = 2


def edge_notes(plan: Plan, trials: Sequence[TrialResult], best: int) -> list[str]:
    """Return a note for each setting whose best value is the largest or the smallest that was tried.

    The note has the next value to try. There is no note if the best trial has learned nothing, or if a trial with the
    neighbouring value has the same accuracy.

    Args:
        plan: pairs and settings of all trials.
        trials: all trials.
        best: the number of the best trial.
    """
    if trials[best].phase not in LISTED_PHASES or has_learned_nothing(trials[best].findings):
        return []
    return [note for name in trials[best].settings for note in _edge(plan, trials, trials[best], name)]


def _edge(plan: Plan, trials: Sequence[TrialResult], best: TrialResult, name: str) -> Iterator[str]:
    chosen = best.settings
    value = chosen[name]
    tried = sorted({other for trial in trials if not isinstance(other := trial.settings.get(name), str | None)})
    if isinstance(value, str) or len(tried) < 2 or value not in (tried[0], tried[-1]):
        return
    is_largest = value == tried[-1]
    near = tried[-2] if is_largest else tried[1]
    if any(trial.settings.get(name) == near and trial.accuracy == best.accuracy for trial in trials):
        return
    step = _beyond(value, near)
    where = "largest" if is_largest else "smallest"
    if step is not None and step != value and _is_valid(plan, {**chosen, name: step}):
        yield f"the best {name}, {value:g}, is the {where} tried: try {step:g}"


def _beyond(value: float | int, near: float | int) -> float | int | None:
    """Return the next value to try: `value * value / near`; None if one of these two values is 0.

    `value` is the best value, and `near` is the tried value next to it.
    """
    if not value or not near:
        return None
    step = float(f"{value * value / near:.{DIGITS}g}")
    return max(1, round(step)) if isinstance(value, int) else step


def _is_valid(plan: Plan, settings: dict[str, Value]) -> bool:
    try:
        configure(plan, settings)
    except MmsentError:
        return False
    return True


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
        The result, and class numbers [M, N]: the predictions of the M models of complete trials for the N validation
        pairs, by nested selection. The result is not written yet.

    Raises:
        ConfigError: the space cannot be searched, a fusion cannot use the encoders, the database cannot be opened, or
            the trials in it have other settings or data.
        MmsentError: the database failed.
    """
    search = Search(plan, settings)
    experiment = Experiment(plan, run, progress)
    # All models are built now, so that a fusion that cannot use the encoders fails now, not after hours.
    built = [trains_encoders(experiment.workspace.model(model, plan.config.fit.seed)) for model in search.models]
    if not any(built):
        search = search.with_frozen_encoders()
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
    plan, true, monitor = experiment.plan, experiment.true, search.monitor
    labels = plan.dataset.labels
    best, *others = rank(trials, monitor)
    rows = tuple(
        describe(trial, number, true, labels, monitor, what_to_try(configure(plan, trial.settings).fit))
        for number, trial in enumerate(trials)
    )
    setup = experiment.setup(plan.config, search.seeds)
    findings = rows[best].findings
    ties = [other for other in others if trials[other].value(monitor) == trials[best].value(monitor)]
    return TuneResult(
        strategy=search.settings.strategy,
        fusion=configure(plan, trials[best].settings).model.fusion,
        setup=replace(setup, encoder_runs=tuner.encoder_runs()),
        trials=rows,
        best=best,
        best_config=BEST_CONFIG,
        ties=tuple(sorted([best, *ties])) if ties else (),
        undecided=_undecided(trials, best, others, true, len(labels)),
        findings=findings,
        notes=noted(
            findings,
            (
                *edge_notes(plan, rows, best),
                *plan.notes,
                *experiment.workspace.notes(),
                *_notes(search, repeated),
                *few_pairs_notes(true, labels),
            ),
        ),
        **_runner_up(trials, best, others, true, len(labels)),
    )


def _runner_up(
    trials: Sequence[TrialRecord], best: int, others: Sequence[int], true: np.ndarray, classes: int
) -> dict[str, Any]:
    """Return the difference between the two best trials, as values of fields of `TuneResult`."""
    if not others:
        return {}
    accuracy, macro_f1 = compare_trials(trials[best], trials[others[0]], true, classes)
    return {
        "runner_up": others[0],
        "difference": accuracy,
        "verdict": verdict(accuracy.difference, accuracy.p),
        "macro_f1_difference": macro_f1,
        "macro_f1_verdict": verdict(macro_f1.difference, macro_f1.p),
    }


def _undecided(
    trials: Sequence[TrialRecord], best: int, others: Sequence[int], true: np.ndarray, classes: int
) -> tuple[int, ...]:
    """Return the numbers of the trials that differ from the best trial neither in accuracy nor in macro-F1.

    The differences are tested with p values that are adjusted by Holm's method.
    """
    gaps = [compare_trials(trials[best], trials[other], true, classes, len(others)) for other in others]
    adjusted = [holm([gap.p for gap in metric]) for metric in zip(*gaps, strict=True)]
    names = [
        other
        for other, pair, ps in zip(others, gaps, zip(*adjusted, strict=True), strict=True)
        if all(verdict(gap.difference, p) == NOT_DISTINGUISHABLE for gap, p in zip(pair, ps, strict=True))
    ]
    return tuple(sorted(names))


def _notes(search: Search, repeated: int) -> list[str]:
    again = [f"{repeated} of {search.total} proposals repeated the settings of an earlier trial"] if repeated else []
    named = any(item.name == ENCODER_RATE for item in search.space)
    unused = [f"{ENCODER_RATE} has no effect: the encoders are frozen"] if named and search.is_frozen else []
    return [*again, *unused, *seed_notes(len(search.seeds))]


def _digest(plan: Plan, settings: TuneSettings) -> str:
    """Return a SHA-256 digest of everything that affects the trials and their metrics.

    Locations of files do not affect the digest. The number of trials is left out too, so that the strategy `tpe` can
    add trials to an existing study.
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
