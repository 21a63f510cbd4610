"""The rows of what people decided about two records. A reason is sealed: people write names into it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from service.identity.persons import Pair
from service.registry.bulk import ByKeys, add
from service.registry.persons import IN_FORCE, NOT_SAME, SAME
from service.registry.tables import identity_ruling
from service.security.keys import KeyRing

PROPOSED, REFUSED, ENDED = "proposed", "refused", "ended"
"""`identity_ruling.state`, beside IN_FORCE. Refused: a proposal that another user turned down, or that a ruling the
other way overtook."""


@dataclass(frozen=True, slots=True)
class RuledPair:
    """What people decided, or propose to decide, about two records. Times in microseconds since 1970 UTC."""

    id: int
    a: int
    b: int
    ruling: str
    state: str
    proposed_at: int
    proposed_by: str
    settled_at: int | None = None
    settled_by: str | None = None
    ended_at: int | None = None
    ended_by: str | None = None

    @property
    def pair(self) -> Pair:
        """Both records, the lower first."""
        return self.a, self.b

    @property
    def holds(self) -> bool:
        """Whether it is in force."""
        return self.state == IN_FORCE

    @property
    def joins(self) -> bool:
        """Whether it says that the two are one person."""
        return self.ruling == SAME

    @property
    def parts(self) -> bool:
        """Whether it says that they are two."""
        return self.ruling == NOT_SAME


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why it was proposed, settled and ended, in the words of those who did."""

    proposed: str
    settled: str | None
    ended: str | None


def read_rulings(conn: Connection, records: Collection[int], *, past: bool = False) -> list[RuledPair]:
    """What stands on pairs with any of these records, proposed or in force; `past`: what once stood, too."""
    found = {row.id: row for row in _ON.rows(conn, sorted(set(records)))}
    return [
        RuledPair(*(getattr(row, name) for name in RuledPair.__slots__))
        for _, row in sorted(found.items())
        if past or row.state in (PROPOSED, IN_FORCE)
    ]


def read_reasons(conn: Connection, keys: KeyRing, ruling_ids: Collection[int]) -> dict[int, Reasons]:
    """The reasons of rulings."""
    return {
        row.id: Reasons(
            _opened(keys, "why", row.id, row.why) or "",
            _opened(keys, "settled_why", row.id, row.settled_why),
            _opened(keys, "ended_why", row.id, row.ended_why),
        )
        for row in _REASONS.rows(conn, sorted(set(ruling_ids)))
    }


@dataclass(frozen=True, slots=True)
class Clerk:
    """Writes rulings: who, when, and why."""

    conn: Connection
    keys: KeyRing
    actor: str
    now: int
    why: str

    def add(self, ids: Iterable[int], pairs: Iterable[Pair], ruling: str, state: str) -> None:
        """New rulings on pairs."""
        is_settled = state != PROPOSED
        rows = [
            {
                "id": ruling_id, "a": a, "b": b, "ruling": ruling, "state": state,
                "why": self._sealed("why", ruling_id), "proposed_at": self.now, "proposed_by": self.actor,
                "settled_at": self.now if is_settled else None, "settled_by": self.actor if is_settled else None,
            }
            for ruling_id, (a, b) in zip(ids, pairs, strict=True)
        ]  # fmt: skip
        add(self.conn, identity_ruling, rows)

    def settle(self, rulings: Iterable[RuledPair], state: str) -> None:
        """Proposals become rulings in force, or are refused."""
        self._stamp("settled", rulings, state)

    def end(self, rulings: Iterable[RuledPair]) -> None:
        """What stood stands no more."""
        self._stamp("ended", rulings, ENDED)

    def _stamp(self, step: str, rulings: Iterable[RuledPair], state: str) -> None:
        values = [
            {"its_id": one.id, "to_state": state, "at": self.now, "by": self.actor,
             "its_why": self._sealed(f"{step}_why", one.id)}
            for one in rulings
        ]  # fmt: skip
        if values:
            self.conn.execute(_STAMPS[step], values)

    def _sealed(self, column: str, ruling_id: int) -> bytes:
        return self.keys.seal(self.why.encode(), f"identity_ruling|{column}|{ruling_id}")


def _opened(keys: KeyRing, column: str, ruling_id: int, sealed: bytes | None) -> str | None:
    return None if sealed is None else keys.open(sealed, f"identity_ruling|{column}|{ruling_id}").decode()


def _stamps(step: str) -> Any:
    names: dict[str, Any] = {
        f"{step}_at": bindparam("at"),
        f"{step}_by": bindparam("by"),
        f"{step}_why": bindparam("its_why"),
    }
    return (
        update(identity_ruling)
        .where(identity_ruling.c.id == bindparam("its_id"))
        .values(state=bindparam("to_state"), **names)
    )


_STAMPS = {step: _stamps(step) for step in ("settled", "ended")}
_ON = ByKeys(
    lambda among: select(*(identity_ruling.c[name] for name in RuledPair.__slots__)).where(
        or_(among(identity_ruling.c.a), among(identity_ruling.c.b))
    )
)
_REASONS = ByKeys(
    lambda among: select(
        identity_ruling.c.id, identity_ruling.c.why, identity_ruling.c.settled_why, identity_ruling.c.ended_why
    ).where(among(identity_ruling.c.id))
)
