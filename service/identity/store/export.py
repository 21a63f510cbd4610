"""Writes who is who to files: every patient record with its person, and the pairs that wait for a decision."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

from sqlalchemy import Connection

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.domain.errors import Fault, InvalidInput
from service.identity.store.records import all_names
from service.identity.store.scratch import Scratch
from service.identity.store.waiting import waiting_links
from service.registry.database import Database
from service.security.caller import Caller, Role
from service.security.keys import KeyRing

RECORDS = ("institution", "local_id", "person", "tier")
REVIEW = ("institution_a", "local_id_a", "institution_b", "local_id_b", "score", "why")
"""The columns, as the contract has them."""


@dataclass(frozen=True, slots=True)
class Exported:
    """How many rows were written; `pairs` 0 where none were asked for."""

    records: int
    pairs: int


class Exporter:
    """Writes the files. Each run is audited, and no file appears before its entry is durable."""

    def __init__(self, database: Database, keys: KeyRing, audit: AuditLog) -> None:
        self._database = database
        self._keys = keys
        self._audit = audit

    def write(self, records: Path, review: Path | None, caller: Caller) -> Exported:
        """Writes `records` and, where it is asked for, `review`: for their owner only, each in full or not at all.
        The same records give the same files, in whatever order they came. Raises InvalidInput, NotPermitted,
        Unavailable."""
        caller.require(Role.STEWARD)
        with ExitStack() as stack:
            first = stack.enter_context(_File(records, "FILE.csv"))
            second = stack.enter_context(_File(review, "--review")) if review else None
            scratch = stack.enter_context(Scratch())
            with self._database.snapshot() as conn:
                self._fill(conn, scratch)
            n = first.fill(RECORDS, scratch.records())
            pairs = second.fill(REVIEW, scratch.review()) if second else 0
            detail = {"records": n, "pairs": pairs, "review": review is not None}
            entry = AuditEntry.by(caller, self._database.now_us(), Action.IDENTITY_EXPORTED, "Identity", detail)
            with self._database.write() as conn:
                self._audit.append(conn, entry)
            for one in filter(None, (first, second)):
                one.publish()
        return Exported(n, pairs)

    def _fill(self, conn: Connection, scratch: Scratch) -> None:
        keys = self._keys.pinned()
        scratch.add_records(all_names(conn, keys))
        for lower, higher, links in waiting_links(conn):
            scratch.add_waiting(lower, higher, links)


class _File:
    """A CSV file that appears in full when it is published, and not at all before."""

    def __init__(self, path: Path, pointer: str) -> None:
        self._path = path
        self._pointer = pointer

    def __enter__(self) -> _File:
        try:
            handle, self._temporary = mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")  # 0600
        except OSError as error:
            raise InvalidInput(
                "the file cannot be written", [Fault(self._pointer, f"{self._path}: {error.strerror}")]
            ) from None
        self._file = open(handle, "w", encoding="utf-8", newline="")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        Path(self._temporary).unlink(missing_ok=True)

    def fill(self, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> int:
        """Writes the rows under their columns; gives their number."""
        writer, n = csv.writer(self._file, lineterminator="\n"), 0
        writer.writerow(columns)
        for n, row in enumerate(rows, 1):  # noqa: B007 - the last is their number
            writer.writerow(row)
        self._file.flush()
        os.fsync(self._file.fileno())
        return n

    def publish(self) -> None:
        """Puts it in its place."""
        os.replace(self._temporary, self._path)
