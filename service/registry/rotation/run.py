"""A rotation from begin to end, while the service runs. Broken off anywhere and run again, it goes on.

1. prepared: the key file holds a new pair of keys. Everybody looks for tokens of both; all is written under the old.
2. switched: all is written under the new pair, and the database is marked as filled under it.
3. rewritten: passes over all rows, until one that began `settle` seconds after the switch finds none to change.
4. done: the old pair is dropped from the file.

Between the steps lies more time than processes take to look at the file. `settle` is longer than anything the service
may keep sealed in memory before it is stored: it waits 20 s for a lock and 20 s for the turn to write, then gives up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select

from service.domain.errors import Unavailable
from service.registry import reference_store
from service.registry.alone import alone
from service.registry.database import Database
from service.registry.rotation.rewrite import OnProgress, Pass
from service.registry.rotation.states import GRACE, SETTLE, State, state_of
from service.registry.tables import key_rotation
from service.security import key_file
from service.security.key_file import KeyMaterial
from service.security.keys import KeyRing


@dataclass(frozen=True, slots=True)
class Status:
    """What the key file and the database say: the key in use, how far a rotation is, and the rows of its pass."""

    state: State
    key_id: int
    seen: int = 0
    total: int = 0


def read_status(database: Database, keys: KeyMaterial) -> Status:
    """How far a rotation is; changes nothing."""
    with database.read() as conn:
        rows = conn.execute(select(key_rotation)).all()
    total = sum(row.total for row in rows)
    return Status(state_of(keys), keys.current, min(total, sum(row.seen for row in rows)), total)


class Rotation:
    """Rotates the keys of one installation. `say` is told each step in plain words."""

    def __init__(
        self,
        database: Database,
        path: Path,
        *,
        grace: float = GRACE,
        settle: float = SETTLE,
        say: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._path = path
        self._grace = grace
        self._settle = max(settle, grace)
        self._say = say
        self._sleep = sleep

    def run(self, until: State, on_progress: OnProgress) -> bool:
        """Begins a rotation, or goes on with one, as far as `until` (`none`: to its end); whether old keys were
        dropped or are to be.

        Raises Unavailable when another process is at it or the key file cannot be written, InvalidInput when the keys
        are not this database's.
        """
        with alone(self._database, "rotation") as is_alone:
            if not is_alone:
                raise Unavailable("another `testonce keys rotate` is at work; wait for it")
            keys = self._read()
            with self._database.read() as conn:
                reference_store.require_keys(conn, KeyRing(keys).fingerprints)
            if state_of(keys) is State.NONE:
                keys = self._write(keys.with_new_pair())
                self._say(f"prepared   keys {keys.newest} beside keys {keys.current}: keep a copy of {self._path}")
            if until is State.PREPARED:
                return False
            if state_of(keys) is State.PREPARED:
                keys = self._switch(keys)
            if until is State.SWITCHED:
                return False
            self._rewrite(keys, on_progress)
            self._drop_old(keys)
            return True

    def _read(self) -> KeyMaterial:
        try:
            return key_file.read(self._path)
        except (OSError, ValueError) as error:
            raise Unavailable(f"the key file cannot be read: {error}") from None

    def _write(self, keys: KeyMaterial) -> KeyMaterial:
        try:
            key_file.replace_file(self._path, keys)
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be replaced: {error.strerror}; nothing is lost") from None
        return keys

    def _switch(self, keys: KeyMaterial) -> KeyMaterial:
        self._wait_for_file()
        switched = keys.switched()
        fingerprints = KeyRing(switched).fingerprints
        with self._database.write() as conn:
            self._database.lock(conn, "keys")
            reference_store.require_keys(conn, fingerprints)
            reference_store.save(conn, reference_store.KEYS, fingerprints[0], "")
            reference_store.save(conn, reference_store.OLD_KEYS, fingerprints[1], "")
        self._write(switched)
        self._say(f"switched   rows are written under keys {switched.current} from now on")
        return switched

    def _wait_for_file(self) -> None:
        """Until the file as it is has been taken up by every process."""
        age = max(0.0, time.time() - self._path.stat().st_mtime)
        self._sleep(max(0.0, self._grace - age))

    def _rewrite(self, keys: KeyMaterial, on_progress: OnProgress) -> None:
        self._wait_for_file()
        with self._database.read() as conn:
            switched_at = reference_store.current_since(conn, reference_store.KEYS) or 0
        switched_at = max(switched_at, self._path.stat().st_mtime_ns // 1000)
        settled_at = switched_at + int(self._settle * 1_000_000)
        work = Pass(self._database, KeyRing(keys))
        while True:
            passed = work.run(on_progress)
            self._say(f"rewritten  {passed.changed} rows")
            if passed.changed == 0 and passed.began_at >= settled_at:
                return
            left = (settled_at - self._database.now_us()) / 1_000_000
            if left > 0:
                self._say(f"waiting    {left:.0f} s, for what others may still write under the old keys")
                self._sleep(left)
            work.forget()

    def _drop_old(self, keys: KeyMaterial) -> None:
        """First says in the database that it needs them no more: a copy of it that needs them always says so."""
        with self._database.write() as conn:
            reference_store.save(conn, reference_store.OLD_KEYS, reference_store.NO_KEYS, "")
            conn.execute(delete(key_rotation))
        self._database.empty_log()
        self._write(keys.without_old())
        self._say(f"done       the old keys are gone; keep a copy of {self._path}, and none older")
