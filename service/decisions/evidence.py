"""Gathers what is known for one question: whose records, what results, what consent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection

from service.domain.decision import Evidence, Match
from service.domain.order import MatchRequest, PatientQuery
from service.domain.person import PersonIdentifier
from service.domain.report import ExamCandidate, HeldBy, LabCandidate
from service.identity.asked.linkage import NO_INDEX, Index, Linkage, link
from service.identity.asked.person import complete, own_records, read_identifiers
from service.identity.store.records import persons_of
from service.matching.case import ask
from service.matching.ordered import Ordered, understand
from service.matching.policy import Policy
from service.registry import evidence as known
from service.registry import images
from service.registry.persons import NOT_SAME, SAME, fellow_records, rulings_on
from service.registry.reach import newest_change
from service.security.keys import KeyRing

_PARTIAL_DATE = timedelta(days=366)
"""A date without a day is stored at its start: look this much further back and let matching judge."""


AnyCandidate = TypeVar("AnyCandidate", LabCandidate, ExamCandidate)


class Gathered(NamedTuple):
    """What is known, the records that it rests on, and the newest change of persons when it was read.

    It rests on the records by which the person was found and on those that had something to say: a result, an exam,
    a refusal. Not on those that were looked at and said nothing.
    """

    evidence: Evidence
    rests_on: tuple[int, ...]
    seen: int


class Reads:
    """What a question reads of the registry, but for finding out whose records they are."""

    def newest_change(self, conn: Connection) -> int:
        """As `reach.newest_change`."""
        return newest_change(conn)

    def consents_of(self, conn: Connection, ids: Sequence[int]) -> list[known.ConsentRow]:
        """As `evidence.consents_of`."""
        return known.consents_of(conn, ids)

    def results_of(
        self, conn: Connection, ids: Sequence[int], items: Sequence[str], since_us: int
    ) -> list[tuple[int, LabCandidate]]:
        """As `evidence.results_of`."""
        return known.results_of(conn, ids, items, since_us)

    def exams_of(
        self, conn: Connection, ids: Sequence[int], modalities: Sequence[str], since_us: int
    ) -> list[tuple[int, ExamCandidate]]:
        """As `evidence.exams_of`."""
        return known.exams_of(conn, ids, modalities, since_us)

    def held_by(
        self, conn: Connection, studies: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], tuple[HeldBy, ...]]:
        """As `images.held_by`."""
        return images.held_by(conn, studies)


_EACH_ITS_OWN = Reads()


class EvidenceReader:
    """Reads the registry for one question; every read names the patient records."""

    def __init__(self, keys: KeyRing, reads: Reads = _EACH_ITS_OWN) -> None:
        self._keys = keys
        self._reads = reads

    def gather(self, conn: Connection, request: MatchRequest, policy: Policy) -> Gathered:
        """Everything matching needs to know."""
        seen = self._reads.newest_change(conn)  # first: what changes after it is found out when the decision is stored
        linkage = self.identify(conn, request.patient, request.requester)
        ids = (*linkage.confirmed, *linkage.probable)
        if not ids:
            return Gathered(Evidence(linkage.match), linkage.anchors, seen)
        ordered = [one for order in request.orders if (one := understand(order, policy.catalogue)) is not None]
        probable = frozenset(linkage.probable)
        denying = _denying(self._reads.consents_of(conn, ids), request.ordered_at)
        results = self._results(conn, ids, ordered, request, policy)
        exams = self._exams(conn, ids, ordered, request, policy)
        evidence = Evidence(linkage.match, bool(denying), _marked(results, probable), _marked(exams, probable), ids)
        spoke = {*denying, *(record for record, _ in results), *(record for record, _ in exams)}
        return Gathered(evidence, tuple(sorted(spoke.union(linkage.anchors))), seen)

    def identify(self, conn: Connection, query: PatientQuery, requester: str) -> Linkage:
        """Who the query names. A number of the ordering institution resolves to its own record first, whose
        identifiers then find the others."""
        asked = read_identifiers(query)
        tokens = {*self._tokens(asked), *self._local_tokens(query, requester)}
        records = known.find_records(conn, self._keys, tokens)
        if is_crowded := len(records) > known.MOST_FOUND:
            records = known.find_records(conn, self._keys, self._local_tokens(query, requester))
        own = own_records(query, requester, records)
        person = complete(query, own)
        if more := set() if is_crowded else set(self._tokens(person.identifiers - asked)):
            found = known.find_records(conn, self._keys, tokens | more)
            is_crowded = len(found) > known.MOST_FOUND
            records = records if is_crowded else found
        if is_crowded and not own:  # a number that everybody bears: nobody is found by it, and who bears it is unsure
            return Linkage(Match.CONFLICT)
        index, fellows = self._index(conn, [one.id for one in records])
        return link(person, own, [*records, *fellows], index)

    def _index(self, conn: Connection, ids: Collection[int]) -> tuple[Index, list[known.RecordRow]]:
        """What the person index says of these records, and the records it adds to them."""
        if not ids:
            return NO_INDEX, []
        persons, fellows = fellow_records(conn, self._keys, ids)
        ruled = rulings_on(conn, {*ids, *persons})
        index = Index(
            persons,
            frozenset(pair for pair, ruling in ruled.items() if ruling == SAME),
            frozenset(pair for pair, ruling in ruled.items() if ruling == NOT_SAME),
        )
        return index, fellows

    def _tokens(self, identifiers: Collection[PersonIdentifier]) -> list[bytes]:
        tokens = self._keys.tokens
        return [token for one in identifiers for token in tokens(f"identifier:{one.kind.value}", one.value)]

    def _local_tokens(self, query: PatientQuery, requester: str) -> list[bytes]:
        return [
            token
            for system, value, _ in query.identifiers
            for token in self._keys.tokens("local", f"{requester}|{system}|{value.strip()}")
        ]

    def _results(
        self,
        conn: Connection,
        ids: Sequence[int],
        ordered: list[Ordered],
        request: MatchRequest,
        policy: Policy,
    ) -> list[tuple[int, LabCandidate]]:
        items = {item.id: item for one in ordered if one.imaging is None for item in one.items}
        if not items:
            return []
        since = min(ask(item, request, policy).listed_since for item in items.values())
        return self._reads.results_of(conn, ids, sorted(items), _microseconds(since))

    def _exams(
        self,
        conn: Connection,
        ids: Sequence[int],
        ordered: list[Ordered],
        request: MatchRequest,
        policy: Policy,
    ) -> list[tuple[int, ExamCandidate]]:
        needs = [(one.imaging, one.required[0]) for one in ordered if one.imaging is not None]
        if not needs:
            return []
        since = min(ask(item, request, policy).listed_since for _, item in needs)
        modalities = sorted({need.modality for need, _ in needs})
        found = self._reads.exams_of(conn, ids, modalities, _microseconds(since))
        studies = {(one.head.institution, one.exam.study_uid) for _, one in found if one.exam.study_uid}
        held = self._reads.held_by(conn, studies) if studies else {}
        if not held:
            return found
        return [
            (record, replace(one, held_by=held.get((one.head.institution, one.exam.study_uid or ""), ())))
            for record, one in found
        ]


def _marked(found: Iterable[tuple[int, AnyCandidate]], probable: frozenset[int]) -> tuple[AnyCandidate, ...]:
    return tuple(replace(one, identity="probable") if record in probable else one for record, one in found)


def is_withheld(conn: Connection, ids: Collection[int], at: datetime) -> bool:
    """Whether an active Consent of any of these records, or of one that is joined with them now, denies sharing at that
    time: a patient may refuse at a hospital that had no record of theirs when these were looked at."""
    joined = frozenset(ids).union(*persons_of(conn, ids).values())
    return bool(_denying(known.consents_of(conn, joined), at))


def _denying(consents: Iterable[known.ConsentRow], at: datetime) -> set[int]:
    """The records of which an active Consent denies sharing at that time."""
    return {
        one.record_id
        for one in consents
        if one.denies and (one.from_at is None or one.from_at <= at) and (one.to_at is None or at < one.to_at)
    }


def _microseconds(since: datetime) -> int:
    """Since when to read, as the registry counts time; partial dates stand at their start."""
    return int((since.timestamp() - _PARTIAL_DATE.total_seconds()) * 1_000_000)
