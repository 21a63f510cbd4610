"""The append-only audit log: a SHA-256 chain, and its end under a key.

Each entry's hash covers the entry and the hash before it, so an edit, a deletion, an insertion or another order
breaks the chain (research: identity_audit 5). A chain alone does not notice a missing end: `audit_head` says where
the log ends, authenticated with a key that is not in the database. A later release adds a Merkle tree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, exc, insert, select, update

from service.audit.events import Action
from service.domain.errors import Unavailable
from service.registry import bulk
from service.registry.columns import storable
from service.registry.database import Database
from service.registry.tables import audit, audit_head
from service.security.caller import Caller
from service.security.keys import KeyRing

GENESIS = bytes(32)
"""The hash before the first entry."""

_HEAD = select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.id == 1)
_FIRST = insert(audit_head)
_MOVE = (
    update(audit_head)
    .where(audit_head.c.id == 1)
    .values(seq=bindparam("to_seq"), hash=bindparam("to_hash"), mac=bindparam("to_mac"))
)
_GATHERED = "testonce.audit"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that happened. `actor`, `role` and `institution` say who did it, `subject` to what.

    `at` is microseconds since 1970 UTC. `detail` holds counts, codes and ids of ours; never a name, an identifier
    of a patient or the text of a report: what is hashed into the log can never be erased.
    """

    at: int
    actor: str
    role: str
    institution: str
    action: Action
    subject: str
    outcome: str = "ok"
    detail: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def by(
        cls, caller: Caller, at: int, action: Action, subject: str, detail: Mapping[str, object] | None = None
    ) -> AuditEntry:
        """What `caller` did at `at` (microseconds since 1970 UTC)."""
        return cls(at, caller.actor, caller.role.value, caller.institution, action, subject, detail=detail or {})


def entry_hash(previous: bytes, row: dict[str, Any]) -> bytes:
    """The hash of an entry: SHA-256 of the hash before it and of its fields as canonical JSON."""
    body = [row[key] for key in ("seq", "at", "actor", "role", "institution", "action", "subject", "outcome", "detail")]
    return hashlib.sha256(previous + msgspec.json.encode(body)).digest()


def head_mac(keys: KeyRing, seq: int, last: bytes) -> bytes:
    """Authenticates the end of the log."""
    return keys.audit_mac(f"{seq}:{last.hex()}")


class AuditLog:
    """Appends inside the caller's transaction: what is described and its entry are durable together or not at all."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    def append(self, conn: Connection, entry: AuditEntry) -> None:
        """Adds an entry at the end. Raises Unavailable when it cannot be written; then nothing may be answered."""
        gathered: list[dict[str, Any]] | None = conn.info.get(_GATHERED)
        if gathered is not None:
            gathered.append(_row(entry))
        else:
            self._write(conn, [_row(entry)])

    @contextmanager
    def gathering(self, conn: Connection) -> Iterator[None]:
        """Within the block entries are gathered; they are written together at its end, still in the transaction."""
        rows: list[dict[str, Any]] = []
        conn.info[_GATHERED] = rows
        try:
            yield
            if rows:
                self._write(conn, rows)
        finally:
            del conn.info[_GATHERED]

    def _write(self, conn: Connection, rows: list[dict[str, Any]]) -> None:
        try:
            self._database.lock(conn, "audit")  # one chain: writers of several processes take turns
            head = conn.execute(_HEAD).one_or_none()
            seq, last = (int(head.seq), bytes(head.hash)) if head is not None else (0, GENESIS)
            for row in rows:
                seq += 1
                row["seq"], row["previous"] = seq, last
                last = row["hash"] = entry_hash(last, row)
            bulk.add(conn, audit, rows)
            mac = head_mac(self._keys, seq, last)
            if head is None:
                conn.execute(_FIRST, {"id": 1, "seq": seq, "hash": last, "mac": mac})
            else:
                conn.execute(_MOVE, {"to_seq": seq, "to_hash": last, "to_mac": mac})
        except exc.SQLAlchemyError:
            raise Unavailable("the audit entry cannot be written, so there is no answer", retry_after=5) from None


def _row(entry: AuditEntry) -> dict[str, Any]:
    detail = msgspec.json.encode(dict(entry.detail), order="deterministic").decode()
    return {
        "at": entry.at,
        "actor": storable(entry.actor)[:200],
        "role": entry.role[:20],
        "institution": entry.institution[:64],
        "action": entry.action.value,
        "subject": storable(entry.subject)[:200],
        "outcome": entry.outcome[:20],
        "detail": storable(detail),
    }
