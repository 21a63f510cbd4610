"""The health of a source as JSON: for `testonce sources --json` and `GET /api/v1/sources`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from service.pulling.health import SourceHealth
from service.registry.columns import from_us

COUNTED = ("received", "known", "new", "updated", "unchanged", "ignored", "rejected", "deleted", "fetched")
"""What is counted of each day, in this order."""


def show(health: SourceHealth) -> dict[str, Any]:
    """A source as JSON; times RFC 3339 in UTC, lengths in seconds."""
    known, settings = health.known, health.settings
    return {
        "source": settings.name,
        "institution": settings.institution,
        "kind": settings.kind,
        "enabled": settings.enabled,
        "state": health.state.value,
        "lastPull": {
            "startedAt": _time(known.started_at if known else None),
            "completedAt": _time(known.finished_at if known else None),
        },
        "watermark": _time(known.watermark if known else None),
        "lagSeconds": _seconds(health.lag),
        "sinceCompleteSeconds": _seconds(health.since_complete),
        "lastNewAt": _time(known.received_at if known else None),
        "dueAt": _time(known.due_at if known else None),
        "failures": known.failures if known else 0,
        "error": _error(health),
        "reachable": known.is_reachable if known else None,
        "reachedAt": _time(known.reached_at if known else None),
        "deadLetters": health.dead_letters,
        "waitingDocuments": health.waiting,
        "days": [{"day": day} | {one: counts.get(one, 0) for one in COUNTED} for day, counts in health.days.items()],
        "warnings": [{"kind": one.kind, "text": {"zh": one.zh, "en": one.en}} for one in health.warnings],
        "retrieval": health.retrieval,
    }


def _error(health: SourceHealth) -> dict[str, Any] | None:
    """The last failure, while no run has been complete since."""
    known = health.known
    if known is None or not known.error_code:
        return None
    return {
        "class": known.error_class,
        "code": known.error_code,
        "message": known.error,
        "at": _time(known.failed_at),
    }


def _time(at: int | None) -> str | None:
    return None if at is None else from_us(at).isoformat(timespec="seconds")


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else int(length.total_seconds())
