"""What every part of one batch shares: the transaction, whose batch it is, the keys, the time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from service.registry.bulk import ByKeys, add
from service.registry.columns import KEY_LENGTH, storable
from service.registry.database import Database
from service.registry.tables import hidden_ref
from service.security.chance import random_bytes
from service.security.keys import KeyRing

# What may stand in the clear: a plain `Type/id` that is no patient's. A conditional or logical reference carries an
# identifier, and the id of a Patient is one.
_OPEN_REF = re.compile(rf"(?!Patient/)[A-Za-z]+/[^\s?|#/]{{1,{KEY_LENGTH - 40}}}|series/[0-9.]{{1,64}}/[0-9.]{{1,64}}")
_HIDDEN_REF = re.compile(r"(?:Patient|ref)/~[0-9a-f]{40}")
_KNOWN = ByKeys(lambda among: select(hidden_ref.c.token, hidden_ref.c.ref).where(among(hidden_ref.c.token)))


@dataclass(slots=True)
class Session:
    """One batch of one institution; `keys` do not change while it lasts. `now` in microseconds since 1970 UTC."""

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

    def tokens(self, kind: str, value: str) -> tuple[bytes, ...]:
        """`token` under every key in use, the current one first."""
        return self.keys.tokens(kind, f"{self.institution}|{value}")

    def digest(self, kind: str, *chunks: bytes) -> bytes:
        """The keyed hash of a content."""
        plain = hashlib.sha256()
        for chunk in chunks:
            plain.update(len(chunk).to_bytes(8, "big") + chunk)
        return self.token(kind, plain.hexdigest())

    def hide(self, ref: str) -> str:
        """The ref as it stands in columns: one that tells of a patient, or is too long for a key, under a name that was
        drawn for it by chance. So nothing in those columns hangs on a key."""
        found = self._hidden.get(ref)
        if found is None:
            self.hide_all([ref])
            found = self._hidden[ref]
        return found

    def hide_all(self, refs: Iterable[str]) -> None:
        """Prepares `hide` for all these at once."""
        unknown = [ref for ref in dict.fromkeys(refs) if ref not in self._hidden]
        secret = [ref for ref in unknown if not (is_hidden(ref) or _is_open(ref))]
        self._hidden |= dict(zip(unknown, unknown, strict=True))
        if secret:
            names = self._names({storable(ref) for ref in secret})
            self._hidden |= {ref: names[storable(ref)] for ref in secret}

    def hidden(self, refs: Collection[str]) -> dict[str, str]:
        """As `hide`, for asking: a ref that stands in no column has no name, and none is drawn for it."""
        known = {ref: self._hidden[ref] for ref in refs if ref in self._hidden}
        unknown = [ref for ref in dict.fromkeys(refs) if ref not in known]
        secret = [ref for ref in unknown if not (is_hidden(ref) or _is_open(ref))]
        tokens = {ref: self.tokens("ref", storable(ref)) for ref in secret}
        names = self._known(tokens)
        self._hidden |= names
        return known | names | {ref: ref for ref in unknown if ref not in tokens}

    def _known(self, tokens: Mapping[str, tuple[bytes, ...]]) -> dict[str, str]:
        by_token = {token: ref for ref, several in tokens.items() for token in several}
        return {by_token[bytes(row.token)]: str(row.ref) for row in _KNOWN.rows(self.conn, by_token)}

    def _names(self, refs: Iterable[str]) -> dict[str, str]:
        tokens = {ref: self.tokens("ref", ref) for ref in refs}
        names = self._known(tokens)
        new = {ref: _draw_name(ref) for ref in tokens if ref not in names}
        rows = [{"token": tokens[ref][0], "institution": self.institution, "ref": name} for ref, name in new.items()]
        add(self.conn, hidden_ref, rows)
        return names | new


def _is_open(ref: str) -> bool:
    return _OPEN_REF.fullmatch(ref) is not None and ref.isprintable() and len(ref) <= KEY_LENGTH


def _draw_name(ref: str) -> str:
    return f"{'Patient' if ref.startswith('Patient') else 'ref'}/~{random_bytes(20).hex()}"


def is_hidden(ref: str) -> bool:
    """Whether `ref` is a name that `Session.hide` gave."""
    return _HIDDEN_REF.fullmatch(ref) is not None
