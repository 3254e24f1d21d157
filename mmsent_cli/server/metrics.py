"""Counts of a server, in the format that Prometheus reads."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class ServerMetrics:
    """What a server has done since its start.

    Args:
        waiting: gives the number of pairs that wait.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "mmsent_requests", "Requests by path and status", ("path", "status"), registry=self._registry
        )
        self.pairs = Counter("mmsent_pairs", "Predicted pairs by class", ("label",), registry=self._registry)
        self.seconds = Histogram(
            "mmsent_request_seconds", "Seconds from request to answer", registry=self._registry, buckets=SECONDS
        )
        gauge = Gauge("mmsent_waiting_pairs", "Pairs that wait", registry=self._registry)
        gauge.set_function(waiting)

    def text(self) -> bytes:
        """Return all counts, a line each."""
        return generate_latest(self._registry)
