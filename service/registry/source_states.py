"""The state of each source: who pulls it, when it is due, how it went, whether it could be reached."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from service.registry.columns import storable
from service.registry.tables import pulled_document, rejected, source_day, source_state


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source as it stands; times in microseconds since 1970 UTC, None: never."""

    source: str
    institution: str
    kind: str
    watermark: int | None
    lease_owner: str | None
    lease_until: int | None
    started_at: int | None
    finished_at: int | None
    received_at: int | None
    due_at: int | None
    failures: int
    failed_at: int | None
    error_class: str | None
    error_code: str | None
    error: str | None
    warning: str | None
    reached_at: int | None
    unreached_at: int | None

    @property
    def is_reachable(self) -> bool | None:
        """Whether it could be reached when last tried; None: never tried."""
        if self.reached_at is None and self.unreached_at is None:
            return None
        return (self.reached_at or 0) >= (self.unreached_at or 0)


_DAYS = select(source_day.c.source, source_day.c.day, source_day.c.outcome, source_day.c["count"]).order_by(
    source_day.c.day
)
_SUMS = select(source_day.c.source, source_day.c.outcome, func.sum(source_day.c["count"])).group_by(
    source_day.c.source, source_day.c.outcome
)
_COLUMNS = [source_state.c[name] for name in SourceState.__dataclass_fields__]


def ensure(conn: Connection, source: str, institution: str, kind: str) -> None:
    """Makes the source's row where it has none. A source that changed its institution or kind starts anew."""
    row = conn.execute(select(source_state).where(source_state.c.source == source)).first()
    if row is None:
        try:
            with conn.begin_nested():
                conn.execute(insert(source_state).values(source=source, institution=institution, kind=kind, failures=0))
        except IntegrityError:  # another process made it just now
            return
    elif (row.institution, row.kind) != (institution, kind):
        again: dict[str, Any] = {"institution": institution, "kind": kind, "cursor": None, "watermark": None}
        conn.execute(update(source_state).where(source_state.c.source == source).values(**again))


def take_lease(conn: Connection, source: str, owner: str, now: int, until: int, is_dead: Callable[[str], bool]) -> bool:
    """Takes the lease unless somebody who lives holds it; whether it was taken."""
    known = source_state.c
    holder = conn.execute(select(known.lease_owner).where(known.source == source)).scalar()
    free = or_(known.lease_owner.is_(None), known.lease_until < now, known.lease_owner == owner)
    if holder is not None and is_dead(holder):
        free = or_(free, known.lease_owner == holder)
    taken = conn.execute(
        update(source_state)
        .where(known.source == source, free)
        .values(lease_owner=owner, lease_until=until, started_at=now)
    )
    return taken.rowcount == 1


def renew_lease(conn: Connection, source: str, owner: str, until: int) -> bool:
    """Makes the lease last until then; False when it is no longer the owner's."""
    held = conn.execute(
        update(source_state)
        .where(source_state.c.source == source, source_state.c.lease_owner == owner)
        .values(lease_until=until)
    )
    return held.rowcount == 1


def end_run(conn: Connection, source: str, owner: str, values: Mapping[str, Any]) -> None:
    """Gives the lease back and says how the run went; nothing where the lease is another's by now."""
    given = {key: storable(one) if isinstance(one, str) else one for key, one in values.items()}
    conn.execute(
        update(source_state)
        .where(source_state.c.source == source, source_state.c.lease_owner == owner)
        .values(lease_owner=None, lease_until=None, **given)
    )


def note_probe(conn: Connection, source: str, at: int, error_code: str | None) -> None:
    """Says that the source was reached, or was not, at that time."""
    reached = {"reached_at": at} if error_code is None else {"unreached_at": at}
    conn.execute(update(source_state).where(source_state.c.source == source).values(**reached))


def note_absent(conn: Connection, present: Collection[str], at: int) -> None:
    """Says that sources that are configured no more cannot be reached: nobody could open what they hold."""
    reached, unreached = (func.coalesce(one, 0) for one in (source_state.c.reached_at, source_state.c.unreached_at))
    gone = source_state.c.source.not_in(present) & (reached >= unreached)
    conn.execute(update(source_state).where(gone).values(unreached_at=at))


def take_probe(conn: Connection, source: str, now: int, next_at: int) -> bool:
    """Whether the probe is due and nobody else has taken it; then it is due again at `next_at`."""
    due = source_state.c.probe_due_at
    taken = conn.execute(
        update(source_state)
        .where(source_state.c.source == source, or_(due.is_(None), due <= now))
        .values(probe_due_at=next_at)
    )
    return taken.rowcount == 1


def all_states(conn: Connection) -> dict[str, SourceState]:
    """Every source that was ever pulled or probed, by its name."""
    rows = conn.execute(select(*_COLUMNS).order_by(source_state.c.source))
    return {row.source: SourceState(*row) for row in rows}


def days_since(conn: Connection, since: str) -> dict[str, dict[str, dict[str, int]]]:
    """For each source its days from `since` (YYYY-MM-DD) on, each with its counts by outcome."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for source, day, outcome, n in conn.execute(_DAYS.where(source_day.c.day >= since)):
        found.setdefault(source, {}).setdefault(day, {})[outcome] = n
    return found


def sum_days(conn: Connection) -> dict[str, dict[str, int]]:
    """For each source its counts by outcome since it was first pulled."""
    found: dict[str, dict[str, int]] = {}
    for source, outcome, n in conn.execute(_SUMS):
        found.setdefault(source, {})[outcome] = int(n)
    return found


def count_waiting(conn: Connection) -> dict[str, int]:
    """How many documents of each source wait to be read."""
    rows = conn.execute(
        select(pulled_document.c.source, func.count().label("n"))
        .where(pulled_document.c.read_at.is_(None))
        .group_by(pulled_document.c.source)
    )
    return {row.source: row.n for row in rows}


def count_dead_letters(conn: Connection) -> dict[str, int]:
    """How many rejections of each source's documents wait for a person."""
    rows = conn.execute(
        select(pulled_document.c.source, func.count(rejected.c.id.distinct()).label("n"))
        .join_from(rejected, pulled_document, pulled_document.c.document_id == rejected.c.document_id)
        .where(rejected.c.resolved_at.is_(None))
        .group_by(pulled_document.c.source)
    )
    return {row.source: row.n for row in rows}
