"""What ingest asks of the registry: one batch, one transaction.

Everything a source sends is kept as a document; resources point into documents; reports are derived from the newest
version of the resources they are made of, so the order of arrival never matters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from service.domain.person import PatientFacts, PatientIdentifier
from service.domain.report import ImagingExam, LabReport


@dataclass(frozen=True, slots=True)
class StoredResource:
    """The newest version of a source resource: its hash, its place in the order of versions, its bytes' place.

    `ref` is `Type/id`, or `dicom/SOPInstanceUID`. `version_at` is the source's own time (None: not said), `rank`
    its state among versions of one time (`fhir_versions.rank_of`).
    """

    ref: str
    sha256: bytes
    version_at: datetime | None
    rank: int
    document_id: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    """A Consent: whose, whether it denies sharing, from when to when (None: open)."""

    ref: str
    patient_key: str
    denies: bool
    from_at: datetime | None = None
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """One DICOM series as its headers describe it: facts shared by `instances` instances."""

    study_uid: str
    series_uid: str
    facts: Mapping[str, object]
    instances: int = 1


@dataclass(frozen=True, slots=True)
class IndexedReport:
    """A report to index. `root` names the resource it is assembled from (`DiagnosticReport/1`, `study/1.2.3`);
    `source` is the resource whose bytes are served as the report."""

    root: str
    patient_key: str
    content: LabReport | ImagingExam
    source: StoredResource | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """An input that cannot be used: which document, the place in it, why; which record it is, and the source's own time
    of its version, where that can be told."""

    document_id: int
    place: str
    code: str
    reason: str
    ref: str = field(default="", repr=False)
    version_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A version of a record that could be used: where it stands, and the source's own time of it (None: not said)."""

    document_id: int
    version_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredRejection:
    """A rejection with its id, its document's name and media type, and since when it waits. `resolved_at`: it waits no
    more, `is_superseded`, because a later version of the same record could be used. `record`: the resource or series
    that it is, as its source calls it, by its pseudonym where that tells of a patient; "": not known."""

    id: int
    institution: str
    document_id: int
    name: str
    media: str
    place: str
    code: str
    reason: str
    rejected_at: datetime
    resolved_at: datetime | None = None
    is_superseded: bool = False
    record: str = ""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document that is kept: its id, media type and size in bytes."""

    id: int
    media: str
    size: int


@dataclass(slots=True)
class IndexCounts:
    """What indexing reports did."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    retired: int = 0
    roots: dict[str, str] = field(default_factory=dict)  # root -> new | updated | unchanged


class Batch(Protocol):
    """One transaction on the registry for one institution; batches of one institution run one after another."""

    def add_document(self, media: str, name: str, body: bytes) -> int:
        """Keeps the bytes; the same bytes of the same institution are kept once. Gives the document's id."""

    def have_document(self, document_id: int, body: bytes) -> None:
        """Says what the bytes of a document are that is kept already, so that nobody need fetch them."""

    def read_document(self, document_id: int) -> bytes:
        """The bytes as received."""

    def documents(self, after: int, limit: int) -> list[StoredDocument]:
        """The institution's next `limit` documents that are not DICOM with an id above `after`, by id."""

    def study_uids(self, after: str, limit: int) -> list[str]:
        """The institution's next `limit` studies with DICOM series whose UID comes after `after`, in order."""

    def count_stored(self) -> int:
        """How many of those documents and studies there are."""

    def find_resources(self, refs: Collection[str]) -> dict[str, StoredResource]:
        """The newest stored version of each ref that is known."""

    def put_resources(self, resources: Iterable[StoredResource]) -> None:
        """Stores or replaces the newest version of each."""

    def find_roots(self, targets: Collection[str]) -> dict[str, set[str]]:
        """For each target what is made from it (one step; follow until nothing new is found)."""

    def put_parts(self, parts: Mapping[str, Collection[str]]) -> None:
        """For each root the whole list of its targets; replaces what was known of that root."""

    def put_patients(self, patients: Iterable[PatientFacts]) -> None:
        """Stores patients; a late older version never replaces a newer one."""

    def find_patients(self, identifiers: Collection[PatientIdentifier]) -> dict[PatientIdentifier, set[str]]:
        """The keys of the institution's Patient resources that bear each identifier as it is written, or the same
        number that names one person by law however it is written; those that nobody bears are left out."""

    def put_consents(self, consents: Iterable[ConsentFacts]) -> None:
        """Stores consents by ref."""

    def add_instances(self, series: Iterable[SeriesFacts]) -> None:
        """Counts instances to their series and facts."""

    def find_series(self, study_uids: Collection[str]) -> dict[str, list[SeriesFacts]]:
        """The series of each study, in the order of series UID and facts."""

    def index_reports(self, reports: Iterable[IndexedReport], retired_roots: Collection[str] = ()) -> IndexCounts:
        """Indexes reports by (institution, number): unchanged content does nothing, a newer version becomes current,
        an older one is kept and does not. What a root made before and makes no more is retired."""

    def reject(self, rejections: Iterable[Rejection]) -> None:
        """Keeps rejections, each document and place once."""

    def supersede(self, accepted: Mapping[str, Accepted]) -> None:
        """Marks waiting rejections as done with where the same source has given a later, usable version of the same
        record: later by its own times, where both tell one, else by when it arrived. `accepted` by ref."""

    def resolve_rejections(self, ids: Collection[int]) -> None:
        """Marks rejections as done with."""

    def waiting_rejections(self) -> list[StoredRejection]:
        """The institution's rejections that wait."""


class IngestStore(Protocol):
    """The registry as ingest sees it."""

    def batch(self, institution: str) -> AbstractContextManager[Batch]:
        """Opens a batch; commits when the block ends, rolls back when it raises."""


__all__ = [
    "Accepted",
    "Batch",
    "ConsentFacts",
    "IndexCounts",
    "IndexedReport",
    "IngestStore",
    "PatientFacts",
    "PatientIdentifier",
    "Rejection",
    "SeriesFacts",
    "StoredDocument",
    "StoredRejection",
    "StoredResource",
]
