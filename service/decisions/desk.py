"""The desk: one question in, one answer out, stored and audited before it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.decisions.codec import decode_given, encode_given
from service.decisions.disclosure import disclosable
from service.decisions.evidence import EvidenceReader, Gathered
from service.decisions.reference import ReferenceReader
from service.decisions.render import render_decision
from service.decisions.request import read_request
from service.decisions.rests import TRIES, Stale, come_again, put_ground
from service.decisions.rows import Made, disclosed, make_decision
from service.domain.decision import Decision, Match
from service.domain.errors import NotFound, NotPermitted
from service.domain.order import MatchRequest
from service.matching.evaluate import evaluate
from service.matching.replay import outcome_of
from service.registry.columns import from_us
from service.registry.database import Database
from service.registry.journal import Journal, add_rows
from service.registry.reach import INVALIDATED
from service.registry.tables import decision as decision_table
from service.registry.tables import identity_change, image_offer
from service.registry.tables import prompt as prompt_table
from service.security.caller import Caller, Role
from service.security.keys import KeyRing


@dataclass(frozen=True, slots=True)
class Prepared:
    """An answer that may not leave yet, the outcomes of its orders, and what must be stored first."""

    answer: bytes
    outcomes: tuple[str, ...]
    store: Callable[[Connection], None]


class Desk:
    """Answers match requests, shows earlier decisions, replays them."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        journal: Journal,
        audit: AuditLog,
        reference: ReferenceReader,
        *,
        public_url: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._keys = keys
        self._journal = journal
        self._audit = audit
        self._reference = reference
        self._evidence = EvidenceReader(keys)
        self._public_url = public_url
        self._clock = clock

    def decide(self, body: object, caller: Caller) -> bytes:
        """The answer to a match request of the caller's institution, as JSON bytes; stored with its audit entry.

        Raises InvalidInput (faults with their places), NotPermitted (role, or an institution outside the network),
        Unavailable (nothing was stored, nothing may be said).
        """
        for _ in range(TRIES):
            made = self.prepare(body, caller)
            with suppress(Stale):
                self._journal.submit(made.store)
                return made.answer
        raise come_again()

    def prepare(self, body: object, caller: Caller) -> Prepared:
        """The first half of `decide`, for a caller that waits for the commit in its own way: the answer may leave
        only once `store` is durable. Where that raises Stale, the question is to be answered anew."""
        caller.require(Role.CLINICIAN, Role.SYSTEM)
        policy = self._reference.current_policy()
        if policy.institution(caller.institution) is None:
            raise NotPermitted("this institution is not in the network")
        now = self._clock()
        request = read_request(body, caller.institution, now, policy.network.zone)
        with self._database.read() as conn:
            known = self._evidence.gather(conn, request, policy)
        made = make_decision(request, known.evidence, policy, self._keys, now=now, public_url=self._public_url)
        entry = _audit_entry(made.decided, request, caller, made.row)
        outcomes = tuple(one.outcome.value for one in made.decided.orders)
        return Prepared(made.answer, outcomes, lambda conn: self._store(conn, made, known, entry))

    def _store(self, conn: Connection, made: Made, known: Gathered, entry: AuditEntry) -> None:
        put_ground(conn, made.row["id"], known.rests_on, known.seen)
        add_rows(conn, decision_table, [made.row])
        add_rows(conn, prompt_table, made.prompts)
        if made.offers:
            add_rows(conn, image_offer, made.offers)
        self._audit.append(conn, entry)

    def get(self, decision_id: str, caller: Caller) -> bytes:
        """The decision as it was given, with every input and rule result that led to it: JSON of `answer`, `given`,
        `state`, what it supersedes and is superseded by, and when and why it was invalidated. What the answer withheld
        is withheld here too. NotFound also for another institution's."""
        row = self._row(decision_id, caller)
        given = decode_given(self._keys.open(row.given, f"decision|given|{decision_id}"))
        policy = self._reference.policy(given.network_version, given.catalogue_version)
        self._journal.submit(
            lambda conn: self._audit.append(conn, _read_entry(Action.DECISION_READ, decision_id, caller))
        )
        return b'%b,"answer":%b,"given":%b}' % (
            msgspec.json.encode(_standing(row))[:-1],
            self._keys.open(row.answer, f"decision|answer|{decision_id}"),
            encode_given(disclosable(given, policy)),
        )

    def replay(self, decision_id: str, caller: Caller) -> bytes:
        """Evaluates the decision again from what it was given, under the policy of then; JSON of `same`, `before`,
        `after` (outcomes without what only names and links say)."""
        row = self._row(decision_id, caller)
        given = decode_given(self._keys.open(row.given, f"decision|given|{decision_id}"))
        policy = self._reference.policy(given.network_version, given.catalogue_version)
        again = render_decision(
            evaluate(given.request, given.evidence, policy), policy, decision_id=decision_id,
            decided_at=datetime.fromtimestamp(row.decided_at / 1_000_000, UTC),
            ordered_at=given.request.ordered_at, public_url=self._public_url,
        )  # fmt: skip
        before = outcome_of(msgspec.json.decode(self._keys.open(row.answer, f"decision|answer|{decision_id}")))
        after = outcome_of(msgspec.json.decode(msgspec.json.encode(again)))
        self._journal.submit(
            lambda conn: self._audit.append(conn, _read_entry(Action.DECISION_REPLAYED, decision_id, caller))
        )
        return msgspec.json.encode(
            {
                "decisionId": decision_id,
                "same": before == after,
                "policyVersion": {"before": row.policy_version, "after": policy.version},
                "before": before,
                "after": after,
            }
        )

    def _row(self, decision_id: str, caller: Caller) -> Any:
        caller.require(Role.CLINICIAN, Role.SYSTEM)
        with self._database.read() as conn:
            row = conn.execute(_SELECT_DECISION, {"wanted": decision_id}).first()
        if row is None or (row.institution != caller.institution and caller.role is not Role.ADMIN):
            raise NotFound("there is no such decision")
        return row


