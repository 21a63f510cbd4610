"""An unlink reaches back: decisions that rested on it are evaluated again and superseded, and those concerned told.

The transaction that changes persons has already invalidated the decisions (`registry.reach.mark_rested`). Here the
waiting changes are worked off in batches, each a transaction of its own: stop it anywhere, run it again, and the end
is the same. Only one process works at a time.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from service.audit.log import AuditLog
from service.decisions.again import Evaluator, Renewed
from service.decisions.crew import Opener, crew
from service.decisions.supersede import Successors
from service.registry import reach
from service.registry.alone import alone
from service.registry.database import Database
from service.registry.reach import Change
from service.registry.tables import decision

BATCH = 100
"""Decisions evaluated and committed together: a match waits no longer than their commit takes."""

POLL_SECONDS = 0.5
_AFTER_ERROR_SECONDS = 5.0
_log = logging.getLogger("testonce")

STORM = 1000
"""As many decisions to evaluate again are worth starting processes for, which takes about a second."""

MOST_PROCESSES = 4
_NICE = 10
"""In the background evaluating stands back behind answering."""

Portion = tuple[Change, list[str]]
"""Decisions that a change touches."""

Renewal = tuple[Portion, list[Renewed]]


@dataclass(frozen=True, slots=True)
class Affected:
    """A decision that a change of persons took the ground from, or gave another outcome."""

    decision_id: str
    institution: str
    state: str
    superseded_by: str | None
    change_id: int


class Reach:
    """Works off the changes of persons. `waiting` is how many there were when they were last counted; `opener` makes
    the evaluator of a process of its own (None: there are none)."""

    def __init__(self, database: Database, audit: AuditLog, evaluator: Evaluator, opener: Opener | None = None) -> None:
        self._database = database
        self._audit = audit
        self._evaluator = evaluator
        self._opener = opener
        self._successors = Successors(database, audit)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.waiting = 0

    def run(self, changes: Collection[int] | None = None) -> list[Affected]:
        """Works until these changes (None: all that wait now) are worked off, here or by another process; gives the
        decisions they touched, in the order of their ids. Raises Unavailable; what was done by then stays done."""
        wanted = set(changes) if changes is not None else self._waiting_ids()
        while not wanted.isdisjoint(self._waiting_ids()):
            if not self._work(lambda: False, 0):
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
                    self._work(self._stop.is_set, _NICE)
            except Exception as error:  # whatever it is, the changes wait and are tried again
                _log.error("decisions wait to be evaluated again: %s", type(error).__name__)
                pause = _AFTER_ERROR_SECONDS

    def count(self) -> int:
        """How many changes wait now."""
        return len(self._waiting_ids())

    def _waiting_ids(self) -> set[int]:
        with self._database.read() as conn:
            found = {one.id for one in reach.waiting_changes(conn)}
        self.waiting = len(found)
        return found

    def _work(self, is_over: Callable[[], bool], nice: int) -> bool:
        """Works off what waits now; False where another process is at it."""
        with alone(self._database, "reach") as is_alone:
            if not is_alone:
                return False
            with self._database.read() as conn:
                waiting = reach.waiting_changes(conn)
                is_storm = reach.count_unsettled(conn, STORM) >= STORM
            tally = _Tally()
            with self._renewing(is_storm, nice) as renew:
                for batch in _batches(renew(tally.noting(self._portions(waiting)))):
                    if is_over():
                        break
                    self._store(batch, tally)
            return True

    @contextmanager
    def _renewing(self, is_storm: bool, nice: int) -> Iterator[Callable[[Iterator[Portion]], Iterator[Renewal]]]:
        """The way to evaluate portions again: here, or in a storm by processes."""
        if not is_storm or self._opener is None:
            yield lambda portions: (
                (one, self._evaluator.renew(one[1], compare=one[0].may_join) if one[1] else []) for one in portions
            )
            return
        with crew(self._opener, max(1, min(os.cpu_count() or 1, MOST_PROCESSES)), nice) as processes:
            yield lambda portions: processes.renew((one, (one[1], one[0].may_join)) for one in portions)

    def _portions(self, changes: Sequence[Change]) -> Iterator[tuple[Change, list[str], bool]]:
        """What the changes touch, in portions, and whether one is the last of its change."""
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
            found = reach.unsettled(conn, change.id, after, BATCH)
            if change.may_join:
                found = sorted({*found, *reach.rested_on(conn, change.record_ids, after, BATCH)})
        return found[:BATCH]

    def _store(self, batch: Sequence[Renewal], tally: _Tally) -> None:
        """Stores a batch, and that the changes are done of which nothing is left."""
        renewed = [(change, one) for (change, _), found in batch for one in found]
        with self._database.write() as conn, self._audit.gathering(conn):
            again = {one.old for one in self._successors.put(conn, renewed)}
            for change in tally.finished(batch, {change.id for change, one in renewed if one.old in again}):
                if not reach.unsettled(conn, change, "", 1):
                    reach.finish(conn, change, self._database.now_us())
            self.waiting = reach.count_waiting(conn)


class _Tally:
    """Which changes have had all their portions stored, in whatever order these come back."""

    def __init__(self) -> None:
        self._out: Counter[int] = Counter()
        self._is_listed: set[int] = set()
        self._is_unfinished: set[int] = set()

    def noting(self, portions: Iterator[tuple[Change, list[str], bool]]) -> Iterator[Portion]:
        """The portions, noted as they are handed out."""
        for change, ids, is_last in portions:
            self._out[change.id] += 1
            if is_last:
                self._is_listed.add(change.id)
            yield change, ids

    def finished(self, batch: Sequence[Renewal], again: Collection[int]) -> list[int]:
        """The changes that are worked off with this batch, save those of which some must be evaluated `again`."""
        self._is_unfinished.update(again)
        found = []
        for (change, _), _ in batch:
            self._out[change.id] -= 1
            if not self._out[change.id] and change.id in self._is_listed - self._is_unfinished:
                found.append(change.id)
        return found


def _batches(renewals: Iterator[Renewal]) -> Iterator[list[Renewal]]:
    """Renewals in lists of together about `BATCH` decisions."""
    batch: list[Renewal] = []
    size = 0
    for one in renewals:
        batch.append(one)
        size += len(one[1]) + 1
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


_AFFECTED = select(
    decision.c.id, decision.c.institution, decision.c.state, decision.c.superseded_by, decision.c.change_id
).where(decision.c.change_id == bindparam("change"))
