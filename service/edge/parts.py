"""What an edge works with: the rooms, joined elsewhere, and the way to work off the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from service.audit.log import AuditLog
from service.audit.verify import advance_checkpoint
from service.decisions.desk import Prepared
from service.decisions.notices import Notices
from service.decisions.reach import Reach
from service.decisions.reference import ReferenceReader
from service.decisions.reports import OfferedReports
from service.decisions.rests import TRIES, Stale, come_again
from service.edge.commits import SharedCommits
from service.edge.errors import TooManyRequests
from service.identity.store.inquiries import Inquiries
from service.identity.store.linker import Linker
from service.identity.store.rulings import Rulings
from service.pulling.probes import Probes
from service.recognition.events import OrderEvents
from service.recognition.records import Recognitions
from service.recognition.statistics import Statistics
from service.registry.database import Database
from service.registry.journal import Journal
from service.retrieval.retrieve import Retrieval
from service.security.caller import Caller
from service.security.keys import KeyRing
from service.security.tokens import Tokens, bearer
from service.settings import Settings

T = TypeVar("T")

_SMALL = 12
"""How many orders a question may have to be answered between others."""
_log = logging.getLogger("testonce")


class Decides(Protocol):
    """The desk, as edges see it (`service.decisions.desk.Desk`)."""

    def prepare(self, body: object, caller: Caller) -> Prepared:
        """The answer, and what must be durable before it leaves."""

    def decide(self, body: object, caller: Caller) -> bytes:
        """The answer to a match request, stored and audited."""

    def get(self, decision_id: str, caller: Caller) -> bytes:
        """An earlier decision with what led to it."""

    def replay(self, decision_id: str, caller: Caller) -> bytes:
        """The same evaluated again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One process's parts."""

    settings: Settings
    database: Database
    keys: KeyRing
    tokens: Tokens
    journal: Journal
    commits: SharedCommits
    audit: AuditLog
    reference: ReferenceReader
    desk: Decides
    reports: OfferedReports
    notices: Notices
    reach: Reach
    recognitions: Recognitions
    events: OrderEvents
    statistics: Statistics
    linker: Linker
    rulings: Rulings
    inquiries: Inquiries
    probes: Probes
    images: Retrieval
    pool: ThreadPoolExecutor
    pace: Pace | None = field(default=None)

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Runs blocking work on a thread, so that the event loop keeps answering."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, work, *arguments)

    async def decide(self, body: object, caller: Caller) -> Prepared:
        """The answer to a match request, stored: it may leave. The loop goes on while the commit is waited for.

        On the embedded database a small question is worked on right here: nothing in it waits, and another thread
        would only share the interpreter's lock with this one.
        """
        orders = body.get("orders") if isinstance(body, dict) else None
        is_small = self.database.is_sqlite and isinstance(orders, list) and len(orders) <= _SMALL
        for _ in range(TRIES):
            made = self.desk.prepare(body, caller) if is_small else await self.run(self.desk.prepare, body, caller)
            with suppress(Stale):
                await self.commits.durable(made.store)
                return made
        raise come_again()

    def believe(self, authorization: str | None) -> Caller:
        """Who calls, from the Authorization header; NotAuthenticated when nobody we believe, TooManyRequests when
        the settings set a pace and the caller exceeds it."""
        caller = self.tokens.verify(bearer(authorization))
        if self.pace is not None:
            self.pace.spend(caller)
        return caller

    def mark_audit_log(self) -> bool:
        """Writes down, outside the database, how far the audit log reached; False, and nothing is written, where the
        log does not contain what was written down before."""
        file = self.settings.checkpoint_file
        file.parent.mkdir(parents=True, exist_ok=True)
        with self.database.snapshot() as conn:
            return advance_checkpoint(conn, self.keys, file, datetime.now(UTC).isoformat())

    def close(self) -> None:
        """Commits what waits, marks the audit log and lets go of the database."""
        self.probes.stop()
        self.images.close()
        self.reach.stop()
        self.pool.shutdown(wait=True)
        self.journal.close()
        try:
            if not self.mark_audit_log():
                _log.error("the audit log does not fit its checkpoint; run: testonce audit verify")
        except Exception as error:  # what was asked for is done: this must not undo it
            _log.error("no audit checkpoint was written: %s", type(error).__name__)
        self.database.close()


class Pace:
    """At most `per_minute` calls of one actor in one process: a bucket that refills evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def spend(self, caller: Caller) -> None:
        """Takes one call from the caller's bucket; TooManyRequests when it is empty."""
        now, key = self._clock(), (caller.institution, caller.actor)
        left, at = self._buckets.get(key, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - at) * self._per_minute / 60)
        if left < 1:
            raise TooManyRequests("more calls than allowed; slow down", retry_after=60 // self._per_minute + 1)
        if len(self._buckets) > 100_000:
            self._buckets.clear()
        self._buckets[key] = left - 1, now
