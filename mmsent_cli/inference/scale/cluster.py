"""Run the work of a prediction in parts over Ray Data."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmsent_cli.errors import ConfigError
from mmsent_cli.files import reason
from mmsent_cli.inference.scale.job import Job
from mmsent_cli.inference.scale.worker import FILE, PartPredictor, PartReader, Surveyor
from mmsent_cli.training.checkpoints import Description

CORES_PER_WORKER = 2
STARTS = 3
"""Attempts to start Ray on this machine: on a busy one, its own limit of 30 seconds may be too short."""
ANSWER_SECONDS = 5.0
"""How long an address may take to answer. Ray itself waits for minutes."""
OBJECT_STORE_BYTES = 2**30
"""Memory in which Ray keeps parts between reading and predicting, on this machine alone."""
VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",  # or Ray reports its use to its makers
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # or Ray warns about its own internals
}
"""Settings of Ray, unless the user has others."""


class Cluster:
    """A Ray cluster: predicting processes, and tasks that read files for them.

    Args:
        workers: number of predicting processes.
        cpus, gpus: what each of them takes.
    """

    def __init__(self, workers: int, cpus: float, gpus: float) -> None:
        self.workers = workers
        self._cpus = cpus
        self._gpus = gpus

    def survey(self, job: Job, description: Description) -> Iterator[dict[str, Any]]:
        """Check every file; the answers come in any order."""
        yield from self._files(job).map(Surveyor(job, description).__call__, **self._reading(job)).iter_rows()

    def predict(self, job: Job) -> Iterator[dict[str, Any]]:
        """Predict every part; the answers come in any order."""
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
        """Tasks that read take no CPU of their own: the predicting processes may have all of them."""
        from ray.data import TaskPoolStrategy

        return {"compute": TaskPoolStrategy(size=min(len(job.sources), self.workers)), "num_cpus": 0}


@contextmanager
def open_cluster(address: str | None, wanted: int, device: str) -> Iterator[Cluster]:
    """Connect to a Ray cluster, or start Ray on this machine, which ends with the block.

    Args:
        address: of the cluster; None for that of `RAY_ADDRESS`, else a Ray of its own on this machine.
        wanted: number of predicting processes; 0 chooses it.
        device: the setting `--device`.

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
    context.target_max_block_size = 1  # a block for each part: it is what a process takes at a time
    try:
        with DataContext.current(context):
            yield _share(ray.cluster_resources(), wanted, device)
    finally:
        if not was_open:
            ray.shutdown()


def _require_answer(address: str) -> None:
    """Check that a program answers at the address of a cluster, if it is written `HOST:PORT` or `ray://HOST:PORT`."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        why = reason(error) if isinstance(error, OSError) else "there is no such port"
        raise ConfigError(f"no Ray on {address}: {why}", "check --ray-address, or start Ray there") from error


def _connect(address: str | None) -> None:
    import ray

    is_local = address is None and not os.environ.get("RAY_ADDRESS")
    own = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES} if is_local else {}
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for attempt in range(1, STARTS + 1):
        try:
            ray.init(address="local" if is_local else address, log_to_driver=False, logging_level=logging.ERROR, **own)
            break
        except Exception as error:  # Ray raises it as such where its processes do not start in time
            ray.shutdown()
            if not is_local or attempt == STARTS:
                where = address or os.environ.get("RAY_ADDRESS") or "this machine"
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise ConfigError(f"no Ray on {where}: {reason}", "check --ray-address, or try again") from error
    if in_main_thread and before is not None:  # Ray sets its own
        signal.signal(signal.SIGTERM, before)


def _share(resources: Mapping[str, float], wanted: int, device: str) -> Cluster:
    """Divide a cluster: one process for each GPU, or for two cores."""
    cores = max(1, int(resources.get("CPU", 1)))
    gpus = int(resources.get("GPU", 0)) if device in ("auto", "cuda") else 0
    workers = wanted or gpus or max(1, cores // CORES_PER_WORKER)
    cpus = cores // workers or cores / workers
    return Cluster(workers, cpus, gpus / workers if gpus < workers else min(gpus, 1))
