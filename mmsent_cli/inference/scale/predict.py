"""Predict data of any size in parts with Ray Data (`predict --engine ray`)."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mmsent_cli.clock import begin_command
from mmsent_cli.config import DataConfig, RuntimeConfig, build
from mmsent_cli.data.columns import require_columns
from mmsent_cli.data.flaws import Flaws
from mmsent_cli.data.layouts import Source, files_of, locate_all
from mmsent_cli.data.tables import Report
from mmsent_cli.errors import ConfigError, DataError
from mmsent_cli.extras import SCALE, require_extra
from mmsent_cli.files import cache_note, default_cache_dir, reason
from mmsent_cli.inference.early import require_request
from mmsent_cli.inference.finished_output import finished_before, remember, whole_identity
from mmsent_cli.inference.predictor import find_threshold
from mmsent_cli.inference.rows import PROBABILITY, PredictionFile, Tally, open_rows, require_free_names, row_columns
from mmsent_cli.inference.scale.folder import (
    OWN_COLUMNS,
    PARTS,
    PartSummary,
    finish_folder,
    hidden_folder,
    is_folder,
    open_folder,
    read_part,
    remove_folder,
)
from mmsent_cli.inference.scale.worker import (
    FILE,
    Job,
    PartPredictor,
    PartReader,
    Survey,
    Surveyor,
    identity_of,
    value_of,
)
from mmsent_cli.inference.stream import (
    columns_known,
    finished,
    list_problems,
    predicted_by,
    resume_line,
    unread_labels,
    with_advice,
)
from mmsent_cli.outputs import require_no_input
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import PredictedBy, PredictResult
from mmsent_cli.training.checkpoints import Description, describe, read_checkpoint

CORES_PER_WORKER = 2
STARTS = 3
"""Attempts to start Ray on this machine. On a busy machine, Ray's own limit of 30 seconds may be too short."""
ANSWER_SECONDS = 5.0
"""Timeout for connecting to an address. Ray itself waits for minutes."""
OBJECT_STORE_BYTES = 2**30
"""Memory for the parts between reading and predicting, on this machine."""
VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",  # else Ray sends usage statistics to its developers
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # else Ray warns about its own internals
}
"""Environment variables of Ray, with the values to use unless the user has set other values."""


class Cluster:
    """A Ray cluster with its predicting processes.

    Args:
        workers: number of predicting processes.
        cpus, gpus: CPUs and GPUs that each process takes.
    """

    def __init__(self, workers: int, cpus: float, gpus: float) -> None:
        self.workers = workers
        self._cpus = cpus
        self._gpus = gpus

    def survey(self, job: Job, description: Description) -> Iterator[dict[str, Any]]:
        """Check every file. Yields the results in any order."""
        yield from self._files(job).map(Surveyor(job, description).__call__, **self._reading(job)).iter_rows()

    def predict(self, job: Job) -> Iterator[dict[str, Any]]:
        """Predict every part. Yields the results in any order."""
        from ray.data import ActorPoolStrategy

        parts = self._files(job).flat_map(PartReader(job).__call__, **self._reading(job))
        pool = ActorPoolStrategy(size=self.workers)
        arguments = {"fn_constructor_args": (job,), "num_cpus": self._cpus, "num_gpus": self._gpus}
        yield from parts.map(PartPredictor, compute=pool, **arguments).iter_rows()

    def _files(self, job: Job) -> Any:
        import ray.data

        files = range(len(job.sources))
        return ray.data.from_items([{FILE: file} for file in files], override_num_blocks=len(files))

    def _reading(self, job: Job) -> dict[str, Any]:
        """Return the resources of tasks that read files. They take no CPU, since the predictions may use all CPUs."""
        from ray.data import TaskPoolStrategy

        return {"compute": TaskPoolStrategy(size=min(len(job.sources), self.workers)), "num_cpus": 0}


@contextmanager
def open_cluster(address: str | None, wanted: int, device: str) -> Iterator[Cluster]:
    """Connect to a Ray cluster, or start Ray on this machine until the end of the block.

    Args:
        address: address of the cluster. None uses `RAY_ADDRESS`, or else starts Ray on this machine.
        wanted: number of predicting processes. With 0, the number is chosen.
        device: the value of `--device`.

    Raises:
        ConfigError: there is no cluster at the address.
    """
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    import ray
    from ray.data import DataContext

    was_open = ray.is_initialized()
    if not was_open:
        _require_answer(address or os.environ.get("RAY_ADDRESS", ""))
        _connect(address)
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.target_max_block_size = 1  # one part per block, since a process takes one block at a time
    try:
        with DataContext.current(context):
            yield _share(ray.cluster_resources(), wanted, device)
    finally:
        if not was_open:
            ray.shutdown()


