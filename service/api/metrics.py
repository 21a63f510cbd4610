"""What Prometheus reads: counts and times by route, decisions by outcome. No label carries anything of a patient."""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_requests = Counter("testonce_requests", "Requests answered.", ["method", "route", "status"])
_seconds = Histogram("testonce_request_seconds", "Time to the end of the answer.", ["route"], buckets=_BUCKETS)
_decisions = Counter("testonce_decisions", "Orders decided.", ["outcome"])
waiting = Gauge(
    "testonce_identity_changes_waiting",
    "Changes of persons whose earlier decisions are still being evaluated again.",
    multiprocess_mode="mostrecent",
)
in_flight = Gauge("testonce_in_flight", "Requests being worked on.", multiprocess_mode="livesum")


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Counts one answered request; `route` is a path template, never a path."""
    _requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
    _seconds.labels(route).observe(seconds)


_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})


def count_decisions(outcomes: Iterable[str]) -> None:
    """Counts decided orders by their outcome."""
    for outcome in outcomes:
        _decisions.labels(outcome).inc()


def shared(collector: Collector) -> bytes:
    """The metrics of a collector that reads the same in every process, in the text format."""
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)


def exposition() -> bytes:
    """All metrics; of all worker processes where PROMETHEUS_MULTIPROC_DIR names their shared folder."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest(REGISTRY)