_SELECT_DECISION = (
    select(decision_table, identity_change.c.at.label("changed_at"), identity_change.c.cause)
    .join_from(decision_table, identity_change, identity_change.c.id == decision_table.c.change_id, isouter=True)
    .where(decision_table.c.id == bindparam("wanted"))
)


def _standing(row: Any) -> dict[str, Any]:
    """Whether the decision can still be relied on, and what stands in its place."""
    is_invalid = row.state == INVALIDATED
    why = {"at": from_us(row.changed_at).isoformat(timespec="milliseconds"), "cause": row.cause} if is_invalid else None
    return {"state": row.state, "supersedes": row.supersedes, "supersededBy": row.superseded_by, "invalidated": why}


def _audit_entry(decided: Decision, request: MatchRequest, caller: Caller, row: dict[str, Any]) -> AuditEntry:
    return AuditEntry(
        at=row["decided_at"],
        actor=caller.actor,
        role=caller.role.value,
        institution=caller.institution,
        action=Action.DECISION_MADE,
        subject=f"Decision/{row['id']}",
        outcome=decided.match.value,
        detail={
            "orders": {one.id: one.outcome.value for one in decided.orders},
            "policy": row["policy_version"],
            **({"restrictedConsent": True} if request.encounter.restricted_consent else {}),
            **({"reports": sorted(disclosed(decided))} if decided.match is not Match.UNKNOWN else {}),
        },
    )


def _read_entry(action: Action, decision_id: str, caller: Caller) -> AuditEntry:
    return AuditEntry(
        at=time.time_ns() // 1000,
        actor=caller.actor,
        role=caller.role.value,
        institution=caller.institution,
        action=action,
        subject=f"Decision/{decision_id}",
        outcome="ok",
        detail={},
    )
