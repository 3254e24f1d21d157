"""Start and resume the folder of a run, and clean it up if the work fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmsent_cli.compute import processes
from mmsent_cli.compute.threads import describe_gpu
from mmsent_cli.config import to_dict, train_config
from mmsent_cli.data import frames
from mmsent_cli.data.findings import FINDINGS, findings_csv
from mmsent_cli.data.layouts import Source
from mmsent_cli.data.split import Split, read_split, write_split
from mmsent_cli.environment import environment
from mmsent_cli.errors import CheckpointError, ConfigError, MmsentError
from mmsent_cli.files import with_way_on
from mmsent_cli.interrupts import advice
from mmsent_cli.printed_commands import command_line
from mmsent_cli.progress import Progress, silent
from mmsent_cli.run_folders import (
    CONFIG,
    ENVIRONMENT,
    EXPERIMENT,
    SPLIT,
    Run,
    create_run,
    discard_run,
    find_run,
    remove_unfinished,
    unfinished_runs,
)
from mmsent_cli.run_time import begin_session, session
from mmsent_cli.training.plan import Plan, plan_run, require_several_models

NO_EFFECT_ON_METRICS = ("cache_dir", "figure_format", "jobs", "lang", "log", "no_examples", "save_all", "workers")
"""Settings that do not affect the metrics of a run."""


def start_run(
    plan: Plan, runs_dir: Path, command: str = "train", request: Any = None, preset: str | None = None
) -> Run:
    """Create the run folder, and write configuration, environment and split.

    Args:
        plan: the plan of the run.
        runs_dir: the folder of all runs.
        command: name of the command.
        request: the request of an experiment, which is recorded so that the experiment can be resumed.
        preset: the given preset, which becomes part of the run's name. Without a preset, the name contains encoders and
            fusion.
    """
    model = plan.config.model
    own = model.encoders if command == "compare-fusions" else f"{model.encoders}-{model.fusion}"

    def fill(run: Run) -> None:
        run.write_json(CONFIG, to_dict(plan.config))
        write_plan(plan, run)
        if request is not None:
            run.write_json(EXPERIMENT, request)

    if processes.rank():
        return Run(processes.of_first(Path()), is_writable=False)
    run = create_run(runs_dir, command, preset or own, fill)
    processes.of_first(run.folder)
    return run


def resume_run(
    spec: str,
    runs_dir: Path,
    progress: Progress = silent,
    source: Source | None = None,
    jobs: int | None = None,
) -> tuple[Plan, Run]:
    """Find an unfinished training run, and plan its remaining epochs. Returns the plan and the run.

    `source` contains the pairs of a run that was started with a DataFrame. `jobs` is another number of worker
    processes, which does not change the results.

    Raises:
        MmsentError: there is no such run, it is finished, or it was started with different settings.
    """
    run = find_unfinished(spec, runs_dir)
    if run.path(EXPERIMENT).is_file():
        request = run.read_json(EXPERIMENT)
        command = request.get("command", "EXPERIMENT") if isinstance(request, dict) else "EXPERIMENT"
        raise ConfigError(
            f"cannot resume {run.folder}: it is a run of mmsent {command}",
            f"go on with: {resume_command(run, command)}",
        )
    run.is_writable = not processes.rank()
    if run.is_writable:
        remove_unfinished(run)
    config = train_config(run.read_json(CONFIG))
    if jobs is not None:
        require_several_models(config, jobs)
        config = replace(config, runtime=replace(config.runtime, jobs=jobs))
    plan = plan_run(config, progress, splits_of(run, config.split.folds), source)
    write_plan(plan, run)
    plan = _with_recorded_notes(_with_recorded_precision(plan, run), run)
    if run.is_writable:
        require_same_plan(plan, run, "train")
        begin_session(run)
    return plan, run


def require_same_plan(plan: Plan, run: Run, command: str) -> None:
    """Check that a run is resumed with the same settings with which it was started.

    The settings may differ although the user changed nothing, for example if `auto` now chooses another device.

    Raises:
        ConfigError: settings, labels, device, precision or engine are different.
    """
    before, now = run.read_json(CONFIG), to_dict(plan.config)
    names = [(section, name) for section in now for name in now[section] if name not in NO_EFFECT_ON_METRICS]
    changed = [name for section, name in names if now[section][name] != before.get(section, {}).get(name)]
    recorded = run.read_json(ENVIRONMENT)
    environment = recorded if isinstance(recorded, dict) else {}
    compute = plan.compute
    here = {"device": compute.device, "precision": compute.precision, "engine": compute.engine_name}
    changed += [name for name, value in here.items() if value != environment.get(name)]
    if _pairs_changed(plan, environment.get("data")):
        changed.append(f"content of {plan.dataset.source}")
    if changed:
        raise ConfigError(
            f"{run.folder} cannot be resumed, since its settings, data or device have changed: {', '.join(changed)}",
            "undo the change, or start a new run with the settings of the old one:"
            f" {command_line(command, {'config': run.folder})}",
        )


def _pairs_changed(plan: Plan, recorded: object) -> bool:
    """Return True if the content of the pairs has changed since it was recorded.

    If the number of pairs has changed, return False: added or removed pairs are not checked here.
    """
    if not isinstance(recorded, dict) or recorded.get("pairs") != len(plan.dataset.pairs):
        return False
    return recorded.get("digest") != plan.dataset.digest


def _with_recorded_precision(plan: Plan, run: Run) -> Plan:
    """Return the plan of a resumed run with its recorded precision, since `auto` may now choose another one."""
    began = run.read_json(ENVIRONMENT)
    if not isinstance(began, dict) or began.get("device") != plan.compute.device:
        return plan
    precision = began.get("precision")
    if precision not in (["fp32", "bf16", "fp16"] if plan.compute.device_type == "cuda" else ["fp32", "bf16"]):
        return plan
    return replace(plan, compute=replace(plan.compute, precision=precision))


def _with_recorded_notes(plan: Plan, run: Run) -> Plan:
    """Return the plan of a resumed run with its recorded notes on optional probes."""
    began = run.read_json(ENVIRONMENT)
    notes = began.get("optional_probes") if isinstance(began, dict) else None
    kept = tuple(map(str, notes)) if isinstance(notes, list) else ()
    return replace(plan, notes=(*kept, *plan.notes), probe_notes=kept)


def find_unfinished(spec: str, runs_dir: Path) -> Run:
    """Find the unfinished run `spec`: the folder or the name of a run, or `latest`.

    Raises:
        MmsentError: there is no such run, or it is finished.
    """
    run = find_run(spec, runs_dir)
    if run.is_finished:
        others = unfinished_runs(runs_dir)
        hint = f"name an unfinished run: {', '.join(others)}" if others else "start a new run, or see its result.json"
        raise ConfigError(f"{run.folder} is finished, so there is nothing to resume", hint)
    if not run.path(CONFIG).is_file():
        raise CheckpointError(
            f"{run.folder} is not a run folder: it has no {CONFIG}",
            "give the folder of a run; mmsent runs lists the runs",
        )
    return run


def splits_of(run: Run, folds: int | None = None) -> list[Split]:
    """Return the recorded split or folds of a run; an empty list if nothing is recorded yet."""
    path = run.path(SPLIT)
    numbers = range(1, folds + 1) if folds else [None]
    return [read_split(path, number) for number in numbers] if path.is_file() else []


def write_plan(plan: Plan, run: Run) -> None:
    """Write environment, split and findings of a run, if they do not exist yet, and problems of its pairs."""
    if not run.path(ENVIRONMENT).is_file():
        how, dataset = plan.compute, plan.dataset
        data = {"path": plan.config.data.data, "pairs": len(dataset.pairs), "digest": dataset.digest}
        machine = {**environment(how.device, how.precision, how.engine_name), **describe_gpu(how.device)}
        notes = {"optional_probes": list(plan.probe_notes)} if plan.probe_notes else {}
        run.write_json(ENVIRONMENT, {**machine, "data": data, **notes, **session()})
    if run.is_writable and not run.path(SPLIT).is_file():
        write_split(plan.folds or plan.split, run.path(SPLIT), force=False)
    if plan.dataset.problems:
        run.write("problems.txt", "".join(f"{line}\n" for line in plan.dataset.problems))
    if run.is_writable and not run.path(FINDINGS).is_file():
        table = findings_csv(plan.dataset.pairs, plan.dataset.unusable)
        if table:
            run.write(FINDINGS, table)


@contextmanager
def cleanup_on_failure(run: Run, is_new: bool, command: str = "train") -> Iterator[None]:
    """Clean up the run folder if the work in this block fails.

    After an expected error before the first epoch or model, the folder of a new run is deleted, since it is useless and
    would be the latest run. After Ctrl-C, or if the disk is full later, the folder is kept, and the message has the
    command that resumes the run.
    """
    go_on = f"go on with: {resume_command(run, command)}"
    try:
        with advice(go_on):
            yield
    except MmsentError as error:
        if not is_new or run.has_progress:
            raise with_way_on(error, go_on) from error.__cause__
        if run.is_writable:
            discard_run(run)
        raise
    except RuntimeError as error:
        if not processes.is_lost(error):
            raise
        raise processes.lost(go_on) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; {go_on}") from None


def resume_command(run: Run, command: str) -> str:
    """Return the command that resumes a run. If the run was started with a DataFrame, return Python code instead."""
    config = run.read_json(CONFIG) if run.path(CONFIG).is_file() else {}
    data = config.get("data", {}).get("data") if isinstance(config, dict) else None
    if data == frames.NAME:
        return f"{command.replace('-', '_')}(data, resume={str(run.folder.absolute())!r}), with the same data"
    return command_line(command, {"resume": run.folder})
