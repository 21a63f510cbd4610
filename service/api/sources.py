"""`GET /api/v1/sources`: the health of each hospital system that is pulled from, and the same for Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from service.domain.errors import TestOnceError
from service.edge.parts import Parts
from service.pulling.health import SourceHealth, read_health
from service.pulling.shown import show
from service.registry.source_states import sum_days
from service.security.caller import Role

KEPT_SECONDS = 5.0
"""How long `/metrics` gives what it read last: whoever scrapes often must not cost the database more."""
_ALL = (Role.ADMIN, Role.AUDITOR)


async def read_sources(parts: Parts, request: Request) -> Response:
    """Every configured source for admins and auditors, those of the own institution for all others."""
    caller = parts.believe(request.headers.get("authorization"))
    found = await parts.run(_read, parts)
    shown = [show(one) for one in found if caller.role in _ALL or one.settings.institution == caller.institution]
    return Response(msgspec.json.encode({"sources": shown}), media_type="application/json")


def _read(parts: Parts) -> list[SourceHealth]:
    return read_health(parts.database, parts.settings.source, parts.reference.current_policy().network)


class SourceMetrics(Collector):
    """The sources' gauges, read from the database when they are scraped: so every server process gives the same.
    No label carries anything of a patient: sources, kinds and outcomes only."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._found: list[Metric] = []

    def collect(self) -> list[Metric]:
        """As a Prometheus collector; nothing while the database cannot be asked: an old figure would look like a
        source that is well."""
        with self._lock:
            if time.monotonic() - self._read_at > KEPT_SECONDS:
                self._found = self._read() if self._parts.settings.source else []
                self._read_at = time.monotonic()
            return self._found

    def _read(self) -> list[Metric]:
        try:
            found = _read(self._parts)
            with self._parts.database.read() as conn:
                sums = sum_days(conn)
        except TestOnceError:
            return []
        return _metrics(found, sums)


def _metrics(found: list[SourceHealth], sums: dict[str, dict[str, int]]) -> list[Metric]:
    def gauge(name: str, text: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"testonce_source_{name}", text, labels=["source"])

    lag = gauge("lag_seconds", "Now less the newest change that was pulled.")
    success = gauge("last_success_timestamp", "When the last complete run ended, in seconds since 1970 UTC.")
    failures = gauge("failures", "Failed runs in a row.")
    dead = gauge("dead_letters", "Rejected records that wait for a person.")
    waiting = gauge("waiting_documents", "Documents stored and not yet read.")
    reachable = gauge("reachable", "1: it was reached when last tried; 0: it was not.")
    warning = GaugeMetricFamily(
        "testonce_source_warning", "1 for each thing to look at: silent, falling…", labels=["source", "kind"]
    )
    records = CounterMetricFamily(
        "testonce_source_records", "Records by what became of them.", labels=["source", "outcome"]
    )
    opened = GaugeMetricFamily(
        "testonce_source_retrievals", "Studies opened in the last day.", labels=["source", "outcome"]
    )
    seconds = GaugeMetricFamily(
        "testonce_source_retrieval_seconds", "How long opening a study took, of the last day.",
        labels=["source", "clock", "quantile"],
    )  # fmt: skip
    for one in found:
        name, known = [one.settings.name], one.known
        _add(lag, name, one.lag.total_seconds() if one.lag is not None else None)
        _add(success, name, known.finished_at / 1e6 if known and known.finished_at else None)
        _add(failures, name, known.failures if known else 0)
        _add(dead, name, one.dead_letters)
        _add(waiting, name, one.waiting)
        _add(reachable, name, known.is_reachable if known else None)
        for warn in one.warnings:
            _add(warning, [*name, warn.kind], 1)
        for outcome, n in sorted(sums.get(one.settings.name, {}).items()):
            records.add_metric([*name, outcome], n)
        _add_retrieval(opened, seconds, name, one.retrieval or {})
    return [lag, success, failures, dead, waiting, reachable, warning, records, opened, seconds]


def _add_retrieval(
    opened: GaugeMetricFamily, seconds: GaugeMetricFamily, name: list[str], times: Mapping[str, Any]
) -> None:
    for outcome, n in sorted(times.get("outcomes", {}).items()):
        _add(opened, [*name, outcome], n)
    for key, clock in (("firstImage", "first-image"), ("keySeries", "key-series"), ("complete", "complete")):
        for quantile, value in (("0.5", "p50"), ("0.95", "p95")):
            _add(seconds, [*name, clock, quantile], times.get(key, {}).get(value))


def _add(family: GaugeMetricFamily, labels: list[str], value: Any) -> None:
    """Adds a sample; nothing where nothing is known: a made-up 0 would be read as a figure."""
    if value is not None:
        family.add_metric(labels, float(value))
