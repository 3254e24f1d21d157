"""Execute a training run with one validation split."""

import time
from dataclasses import replace
from typing import Any

from mmsent_cli.compute import processes
from mmsent_cli.features.table import Table
from mmsent_cli.fusion import find_fusion
from mmsent_cli.model import SentimentModel
from mmsent_cli.progress import Epoch, ModelBegun, ModelDone, Progress, silent
from mmsent_cli.results import Finding, TrainResult, noted
from mmsent_cli.run_folders import BEST, LAST, Run
from mmsent_cli.stats import few_pairs_notes, modality_findings
from mmsent_cli.training.checkpoints import (
    Description,
    fit_state,
    load_trained,
    read_checkpoint,
    require_same_frozen,
    save_checkpoint,
    save_last,
)
from mmsent_cli.training.describe import describe_run, findings_of, run_facts, what_to_try
from mmsent_cli.training.exchange import exchange_modalities
from mmsent_cli.training.loop import Trainer
from mmsent_cli.training.metrics import majority_accuracy
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.predictions import METRICS, write_predictions
from mmsent_cli.training.workspace import Workspace


def execute(plan: Plan, run: Run, progress: Progress = silent) -> TrainResult:
    """Compute features, train the model, and save the best and the last epoch.

    Args:
        plan: the plan, from `plan_run`.
        run: the run. If its folder has a `last.pt`, training continues from there.
        progress: receives progress events.

    Returns:
        The result. `result.json` is not written yet.
    """
    start = time.perf_counter()
    workspace = Workspace(plan, progress)
    model, table, trainer = workspace.trainer(plan.config)
    prepare_seconds = time.perf_counter() - start
    description = describe_run(plan, run, model, workspace.vocabulary)
    _resume_last(trainer, model, run)
    name, fit = plan.config.model.fusion, plan.config.fit
    progress(ModelBegun(name, fit.seed, 1, 1, fit.epochs))
    for result in trainer.fit(progress, name):
        if result.is_best and run.is_writable:
            save_checkpoint(run.path(BEST), model, description, result.epoch, plan.config.runtime.save_all)
        run.write_lines(METRICS, trainer.history)
        if run.is_writable:
            save_last(run.path(LAST), description, trainer.state())
        progress(Epoch(name, fit.seed, result))
    write_predictions(run, plan, table, trainer)
    findings = _judge(plan, run, table, trainer, description)
    times = prepare_seconds, time.perf_counter() - start
    few = few_pairs_notes(trainer.best.targets, plan.dataset.labels)
    facts = run_facts(plan, run, model, times, (*workspace.notes(), *few))
    result = _result(plan, table, trainer, {**facts, "findings": findings, "notes": noted(findings, facts["notes"])})
    progress(ModelDone(name, fit.seed, result.accuracy, result.macro_f1))
    return result


def _resume_last(trainer: Trainer, model: SentimentModel, run: Run) -> None:
    """Continue from the run's `last.pt`, if it exists."""
    if not run.path(LAST).is_file():
        return
    content = read_checkpoint(run.path(LAST))
    state = fit_state(content)
    require_same_frozen(model, content["frozen"], run.path(LAST))
    load_trained(model, state.model, run.path(LAST))
    trainer.load(state)
    # `metrics.jsonl` has one line more than `last.pt` has epochs, if the run was killed between the two writes.
    run.write_lines(METRICS, state.history)


def _judge(plan: Plan, run: Run, table: Table, trainer: Trainer, description: Description) -> tuple[Finding, ...]:
    """Return findings about the model of the best epoch, and add them to its checkpoint."""
    best, path = trainer.best, run.path(BEST)
    processes.meet()  # afterwards, the first process has written the best model
    model: SentimentModel = trainer.accelerator.unwrap_model(trainer.model)
    load_trained(model, read_checkpoint(path)["state"], path)
    findings = findings_of(plan, best.targets, best.logits.argmax(axis=1), table.targets[list(table.train)])
    if not findings and not find_fusion(plan.config.model.fusion).is_reference:
        predicted, exchanged = exchange_modalities(model, trainer.val_loader, trainer.accelerator)
        findings = modality_findings(predicted, exchanged, what_to_try(plan.config.fit))
    if findings and run.is_writable:
        epoch = trainer.monitor.best(trainer.history).epoch
        save_checkpoint(path, model, replace(description, findings=findings), epoch, plan.config.runtime.save_all)
    return findings


def _result(plan: Plan, table: Table, trainer: Trainer, facts: dict[str, Any]) -> TrainResult:
    """Make the result of a finished training. `facts` are from `run_facts`."""
    labels, targets = plan.dataset.labels, table.targets
    best, last = trainer.best.metrics(labels), trainer.last.metrics(labels)
    return TrainResult(
        accuracy=best.accuracy,
        macro_f1=best.macro_f1,
        majority_accuracy=majority_accuracy(targets[list(table.train)].tolist(), targets[list(table.val)].tolist()),
        best_epoch=trainer.monitor.best(trainer.history).epoch,
        epochs=len(trainer.history),
        best=best,
        last=last,
        history=tuple(trainer.history),
        train_pairs=len(table.train),
        val_pairs=len(table.val),
        **facts,
    )
