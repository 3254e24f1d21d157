"""Row 8: a served model under 1, 8 and 32 clients at once, and its memory over many requests."""

import base64
import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil

from benchmarks.inputs import make_pairs
from benchmarks.rows_process import MMSENT, checkpoint, train
from benchmarks.tables import Row

CLIENTS = (1, 8, 32)
WARM_UP = 10
"""Requests before the first measurement: the networks are compiled in the first one."""
MIB = 2**20


def serve(data: Path, work: Path, model: Path | None, requests: int) -> list[Row]:
    """Answers a second and the 95th percentile of their times, with each number of clients.

    Args:
        data: a lab folder.
        work: a temporary folder.
        model: the checkpoint; None trains one network on 60 pairs.
        requests: requests of each measurement.
    """
    pairs = make_pairs(data, work / "pairs", 60)
    if model is None:
        train(pairs, work, "cache")
        model = checkpoint(work)
    bodies = request_bodies(pairs)
    rows = []
    with served(model, work / "cache-serve") as (address, process):
        send(address, islice(cycle(bodies), WARM_UP))
        for clients in CLIENTS:
            before = process.memory_info().rss
            start = time.perf_counter()
            times = send_all(address, bodies, clients, requests)
            seconds = time.perf_counter() - start
            memory = f"memory {before / MIB:.0f} MiB before, {process.memory_info().rss / MIB:.0f} MiB after"
            slow = 1000 * float(np.quantile(times, 0.95))
            note = f"{requests / seconds:.1f} answers a second, 95th percentile {slow:.0f} ms; {memory}"
            name = f"{'8' if clients == CLIENTS[0] else ' '} serve, {requests:,} requests, {clients} at once"
            rows.append(Row(name, seconds, note=note))
    return rows


@contextmanager
def served(model: Path, cache: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The address and the process of a server of a model, on a free port."""
    command = [*MMSENT, "serve", "--checkpoint", str(model), "--port", "0", "--cache-dir", str(cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        printed = child.stdout.readline().split()
        try:
            yield next(word for word in printed if word.startswith("http://")), psutil.Process(child.pid)
        finally:
            child.terminate()


def request_bodies(folder: Path) -> list[bytes]:
    """The body of a request for each pair of a lab folder: text and image."""
    bodies = []
    for path in sorted((folder / "data").glob("*.txt")):
        (image,) = (each for each in path.parent.glob(f"{path.stem}.*") if each != path)
        text = path.read_text(encoding="utf-8", errors="replace").strip() or "nothing"
        bodies.append(json.dumps({"text": text, "image": base64.b64encode(image.read_bytes()).decode()}).encode())
    return bodies


def send_all(address: str, bodies: list[bytes], clients: int, requests: int) -> list[float]:
    """The seconds of each answer, with so many clients, each of which waits for its answer before it asks again."""
    shares = [islice(cycle(bodies), client, requests, clients) for client in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        return [seconds for times in pool.map(lambda share: send(address, share), shares) for seconds in times]


def send(address: str, bodies: Iterator[bytes]) -> list[float]:
    """Send requests over one connection, one after another; the seconds of each.

    Raises:
        RuntimeError: a request was refused.
    """
    connection, times = http.client.HTTPConnection(urlsplit(address).netloc), []
    for body in bodies:
        start = time.perf_counter()
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"status {answer.status}: {told.decode()}")
        times.append(time.perf_counter() - start)
    connection.close()
    return times
