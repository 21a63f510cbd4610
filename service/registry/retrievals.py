"""How long it took to open studies: three clocks for each opening (first image, key series, complete study)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from service.registry.tables import image_retrieval

_CLOCKS = {"firstImage": "first_image_us", "keySeries": "key_series_us", "complete": "complete_us"}
_MOST = 10_000
"""As many openings are looked at; of more the newest."""


def add_retrieval(conn: Connection, row: dict[str, Any]) -> None:
    """Notes that a study is being opened."""
    conn.execute(insert(image_retrieval).values(**row))


def update_retrieval(conn: Connection, retrieval_id: int, values: dict[str, Any]) -> None:
    """Notes how far it came."""
    conn.execute(update(image_retrieval).where(image_retrieval.c.id == retrieval_id).values(**values))


def retrieval_times(conn: Connection, since: int) -> dict[str, dict[str, Any]]:
    """For each source the openings of its studies since then (microseconds since 1970 UTC):
    `{"count": 3, "outcomes": {"given": 2, …}, "bytes": 9, "firstImage": {"count": 3, "p50": 0.2, "p95": 0.9}}`, clocks
    in seconds (`firstImage`, `keySeries`, `complete`); one that no opening reached is absent."""
    found = image_retrieval.c
    rows = conn.execute(
        select(image_retrieval).where(found.started_at >= since).order_by(found.started_at.desc()).limit(_MOST)
    )
    times: dict[str, dict[str, Any]] = {}
    reached: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        one = times.setdefault(row.source, {"count": 0, "outcomes": {}, "bytes": 0})
        one["count"] += 1
        one["bytes"] += row.bytes
        one["outcomes"][row.outcome] = one["outcomes"].get(row.outcome, 0) + 1
        for name, column in _CLOCKS.items():
            if (value := getattr(row, column)) is not None:
                reached.setdefault((row.source, name), []).append(value)
    for (source, name), values in reached.items():
        ordered = sorted(values)
        times[source][name] = {"count": len(ordered), "p50": _at(ordered, 0.5), "p95": _at(ordered, 0.95)}
    return times


def link_speed(conn: Connection, requester: str, since: int, least_bytes: int) -> float | None:
    """Bytes a second that reached the requester since then, while any were on their way; None where fewer than
    `least_bytes` tell too little."""
    found = image_retrieval.c
    total = select(func.sum(found.streamed_bytes), func.sum(found.streamed_us)).where(
        found.requester == requester, found.started_at >= since
    )
    given, busy = conn.execute(total).one()
    return None if not busy or int(given) < least_bytes else int(given) / (int(busy) / 1_000_000)


def _at(ordered: list[int], part: float) -> float:
    """The value below which that part of them lies (nearest rank), in seconds."""
    rank = max(1, -(-len(ordered) * int(part * 100) // 100))
    return round(ordered[rank - 1] / 1_000_000, 3)
