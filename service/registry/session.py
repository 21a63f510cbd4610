"""What every part of one batch shares: the transaction, whose batch it is, the keys, the time."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from sqlalchemy import Connection

from service.registry.columns import KEY_LENGTH, storable
from service.registry.database import Database
from service.security.keys import KeyRing

# What may stand in the clear: a plain `Type/id` that is no patient's. A conditional or logical reference carries an
# identifier, and the id of a Patient is one.
_OPEN_REF = re.compile(rf"(?!Patient/)[A-Za-z]+/[^\s?|#/]{{1,{KEY_LENGTH - 40}}}")
_HIDDEN_REF = re.compile(r"(?:Patient|ref)/~[0-9a-f]{64}")


@dataclass(slots=True)
class Session:
    """One batch of one institution. `now` in microseconds since 1970 UTC."""

    database: Database
    conn: Connection
    keys: KeyRing
    institution: str
    now: int
    _hidden: dict[str, str] = field(default_factory=dict)

    def take_ids(self, name: str, n: int) -> range:
        """`n` new ids."""
        if n == 0:
            return range(0)
        first = self.database.take_ids(self.conn, name, n)
        return range(first, first + n)

    def token(self, kind: str, value: str) -> bytes:
        """The blind index of a value within this institution."""
        return self.keys.token(kind, f"{self.institution}|{value}")

    def digest(self, kind: str, *chunks: bytes) -> bytes:
        """The keyed hash of a content."""
        plain = hashlib.sha256()
        for chunk in chunks:
            plain.update(len(chunk).to_bytes(8, "big") + chunk)
        return self.token(kind, plain.hexdigest())

    def hide(self, ref: str) -> str:
        """The ref as it stands in a column: one that tells of a patient, or is too long for a key, as its token."""
        found = self._hidden.get(ref)
        if found is None:
            if is_hidden(ref) or (_OPEN_REF.fullmatch(ref) and ref.isprintable() and len(ref) <= KEY_LENGTH):
                found = ref
            else:
                kind = "Patient" if ref.startswith("Patient") else "ref"
                found = f"{kind}/~{self.token('ref', storable(ref)).hex()}"
            self._hidden[ref] = found
        return found


def is_hidden(ref: str) -> bool:
    """Whether `ref` came out of `Session.hide` as a token."""
    return _HIDDEN_REF.fullmatch(ref) is not None
