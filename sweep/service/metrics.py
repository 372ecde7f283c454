"""What a monitor reads at `/metrics`: requests, studies, streams, the supervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
Gauges = Callable[[], Mapping[str, float | Mapping[str, float]]]

_HELP = {
    "sweep_jobs": "Studies in each state.",
    "sweep_trials": "Trials with a result, of all studies.",
    "sweep_child_restarts": "Runs begun anew after a crash, of studies since they were queued.",
    "sweep_queue_wait_seconds": "How long the study that has waited longest is waiting.",
    "sweep_sse_open": "Event streams open now.",
    "sweep_supervisor_beat_age_seconds": "Time since the supervisor last went round.",
}


class Metrics:
    """The metrics of one service.

    Args:
        gauges: called at each reading: name to value, or to values by state.
    """

    def __init__(self, gauges: Gauges) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "sweep_http_requests_total", "Requests answered.", ["route", "status"],
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "sweep_http_request_seconds", "Time to answer a request.", ["route"],
            registry=self._registry,
        )  # fmt: skip
        self._registry.register(_Read(gauges))

    def count(self, route: str, status: int, seconds: float | None) -> None:
        """Count a request; a stream has no time, since it ends when it is left."""
        self._requests.labels(route, str(status)).inc()
        if seconds is not None:
            self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return all of them in Prometheus's text format."""
        return generate_latest(self._registry)


class _Read(Collector):
    """Reads what others know: the queue, the streams."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        for name, found in self._gauges().items():
            if isinstance(found, Mapping):
                metric = GaugeMetricFamily(name, _HELP[name], labels=["state"])
                for state, value in found.items():
                    metric.add_metric([state], value)
            else:
                metric = GaugeMetricFamily(name, _HELP[name], value=found)
            yield metric
