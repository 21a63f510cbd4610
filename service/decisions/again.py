"""Earlier decisions evaluated again: the same question at the same time, on what is known now, under today's policy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import SQLAlchemyError

from service.decisions.codec import decode_request
from service.decisions.evidence import EvidenceReader
from service.decisions.reference import ReferenceReader
from service.decisions.rows import disclosed, make_decision
from service.decisions.sharing import SharedReader
from service.domain.errors import TestOnceError
from service.matching.policy import Policy
from service.registry.bulk import Among, ByKeys
from service.registry.database import Database
from service.registry.tables import decision
from service.security.keys import KeyRing

_log = logging.getLogger("testonce")


@dataclass(frozen=True, slots=True)
class Renewed:
    """A decision `old` evaluated again. `row`, `prompts` and `offers` are those of the new one, None and none where the
    input of the old one cannot be read any more; `seen` as `Gathered.seen`; `is_other` whether the outcome is another
    one."""

    old: str
    institution: str
    row: dict[str, Any] | None = None
    prompts: tuple[dict[str, Any], ...] = ()
    rests_on: tuple[int, ...] = ()
    seen: int = 0
    outcomes: tuple[tuple[str, str], ...] = ()
    reports: tuple[int, ...] = ()
    is_other: bool = True
    offers: tuple[dict[str, Any], ...] = ()


class Evaluator:
    """Evaluates earlier decisions again; stores nothing."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        reference: ReferenceReader,
        public_url: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._keys = keys
        self._reference = reference
        self._public_url = public_url
        self._clock = clock

    def renew(self, decision_ids: Sequence[str], *, compare: bool) -> list[Renewed]:
        """Each of the decisions that need it, evaluated again, in the order of their ids; `compare` says whether to
        find out if the outcome is another one. One that was superseded before keeps its successor.
        Raises Unavailable."""
        policy = self._reference.current_policy()
        with self._database.read() as conn:
            old = _WITH_ANSWER if compare else _OLD
            rows = sorted(old.rows(conn, decision_ids), key=lambda row: str(row.id))
            evidence = SharedReader(self._keys)
            return [self._renew(conn, row, evidence, policy, compare) for row in rows]

    def _renew(
        self, conn: Connection, row: Row[Any], evidence: EvidenceReader, policy: Policy, compare: bool
    ) -> Renewed:
        if row.superseded_by is not None:
            return Renewed(row.id, row.institution)
        try:
            return self._evaluated(conn, row, evidence, policy, compare)
        except (TestOnceError, SQLAlchemyError):
            raise  # it cannot be done now: all of them wait
        except Exception as error:
            # It stays invalidated, and those concerned are told: nobody relies on it, and it holds up no other.
            _log.error("decision %s cannot be evaluated again: %s", row.id, type(error).__name__)
            return Renewed(row.id, row.institution)

    def _evaluated(
        self, conn: Connection, row: Row[Any], evidence: EvidenceReader, policy: Policy, compare: bool
    ) -> Renewed:
        request = decode_request(self._keys.open(row.given, f"decision|given|{row.id}"))
        before = self._keys.open(row.answer, f"decision|answer|{row.id}") if compare else b""
        known = evidence.gather(conn, request, policy)
        made = make_decision(
            request, known.evidence, policy, self._keys,
            now=self._clock(), public_url=self._public_url, supersedes=row.id,
        )  # fmt: skip
        return Renewed(
            row.id,
            row.institution,
            made.row,
            tuple(made.prompts),
            known.rests_on,
            known.seen,
            tuple((one.id, one.outcome.value) for one in made.decided.orders),
            tuple(sorted(disclosed(made.decided))),
            not compare or told(before) != told(made.answer),
            tuple(made.offers),
        )


class _Reuse(msgspec.Struct, frozen=True):
    item: str
    decision: str
    candidate: int


class _Candidate(msgspec.Struct, frozen=True):
    institution: str
    report: str | None


class _Repeat(msgspec.Struct, frozen=True):
    item: str


class _Order(msgspec.Struct, frozen=True):
    id: str
    decision: str
    reuse: list[_Reuse]
    repeat: list[_Repeat]
    candidates: list[_Candidate]


class _Patient(msgspec.Struct, frozen=True):
    match: str


class _Answer(msgspec.Struct, frozen=True):
    patient: _Patient
    orders: list[_Order]


_ANSWER = msgspec.json.Decoder(_Answer)


def told(answer: bytes) -> object:
    """What an answer told the clinician to do: how sure the patient is, and for each order its decision, what to reuse
    from which report, and what to repeat. Other candidates, ages and texts may change without changing that."""
    read = _ANSWER.decode(answer)
    return read.patient.match, [
        (
            one.id,
            one.decision,
            [(each.item, each.decision, one.candidates[each.candidate]) for each in one.reuse],
            [each.item for each in one.repeat],
        )
        for one in read.orders
    ]


def _old(among: Among) -> Any:
    found = decision.c
    return select(found.id, found.institution, found.superseded_by, found.given).where(among(found.id))


def _with_answer(among: Among) -> Any:
    return _old(among).add_columns(decision.c.answer)


_OLD = ByKeys(_old)
_WITH_ANSWER = ByKeys(_with_answer)
