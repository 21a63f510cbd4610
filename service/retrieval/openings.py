"""Each opening of a study by one caller: audited before the first pixel leaves, timed by three clocks, ended when
nothing more is asked for. A process keeps its own: a caller served by several has an opening in each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.ingest.archive import HeldInstance
from service.registry.database import Database
from service.registry.journal import Journal, Work
from service.registry.retrievals import add_retrieval, update_retrieval
from service.retrieval.checks import Checked
from service.retrieval.rights import Grant
from service.retrieval.together import Together
from service.security.caller import Caller

IDLE_SECONDS = 300.0
_MANY = 10
Durable = Callable[[Work], Awaitable[None]]


@dataclass(slots=True)
class Opening:
    """What a caller has been given of a study so far. Times in microseconds since the first request."""

    caller: Caller
    checked: Checked
    id: int = 0
    started: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)
    at_work: int = 0
    bytes: int = 0
    streamed_bytes: int = 0
    streamed_us: int = 0
    clocks: dict[str, int] = field(default_factory=dict)
    outcome: str = "given"
    shown: dict[str, dict[str, set[int]]] = field(default_factory=dict)  # series: instance: frames
    listed: dict[str, tuple[HeldInstance, ...]] = field(default_factory=dict)  # by earlier checks: for the clocks only
    originals: set[str] = field(default_factory=set)

    @property
    def grant(self) -> Grant:
        """By what right."""
        return self.checked.grant

    def showed(self, series_uid: str, sop_uid: str, frame: int | None) -> bool:
        """Notes a picture that was given; whether a clock stopped."""
        self.shown.setdefault(series_uid, {}).setdefault(sop_uid, set()).add(frame or 1)
        return self._stop(series_uid)

    def gave(self, series_uid: str, sop_uid: str) -> bool:
        """Notes an original that was given; whether a clock stopped."""
        self.originals.add(sop_uid)
        frames = range(1, self._frames(series_uid, sop_uid) + 1)
        self.shown.setdefault(series_uid, {}).setdefault(sop_uid, set()).update(frames)
        return self._stop(series_uid)

    def streamed(self, piece: object, seconds: float) -> None:
        """Notes bytes of a long answer, and how long the caller took to take them."""
        if isinstance(piece, bytes):
            self.bytes += len(piece)
            self.streamed_bytes += len(piece)
            self.streamed_us += int(seconds * 1_000_000)

    def values(self) -> dict[str, Any]:
        """The columns of its row."""
        return {
            **self.clocks,
            "bytes": self.bytes,
            "streamed_bytes": self.streamed_bytes,
            "streamed_us": self.streamed_us,
            "outcome": self.outcome,
        }

    def _frames(self, series_uid: str, sop_uid: str) -> int:
        known = self.checked.instances.get(series_uid) or self.listed.get(series_uid, ())
        return next((one.frames for one in known if one.sop_uid == sop_uid), 1)

    def _stop(self, series_uid: str) -> bool:
        before = len(self.clocks)
        self._reached("first_image_us", bool(self.shown))
        self._reached("key_series_us", self._is_key(series_uid) and self._is_whole(series_uid))
        is_complete = 0 < self.checked.count <= len(self.originals)
        self._reached("complete_us", is_complete)
        self._reached("key_series_us", is_complete)
        return len(self.clocks) > before

    def _reached(self, clock: str, is_reached: bool) -> None:
        if is_reached and clock not in self.clocks:
            self.clocks[clock] = int((time.monotonic() - self.started) * 1_000_000)

    def _is_key(self, series_uid: str) -> bool:
        """Whether the series is one that is read, and no scout: it is large, or the study has none larger."""
        count = self.checked.is_of_series(series_uid) or 0
        return count >= _MANY or count >= max((one.instances or 0 for one in self.checked.study.series), default=0)

    def _is_whole(self, series_uid: str) -> bool:
        shown = self.shown.get(series_uid, {})
        count = self.checked.is_of_series(series_uid)
        return bool(count) and count is not None and len(shown) >= count and all(
            len(frames) >= self._frames(series_uid, sop) for sop, frames in shown.items()
        )  # fmt: skip


class Openings:
    """The openings of one process. Used on the event loop; `durable` waits for a commit, the journal does not."""

    def __init__(self, database: Database, audit: AuditLog, journal: Journal, durable: Durable) -> None:
        self._database = database
        self._audit = audit
        self._journal = journal
        self._durable = durable
        self._open: dict[tuple[str, str, str, str, str], Opening] = {}
        self._is_looking = False
        self._together = Together()

    async def of(self, caller: Caller, checked: Checked) -> Opening:
        """The caller's opening of the study; a new one is in the audit log when this returns, or Unavailable is
        raised and nothing may leave."""
        held, offer = checked.grant.holding, checked.grant.offer
        right = offer.decision_id if offer else ""
        key = (caller.institution, caller.actor, held.source, held.study_uid, right)
        found = self._open.get(key)
        if found is not None and time.monotonic() - found.used < IDLE_SECONDS:
            found.listed.update(found.checked.instances)
            found.used, found.checked = time.monotonic(), checked
            return found
        if found is not None:
            self._end(key)
        return await self._together.do(key, lambda: self._opened(key, Opening(caller, checked)))

    async def _opened(self, key: tuple[str, str, str, str, str], opening: Opening) -> Opening:
        await self._durable(lambda conn: self._begin(conn, opening))
        self._open[key] = opening
        self._look_later()
        return opening

    def tell(self, opening: Opening) -> None:
        """Has the row of an opening say how far it came; nobody waits for that."""
        values = opening.values()
        self._journal.submit_all([lambda conn: update_retrieval(conn, opening.id, values)])

    async def refused(self, caller: Caller, grant: Grant, code: str) -> None:
        """Notes that a study was not to be had, with the stable code of why."""
        now = self._database.now_us()
        row = {**_row(caller, grant, now), "outcome": code[:16]}

        def work(conn: Connection) -> None:
            add_retrieval(conn, {**row, "id": self._database.take_ids(conn, "image_retrieval", 1)})
            self._audit.append(conn, _entry(caller, grant, now, Action.IMAGES_REFUSED, {"code": code}))

        await self._durable(work)

    def close(self) -> None:
        """Ends all; waits until that is stored."""
        for key in list(self._open):
            self._end(key)

    def _begin(self, conn: Connection, opening: Opening) -> None:
        now = self._database.now_us()
        opening.id = self._database.take_ids(conn, "image_retrieval", 1)
        grant = opening.grant
        add_retrieval(conn, {**_row(opening.caller, grant, now), "id": opening.id, "outcome": "open"})
        self._audit.append(conn, _entry(opening.caller, grant, now, Action.IMAGES_OPENED, {"retrieval": opening.id}))

    def _end_idle(self) -> None:
        for key, one in list(self._open.items()):
            if not one.at_work and time.monotonic() - one.used >= IDLE_SECONDS:
                self._end(key)
        self._is_looking = False
        if self._open:
            self._look_later()

    def _look_later(self) -> None:
        if not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_later(IDLE_SECONDS / 5, self._end_idle)

    def _end(self, key: tuple[str, str, str, str, str]) -> None:
        opening = self._open.pop(key)
        now, values = self._database.now_us(), opening.values()
        shown = {sop for series in opening.shown.values() for sop in series}
        detail = {
            "retrieval": opening.id, "bytes": opening.bytes, "ms": int((opening.used - opening.started) * 1000),
            "shown": len(shown), "originals": len(opening.originals),
        }  # fmt: skip
        entry = _entry(opening.caller, opening.grant, now, Action.IMAGES_GIVEN, detail, opening.outcome)

        def work(conn: Connection) -> None:
            update_retrieval(conn, opening.id, values)
            self._audit.append(conn, entry)

        self._journal.submit_all([work])


def _row(caller: Caller, grant: Grant, now: int) -> dict[str, Any]:
    return {
        "source": grant.holding.source, "requester": caller.institution, "started_at": now, "bytes": 0,
        "streamed_bytes": 0, "streamed_us": 0,
        "decision_id": grant.offer.decision_id if grant.offer else None, "study_uid": grant.holding.study_uid,
    }  # fmt: skip


def _entry(
    caller: Caller, grant: Grant, now: int, action: Action, detail: Mapping[str, object], outcome: str = "ok"
) -> AuditEntry:
    decision = {"decision": grant.offer.decision_id} if grant.offer else {}
    said = {"source": grant.holding.source, "holder": grant.holding.institution, **decision, **detail}
    return AuditEntry(
        now, caller.actor, caller.role.value, caller.institution, action, grant.subject, outcome, said
    )  # fmt: skip
