"""An unlink reaches back: decisions that rested on it are evaluated again and superseded, and those concerned told.

The transaction that changes persons has already invalidated the decisions (`registry.reach.mark_rested`). Here the
waiting changes are worked off in batches, each a transaction of its own: stop it anywhere, run it again, and the end
is the same. Only one process works at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from service.audit.log import AuditLog
from service.decisions.again import Evaluator
from service.decisions.supersede import Successors
from service.registry import reach
from service.registry.alone import alone
from service.registry.database import Database
from service.registry.reach import Change
from service.registry.tables import decision

BATCH = 200
"""Decisions evaluated and committed together: matches wait no longer than that takes."""

POLL_SECONDS = 0.5
_AFTER_ERROR_SECONDS = 5.0
_log = logging.getLogger("testonce")

Portion = tuple[Change, list[str], bool]
"""Decisions that a change touches, and whether they are the last of it."""


@dataclass(frozen=True, slots=True)
class Affected:
    """A decision that a change of persons took the ground from, or gave another outcome."""

    decision_id: str
    institution: str
    state: str
    superseded_by: str | None
    change_id: int


class Reach:
    """Works off the changes of persons. `waiting` is how many there were when they were last counted."""

    def __init__(self, database: Database, audit: AuditLog, evaluator: Evaluator) -> None:
        self._database = database
        self._audit = audit
        self._evaluator = evaluator
        self._successors = Successors(database, audit)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.waiting = 0

    def run(self, changes: Collection[int] | None = None) -> list[Affected]:
        """Works until these changes (None: all that wait now) are worked off, here or by another process; gives the
        decisions they touched, in the order of their ids. Raises Unavailable; what was done by then stays done."""
        wanted = set(changes) if changes is not None else self._waiting_ids()
        while not wanted.isdisjoint(self._waiting_ids()):
            if not self._work(lambda: False):
                time.sleep(0.05)
        return self.affected(wanted)

    def affected(self, changes: Collection[int]) -> list[Affected]:
        """The decisions that these changes touched, in the order of their ids."""
        with self._database.read() as conn:
            rows = [row for change in sorted(changes) for row in conn.execute(_AFFECTED, {"change": change})]
        return sorted((Affected(*row) for row in rows), key=lambda one: one.decision_id)

    def start(self) -> None:
        """Works in the background from now on, until `stop`."""
        self._thread = threading.Thread(target=self._keep, name="reach", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the background work after the batch it is at."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _keep(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            pause = POLL_SECONDS
            try:
                if self._waiting_ids():
                    self._work(self._stop.is_set)
            except Exception as error:  # whatever it is, the changes wait and are tried again
                _log.error("decisions wait to be evaluated again: %s", type(error).__name__)
                pause = _AFTER_ERROR_SECONDS

    def _waiting_ids(self) -> set[int]:
        with self._database.read() as conn:
            found = {one.id for one in reach.waiting_changes(conn)}
        self.waiting = len(found)
        return found

    def _work(self, is_over: Callable[[], bool]) -> bool:
        """Works off what waits now; False where another process is at it."""
        with alone(self._database, "reach") as is_alone:
            if not is_alone:
                return False
            with self._database.read() as conn:
                waiting = reach.waiting_changes(conn)
            unfinished: set[int] = set()
            for batch in _batches(self._portions(waiting)):
                if is_over():
                    break
                self._do(batch, unfinished)
            return True

    def _portions(self, changes: Sequence[Change]) -> Iterator[Portion]:
        for change in changes:
            after, ids = "", self._next(change, "")
            while ids:
                after = ids[-1]
                following = self._next(change, after)
                yield change, ids, not following
                ids = following
            if not after:
                yield change, [], True

    def _next(self, change: Change, after: str) -> list[str]:
        with self._database.read() as conn:
            found = reach.untold(conn, change.id, after, BATCH)
            if change.may_join:
                found = sorted({*found, *reach.rested_on(conn, change.record_ids, after, BATCH)})
        return found[:BATCH]

    def _do(self, batch: Sequence[Portion], unfinished: set[int]) -> None:
        """Evaluates a batch again and stores it; a change whose last portion this is, is done."""
        renewed = [(change, one) for change, ids, _ in batch if ids for one in self._evaluator.renew(ids)]
        with self._database.write() as conn, self._audit.gathering(conn):
            again = {one.old for one in self._successors.put(conn, renewed)}
            unfinished |= {change.id for change, one in renewed if one.old in again}
            now = self._database.now_us()
            for change, _, is_last in batch:
                if is_last and change.id not in unfinished and not reach.untold(conn, change.id, "", 1):
                    reach.finish(conn, change.id, now)


def _batches(portions: Iterator[Portion]) -> Iterator[list[Portion]]:
    """Portions in lists of together about `BATCH` decisions."""
    batch: list[Portion] = []
    size = 0
    for portion in portions:
        batch.append(portion)
        size += len(portion[1]) + 1
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


_AFFECTED = select(
    decision.c.id, decision.c.institution, decision.c.state, decision.c.superseded_by, decision.c.change_id
).where(decision.c.change_id == bindparam("change"))
