"""An IngestStore in plain dictionaries, for tests that need no database. Slow and simple on purpose."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from service.domain.person import normalise_identifier
from service.domain.report import ImagingExam, LabReport
from service.ingest.port import (
    Accepted,
    Batch,
    ConsentFacts,
    IndexCounts,
    IndexedReport,
    PatientFacts,
    PatientIdentifier,
    Rejection,
    SeriesFacts,
    StoredDocument,
    StoredRejection,
    StoredResource,
)

__all__ = ["MemoryStore"]
SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"


@dataclass
class _State:
    documents: list[tuple[str, str, bytes]] = field(default_factory=list)
    resources: dict[str, StoredResource] = field(default_factory=dict)
    parts: dict[str, set[str]] = field(default_factory=dict)
    patients: dict[str, PatientFacts] = field(default_factory=dict)
    consents: dict[str, ConsentFacts] = field(default_factory=dict)
    series: dict[tuple[str, str, str], SeriesFacts] = field(default_factory=dict)
    reports: dict[str, IndexedReport] = field(default_factory=dict)  # number -> the current version
    rejected: list[StoredRejection] = field(default_factory=list)
    resolved: set[int] = field(default_factory=set)


@dataclass
class MemoryStore:
    """Keeps everything of one institution each in a `_State`; a batch that raises leaves no trace."""

    states: dict[str, _State] = field(default_factory=dict)

    @contextmanager
    def batch(self, institution: str) -> Iterator[Batch]:
        state = copy.copy(self.states.get(institution, _State()))
        for name, value in vars(state).items():
            setattr(state, name, copy.copy(value))
        yield _MemoryBatch(institution, state)
        self.states[institution] = state

    def of(self, institution: str) -> _State:
        return self.states.setdefault(institution, _State())

    def current(self, institution: str) -> dict[str, LabReport | ImagingExam]:
        """The current reports by number."""
        return {number: one.content for number, one in sorted(self.of(institution).reports.items())}


@dataclass
class _MemoryBatch:
    institution: str
    state: _State

    def add_document(self, media: str, name: str, body: bytes) -> int:
        for n, (_, _, known) in enumerate(self.state.documents):
            if known == body:
                return n
        self.state.documents.append((media, name, bytes(body)))
        return len(self.state.documents) - 1

    def have_document(self, document_id: int, body: bytes) -> None:
        assert self.state.documents[document_id][2] == body

    def read_document(self, document_id: int) -> bytes:
        return self.state.documents[document_id][2]

    def documents(self, after: int, limit: int) -> list[StoredDocument]:
        kept = [StoredDocument(n, media, len(body)) for n, (media, _, body) in enumerate(self.state.documents)]
        return [one for one in kept if one.id > after and not one.media.startswith("application/dicom")][:limit]

    def study_uids(self, after: str, limit: int) -> list[str]:
        return sorted({one.study_uid for one in self.state.series.values() if one.study_uid > after})[:limit]

    def count_stored(self) -> int:
        return len(self.documents(-1, 10**9)) + len(self.study_uids("", 10**9))

    def find_resources(self, refs: Collection[str]) -> dict[str, StoredResource]:
        return {ref: self.state.resources[ref] for ref in refs if ref in self.state.resources}

    def put_resources(self, resources: Iterable[StoredResource]) -> None:
        self.state.resources.update({one.ref: one for one in resources})

    def find_roots(self, targets: Collection[str]) -> dict[str, set[str]]:
        found = {t: {root for root, parts in self.state.parts.items() if t in parts} for t in targets}
        return {target: roots for target, roots in found.items() if roots}

    def put_parts(self, parts: Mapping[str, Collection[str]]) -> None:
        self.state.parts.update({root: set(targets) for root, targets in parts.items()})

    def put_patients(self, patients: Iterable[PatientFacts]) -> None:
        for one in patients:
            old = self.state.patients.get(one.key)
            if old is None or not (one.version_at and old.version_at and one.version_at < old.version_at):
                self.state.patients[one.key] = one

    def find_patients(self, identifiers: Collection[PatientIdentifier]) -> dict[PatientIdentifier, set[str]]:
        known = {key: one for key, one in self.state.patients.items() if key.startswith("Patient/")}
        found = {
            asked: {key for key, one in known.items() if any(_same(asked, own) for own in one.identifiers)}
            for asked in identifiers
        }
        return {asked: keys for asked, keys in found.items() if keys}

    def put_consents(self, consents: Iterable[ConsentFacts]) -> None:
        self.state.consents.update({one.ref: one for one in consents})

    def add_instances(self, series: Iterable[SeriesFacts]) -> None:
        for one in series:
            key = (one.study_uid, one.series_uid, repr(sorted(one.facts.items())))
            old = self.state.series.get(key)
            self.state.series[key] = replace(one, instances=one.instances + (old.instances if old else 0))

    def find_series(self, study_uids: Collection[str]) -> dict[str, list[SeriesFacts]]:
        found: dict[str, list[SeriesFacts]] = {}
        for key in sorted(self.state.series):
            if key[0] in study_uids:
                found.setdefault(key[0], []).append(self.state.series[key])
        return found

    def index_reports(self, reports: Iterable[IndexedReport], retired_roots: Collection[str] = ()) -> IndexCounts:
        counts = IndexCounts()
        made: dict[str, set[str]] = {root: set() for root in retired_roots}
        for one in reports:
            made.setdefault(one.root, set()).add(one.content.head.number)
            outcome = self._index(one)
            setattr(counts, outcome, getattr(counts, outcome) + 1)
            counts.roots[one.root] = outcome
        for number, known in list(self.state.reports.items()):
            if number not in made.get(known.root, {number}):
                del self.state.reports[number]
                counts.retired += 1
        return counts

    def _index(self, one: IndexedReport) -> str:
        head = one.content.head
        old = self.state.reports.get(head.number)
        if old is None:
            self.state.reports[head.number] = one
            return "new"
        if old == one:
            return "unchanged"
        theirs, ours = old.content.head.version_at, head.version_at
        if theirs and ours and theirs.start != ours.start:
            newer = ours.start > theirs.start
        else:
            newer = head.status.rank >= old.content.head.status.rank
        if newer:
            self.state.reports[head.number] = one
        return "updated" if newer else "unchanged"

    def reject(self, rejections: Iterable[Rejection]) -> None:
        for one in rejections:
            if any((old.document_id, old.place) == (one.document_id, one.place) for old in self.waiting_rejections()):
                continue
            media, name, _ = self.state.documents[one.document_id]
            self.state.rejected.append(
                StoredRejection(
                    len(self.state.rejected) + 1, self.institution, one.document_id, name, media,
                    one.place, one.code, one.reason, datetime.now(UTC),
                )
            )  # fmt: skip

    def supersede(self, accepted: Mapping[str, Accepted]) -> None:
        """Files have no source, whose later versions would count."""

    def resolve_rejections(self, ids: Collection[int]) -> None:
        self.state.resolved.update(ids)

    def waiting_rejections(self) -> list[StoredRejection]:
        return [one for one in self.state.rejected if one.id not in self.state.resolved]


def _same(one: PatientIdentifier, other: PatientIdentifier) -> bool:
    mine, theirs = (normalise_identifier(given.system, given.value, given.type) for given in (one, other))
    if mine is not None and mine == theirs and mine.strong:
        return True
    return (one.system, one.value.strip()) == (other.system, other.value.strip())