def _require_answer(address: str) -> None:
    """Check that a program listens at the address of a cluster (`HOST:PORT` or `ray://HOST:PORT`)."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        why = reason(error) if isinstance(error, OSError) else "there is no such port"
        raise ConfigError(
            f"there is no Ray cluster at {address}: {why}", "check --ray-address, or start Ray there"
        ) from error


def _connect(address: str | None) -> None:
    import ray

    is_local = address is None and not os.environ.get("RAY_ADDRESS")
    own = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES} if is_local else {}
    own |= {"log_to_driver": False, "logging_level": logging.ERROR}
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for attempt in range(1, STARTS + 1):
        try:
            with _without_core_messages():
                ray.init(address="local" if is_local else address, **own)
            break
        except Exception as error:  # the type that Ray raises if its processes start too late
            ray.shutdown()
            if not is_local or attempt == STARTS:
                where = address or os.environ.get("RAY_ADDRESS") or "this machine"
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise ConfigError(
                    f"cannot start or reach Ray ({where}): {reason}", "check --ray-address, or try again"
                ) from error
    if in_main_thread and before is not None:  # Ray has set its own handler
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _without_core_messages() -> Iterator[None]:
    """Discard the messages that Ray's core writes to stderr while it starts, such as the one about its log level."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _share(resources: Mapping[str, float], wanted: int, device: str) -> Cluster:
    """Divide the CPUs and GPUs of a cluster among the predicting processes.

    If `wanted` is 0, there is one process for each GPU. Without GPUs, there is one process for every two CPU cores.
    """
    cores = max(1, int(resources.get("CPU", 1)))
    gpus = int(resources.get("GPU", 0)) if device in ("auto", "cuda") else 0
    workers = wanted or gpus or max(1, cores // CORES_PER_WORKER)
    cpus = cores // workers or cores / workers
    return Cluster(workers, cpus, gpus / workers if gpus < workers else min(gpus, 1))


def predict_in_parts(
    checkpoint: Path,
    given: Mapping[str, Any],
    runtime: RuntimeConfig,
    file: PredictionFile,
    progress: Progress = silent,
    source: Source | None = None,
) -> PredictResult:
    """Predict unlabelled pairs in parts. Write a folder of Parquet files, or a single file as `predict_file` does.

    Args:
        checkpoint, given, runtime, progress, source: as in `predict_file`. `given["data"]` may be a pattern.
        file: the output. It is a folder if its name has no suffix or the suffix `.parquet`.

    Raises:
        MmsentError: Ray is not installed or not reachable; checkpoint, data or output cannot be used; or there is
            nothing to resume.
    """
    start = begin_command()
    require_request(file, is_in_parts=True)
    require_extra(*SCALE, "ray.data")
    config = build(DataConfig, given)
    sources = [source] if source else locate_all(config.data)
    for each in sources:
        require_no_input(file.out, [checkpoint, *files_of(each, config)])
        require_columns(each, config, file.settings.keep)
    threshold, threshold_note = find_threshold(file.settings, checkpoint)
    description = describe(read_checkpoint(checkpoint), checkpoint)
    data = columns_known(sources[0], given, description)
    _require_names(file, description.labels)
    job = Job(
        checkpoint=checkpoint.absolute(),
        runtime=_from_anywhere(runtime),
        data=data,
        sources=tuple(replace(each, path=each.path.absolute()) for each in sources),
        settings=file.settings,
        threshold=threshold,
        folder=hidden_folder(file.out).absolute(),
    )
    model = predicted_by(checkpoint, description)
    identity = identity_of(job, asdict(model))
    cache = default_cache_dir(runtime.cache_dir)
    whole = whole_identity(file, identity, (path for each in sources for path in files_of(each, data)))
    if before := finished_before(file, whole, cache):
        return before
    open_folder(file.out, identity, file.resume)
    with with_advice(resume_line(checkpoint, given, runtime, file, sources[0]), file, is_in_parts=True):
        surveys, summaries, workers = _work(job, description, progress)
        tally, flaws, report = _joined(surveys, summaries, threshold)
        if not tally.pairs:
            raise DataError(
                f"there are no pairs to predict in {sources[0].path}", "set --data to a table with pairs to predict"
            )
        problems = list_problems(flaws.problems, file)
        _write(job, file, description.labels, model)
    notes = (
        _notice(sources),
        *filter(None, [cache_note(), threshold_note]),
        *unread_labels(sources[0], data, description),
        *dict.fromkeys(note for survey in surveys for note in survey.notes),
        *report.notes(sources[0].name),
        *dict.fromkeys(note for summary in summaries for note in summary.notes),
        _parts_note(summaries, workers),
        *problems,
    )
    result = finished(checkpoint, file.out, description, model, tally, flaws, notes, start)
    remember(file, whole, result, cache)
    return result


def _work(job: Job, description: Description, progress: Progress) -> tuple[list[Survey], list[PartSummary], int]:
    """Check all files, then predict all parts. Returns surveys and summaries in the order of the input."""
    settings = job.settings
    progress(Stage("starting Ray", 0, 1, "process"))
    with open_cluster(settings.ray_address, settings.ray_workers, job.runtime.device) as cluster:
        progress(Stage("starting Ray", cluster.workers, cluster.workers, "process"))
        progress(Stage("checking files", 0, len(job.sources), "file"))
        surveys: list[Survey] = []
        for row in cluster.survey(job, description):
            surveys.append(value_of(row))
            progress(Stage("checking files", len(surveys), len(job.sources), "file"))
        surveys.sort(key=lambda survey: survey.file)
        total, done = sum(survey.report.read for survey in surveys), 0
        summaries: list[PartSummary] = []
        progress(Stage("predicting", 0, total))
        for row in cluster.predict(replace(job, decisions=tuple(survey.decision for survey in surveys))):
            summaries.append(value_of(row))
            done += summaries[-1].tally.rows
            progress(Stage("predicting", done, total))
    return surveys, sorted(summaries, key=lambda each: (each.file, each.number)), cluster.workers


def _joined(
    surveys: Sequence[Survey], summaries: Sequence[PartSummary], threshold: float
) -> tuple[Tally, Flaws, Report]:
    """Add up the counts and flaws of all parts, and the row counts of all files."""
    tally, flaws = Tally(0, threshold), Flaws()
    for summary in summaries:
        tally.add(summary.tally)
        flaws.add(summary.flaws)
    report = surveys[0].report
    for survey in surveys[1:]:
        report.add(survey.report)
    if len(surveys) > 1:
        report.title = f"{len(surveys):,} files"
    report.read, report.refused = tally.pairs, flaws.dropped
    flaws.leave_out(report.left_out)
    report.said += flaws.notes(None)
    return tally, flaws, report


def _write(job: Job, file: PredictionFile, labels: Sequence[str], model: PredictedBy) -> None:
    """Rename the folder of parts to its final name, or join the parts to one file."""
    if is_folder(file.out):
        finish_folder(job.folder, file.out)
        return
    paths = sorted(job.folder.glob(PARTS))
    cells = ((each.guid, kept) for path in paths for each, _, kept in read_part(path, labels))
    with open_rows(file, labels, (file.settings.keep, cells), model) as rows:
        for path in paths:
            for prediction, is_given, _ in read_part(path, labels):
                rows.write(prediction, is_given)
    remove_folder(job.folder)


def _require_names(file: PredictionFile, labels: Sequence[str]) -> None:
    own = [*OWN_COLUMNS, *(PROBABILITY + label for label in labels)]
    written = () if is_folder(file.out) else row_columns(labels, file.form, file.has_probabilities)
    require_free_names({*own, *written}, file.settings.keep)


def _from_anywhere(runtime: RuntimeConfig) -> RuntimeConfig:
    """Return the settings for the predicting processes. Paths are absolute, and each process chooses its own engine."""
    weights, cache = (
        None if path is None else str(Path(path).absolute()) for path in (runtime.weights_dir, runtime.cache_dir)
    )
    return replace(runtime, engine="auto", weights_dir=weights, cache_dir=cache)


def _notice(sources: Sequence[Source]) -> str:
    if len(sources) == 1:
        return sources[0].notice
    return f"data: {len(sources):,} files, {sources[0].path} to {sources[-1].path}"


def _parts_note(summaries: Sequence[PartSummary], workers: int) -> str:
    there = sum(summary.was_there for summary in summaries)
    before = f", {there:,} of them by an earlier process" if there else ""
    return f"ray: {len(summaries):,} parts predicted by {workers:,} processes{before}"
