"""What became of decisions whose ground a change of persons took away: the outcome before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, select

from service.decisions.reach import Affected
from service.registry.bulk import ByKeys
from service.registry.tables import decision
from service.security.keys import KeyRing


@dataclass(frozen=True, slots=True)
class Touched:
    """An earlier decision, and the one in its place (None: it could not be evaluated again). `outcomes` has for each
    order its outcome before and after; `match` how sure the patient was and is."""

    affected: Affected
    match: tuple[str, str | None]
    outcomes: tuple[tuple[str, str, str | None], ...]


class _Order(msgspec.Struct, frozen=True):
    id: str
    decision: str


class _Patient(msgspec.Struct, frozen=True):
    match: str


class _Answer(msgspec.Struct, frozen=True):
    patient: _Patient
    orders: list[_Order]


_ANSWER = msgspec.json.Decoder(_Answer)


def touched(conn: Connection, keys: KeyRing, affected: Sequence[Affected]) -> Iterator[Touched]:
    """The decisions with their outcomes, in the order given. ValueError where an answer does not open."""
    ids = {one for each in affected for one in (each.decision_id, each.superseded_by) if one}
    answers = {
        row.id: _ANSWER.decode(keys.open(row.answer, f"decision|answer|{row.id}"))
        for row in _ANSWERS.rows(conn, sorted(ids))
    }
    for each in affected:
        before, after = answers[each.decision_id], answers.get(each.superseded_by or "")
        now = {one.id: one.decision for one in after.orders} if after else {}
        yield Touched(
            each,
            (before.patient.match, after.patient.match if after else None),
            tuple((one.id, one.decision, now.get(one.id)) for one in before.orders),
        )


_ANSWERS = ByKeys(lambda among: select(decision.c.id, decision.c.answer).where(among(decision.c.id)))
