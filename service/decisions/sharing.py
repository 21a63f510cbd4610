"""Reads once what many decisions on the same patients share. For decisions that are evaluated again together, in the
order in which they were made: then an earlier one has read far enough back for all that follow.

What is read is as old as the first read of it: whoever stores such decisions goes by the newest change that was known
before any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection

from service.decisions.evidence import EvidenceReader, Reads
from service.domain.order import PatientQuery
from service.domain.report import ExamCandidate, LabCandidate
from service.domain.times import When
from service.identity.asked.linkage import Linkage
from service.registry.columns import UNKNOWN_AT, to_us
from service.registry.evidence import ConsentRow
from service.security.keys import KeyRing

Ids = tuple[int, ...]
C = TypeVar("C", LabCandidate, ExamCandidate)


class SharedReader(EvidenceReader):
    """Finds out once who a patient is whom many decisions are about, and reads once what is known of the records."""

    def __init__(self, keys: KeyRing) -> None:
        super().__init__(keys, _SharedReads())
        self._found: dict[tuple[PatientQuery, str], Linkage] = {}

    def identify(self, conn: Connection, query: PatientQuery, requester: str) -> Linkage:
        """As the reader it extends."""
        key = (query, requester)
        if key not in self._found:
            self._found[key] = super().identify(conn, query, requester)
        return self._found[key]


class _SharedReads(Reads):
    def __init__(self) -> None:
        self._newest: int | None = None
        self._consents: dict[Ids, list[ConsentRow]] = {}
        self._results: dict[tuple[Ids, str], _Read[LabCandidate]] = {}
        self._exams: dict[tuple[Ids, tuple[str, ...]], _Read[ExamCandidate]] = {}

    def newest_change(self, conn: Connection) -> int:
        if self._newest is None:
            self._newest = super().newest_change(conn)
        return self._newest

    def consents_of(self, conn: Connection, ids: Sequence[int]) -> list[ConsentRow]:
        key = tuple(ids)
        if key not in self._consents:
            self._consents[key] = super().consents_of(conn, ids)
        return self._consents[key]

    def results_of(
        self, conn: Connection, ids: Sequence[int], items: Sequence[str], since_us: int
    ) -> list[tuple[int, LabCandidate]]:
        key = tuple(ids)
        absent = [one for one in items if not _reaches(self._results.get((key, one)), since_us)]
        if absent:
            read: dict[str, _Read[LabCandidate]] = {one: _Read(since_us) for one in absent}
            for record, one in super().results_of(conn, ids, absent, since_us):
                read[one.result.item or ""].add(record, one, one.result.performed)
            self._results |= {(key, item): found for item, found in read.items()}
        listed = [one for item in sorted(items) for one in self._results[key, item].since(since_us)]
        return sorted(listed, key=lambda one: one[0])  # as the registry orders: by record, then by item

    def exams_of(
        self, conn: Connection, ids: Sequence[int], modalities: Sequence[str], since_us: int
    ) -> list[tuple[int, ExamCandidate]]:
        key = (tuple(ids), tuple(modalities))
        if not _reaches(self._exams.get(key), since_us):
            self._exams[key] = _Read(since_us)
            for record, one in super().exams_of(conn, ids, modalities, since_us):
                self._exams[key].add(record, one, one.exam.performed)
        return self._exams[key].since(since_us)


class _Read(Generic[C]):
    """Candidates read as far back as `since_us`, each with its record and start, in the registry's order."""

    def __init__(self, since_us: int) -> None:
        self.since_us = since_us
        self._found: list[tuple[int, int, C]] = []

    def add(self, record: int, one: C, performed: When | None) -> None:
        self._found.append((record, UNKNOWN_AT if performed is None else to_us(performed.start), one))

    def since(self, since_us: int) -> list[tuple[int, C]]:
        return [(record, one) for record, start, one in self._found if start >= since_us]


def _reaches(read: _Read[C] | None, since_us: int) -> bool:
    return read is not None and read.since_us <= since_us
