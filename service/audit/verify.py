"""Checks the whole audit log: bodies against hashes, hashes against each other, the end against key and checkpoint."""

from __future__ import annotations

import base64
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from sqlalchemy import Connection, select

from service.audit.log import GENESIS, entry_hash, head_mac
from service.registry.tables import audit, audit_head
from service.security.keys import KeyRing

_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check found: how many entries are intact, and if not all, which is the first that is not and why."""

    entries: int
    broken_at: int | None = None
    why: str = ""
    head: bytes = GENESIS

    @property
    def is_intact(self) -> bool:
        """Whether nothing was edited, deleted, inserted, reordered or cut off."""
        return self.broken_at is None


def verify_log(conn: Connection, keys: KeyRing, checkpoint: Path | None = None) -> Verdict:
    """Checks every entry, then the end; `checkpoint` is the file `save_checkpoint` wrote, if there is one.

    `conn` must show one state of the database throughout (`Database.snapshot`).
    """
    marked = _read_checkpoint(checkpoint, keys) if checkpoint is not None and checkpoint.exists() else None
    if isinstance(marked, str):
        return Verdict(0, 1, marked)
    seq, last = 0, GENESIS
    while True:
        query = select(audit).where(audit.c.seq > (seq or -(2**62))).order_by(audit.c.seq).limit(_PAGE)
        page = conn.execute(query).mappings().all()
        for row in page:
            fault = _fault(row, seq + 1, last)
            if fault:
                return Verdict(seq, seq + 1, fault, last)
            seq, last = seq + 1, _raw(row["hash"])
            if marked is not None and seq == marked[0] and last != marked[1]:
                return Verdict(seq - 1, seq, "the log was rewritten after it was last verified", last)
        if len(page) < _PAGE:
            break
    if marked is not None and seq < marked[0]:
        return Verdict(seq, seq + 1, f"entries are missing at the end: the log once had {marked[0]}", last)
    return _check_end(conn, keys, seq, last)


def _fault(row: Any, expected: int, last: bytes) -> str:
    if row["seq"] > expected:
        return "the entry is missing"
    if row["seq"] < expected:
        return f"an entry was inserted before it, numbered {row['seq']}"
    if _raw(row["previous"]) != last:
        return "the entry does not follow the one before it"
    if entry_hash(last, dict(row)) != _raw(row["hash"]):
        return "the entry was altered"
    return ""


def _raw(value: object) -> bytes:
    """A column's bytes; SQLite keeps whatever is put there, and a text is no hash."""
    return bytes(value) if isinstance(value, bytes | memoryview) else b""


def _check_end(conn: Connection, keys: KeyRing, seq: int, last: bytes) -> Verdict:
    head = conn.execute(select(audit_head)).mappings().one_or_none()
    if head is None:
        return Verdict(seq) if seq == 0 else Verdict(0, 1, "the record of where the log ends is missing", last)
    if not hmac.compare_digest(_raw(head["mac"]), head_mac(keys, head["seq"], _raw(head["hash"]))):
        return Verdict(seq, seq + 1, "the record of where the log ends was altered", last)
    if head["seq"] > seq:
        return Verdict(seq, seq + 1, f"entries are missing at the end: the log had {head['seq']}", last)
    if head["seq"] < seq or _raw(head["hash"]) != last:
        return Verdict(seq, head["seq"] + 1, "the entry was added without the keys", last)
    return Verdict(seq, head=last)


def save_checkpoint(path: Path, keys: KeyRing, entries: int, head: bytes, at: str) -> None:
    """Writes down, signed and outside the database, how far the log reached at `at`: a restored older database
    is then noticed."""
    text = f"testonce audit\n{entries}\n{head.hex()}\n{at}\n"
    signature = base64.b64encode(keys.signing_key.sign(text.encode())).decode()
    body = {"entries": entries, "hash": head.hex(), "at": at, "signature": signature}
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.write_text(json.dumps(body), "ascii")
    draft.replace(path)


def advance_checkpoint(conn: Connection, keys: KeyRing, path: Path, at: str) -> bool:
    """Moves the checkpoint to where the log ends now; False, and the old one stays, where the log does not contain
    what the old one says: then only a person may decide."""
    head = conn.execute(select(audit_head)).mappings().one_or_none()
    marked = _read_checkpoint(path, keys) if path.exists() else (0, GENESIS)
    if isinstance(marked, str):
        return False
    if head is None:
        return marked[0] == 0  # nothing has happened yet
    if not hmac.compare_digest(_raw(head["mac"]), head_mac(keys, head["seq"], _raw(head["hash"]))):
        return False
    if marked[0] > 0:
        found = conn.execute(select(audit.c.hash).where(audit.c.seq == marked[0])).scalar()
        if _raw(found) != marked[1]:
            return False
    save_checkpoint(path, keys, head["seq"], _raw(head["hash"]), at)
    return True


def _read_checkpoint(path: Path, keys: KeyRing) -> tuple[int, bytes] | str:
    try:
        body = json.loads(path.read_text("ascii"))
        text = f"testonce audit\n{body['entries']}\n{body['hash']}\n{body['at']}\n"
        keys.verifying_key.verify(base64.b64decode(body["signature"]), text.encode())
        return int(body["entries"]), bytes.fromhex(body["hash"])
    except (OSError, ValueError, KeyError, TypeError, InvalidSignature):
        return f"the checkpoint {path.name} cannot be read or was not signed with these keys"
