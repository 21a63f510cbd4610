"""The registry as ingest sees it (`service.ingest.port`), in SQL."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Connection

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
from service.registry import documents as document_rows
from service.registry import patients as patient_rows
from service.registry import reference_store
from service.registry import rejections as rejection_rows
from service.registry import reports as report_versions
from service.registry import resources as resource_rows
from service.registry import series as series_rows
from service.registry.columns import to_us
from service.registry.database import Database
from service.registry.session import Session
from service.security.keys import KeyRing

_CACHED_BYTES = 64 * 1024 * 1024

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class PersonIndex(Protocol):
    """What must know of every patient that is stored, in the transaction that stores it."""

    def take_up(self, conn: Connection, institution: str, patients: Mapping[int, PatientFacts], now: int) -> None:
        """Takes up patients by the ids of their records; `now` in microseconds since 1970 UTC."""


class SqlIngestStore:
    """An `IngestStore` on a database. Batches of one institution run one after another, on SQLite all batches do."""

    def __init__(
        self, database: Database, keys: KeyRing, clock: Clock = system_clock, persons: PersonIndex | None = None
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._persons = persons

    @contextmanager
    def batch(self, institution: str) -> Iterator[Batch]:
        """Opens a batch; it is durable when the block has ended, undone when it raises."""
        with self._database.write() as conn:
            self._database.lock(conn, f"institution {institution}")
            keys = self._keys.pinned()  # under the lock: whoever rotates the keys waits for what this batch writes
            reference_store.require_keys(conn, keys.fingerprints)
            now = to_us(self._clock())
            batch = SqlBatch(Session(self._database, conn, keys, institution, now))
            yield batch
            if self._persons is not None and batch.patients:
                self._persons.take_up(conn, institution, batch.patients, now)


class SqlBatch:
    """A `Batch`: each method is a function of the module that owns those rows."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._bodies: OrderedDict[int, bytes] = OrderedDict()
        self.patients: dict[int, PatientFacts] = {}
        """Those that this batch stored or changed, by the id of their record."""

    def add_document(self, media: str, name: str, body: bytes, apart: str = "") -> int:
        """Keeps the bytes; the same bytes of the same institution are kept once, or, with `apart`, once under that
        name. Gives the document's id."""
        document_id = document_rows.add_document(self.session, media, name, body, apart)
        self._remember(document_id, body)
        return document_id

    def have_document(self, document_id: int, body: bytes) -> None:
        """Says what the bytes of a document are that is kept already."""
        self._remember(document_id, body)

    def read_document(self, document_id: int) -> bytes:
        """The bytes as received; those used last are at hand, as resources are read slice by slice."""
        body = self._bodies.get(document_id)
        if body is None:
            body = document_rows.read_document(self.session.conn, self.session.keys, document_id)
            self._remember(document_id, body)
        return body

    def _remember(self, document_id: int, body: bytes) -> None:
        self._bodies[document_id] = body
        held = sum(map(len, self._bodies.values()))
        while held > _CACHED_BYTES and len(self._bodies) > 1:
            held -= len(self._bodies.popitem(last=False)[1])

    def documents(self, after: int, limit: int) -> list[StoredDocument]:
        """The institution's next documents that are not DICOM, by id."""
        return document_rows.next_documents(self.session, after, limit)

    def study_uids(self, after: str, limit: int) -> list[str]:
        """The institution's next studies that have DICOM series, in the order of their UIDs."""
        return series_rows.next_studies(self.session, after, limit)

    def count_stored(self) -> int:
        """How many of those documents and studies there are."""
        return document_rows.count(self.session) + series_rows.count_studies(self.session)

    def find_resources(self, refs: Collection[str]) -> dict[str, StoredResource]:
        """The newest stored version of each ref that is known."""
        return resource_rows.find_resources(self.session, refs)

    def put_resources(self, resources: Iterable[StoredResource]) -> None:
        """Stores or replaces the newest version of each."""
        resource_rows.put_resources(self.session, resources)

    def find_roots(self, targets: Collection[str]) -> dict[str, set[str]]:
        """For each target what is made from it (one step)."""
        return resource_rows.find_roots(self.session, targets)

    def put_parts(self, parts: Mapping[str, Collection[str]]) -> None:
        """For each root the whole list of its targets; replaces what was known of that root."""
        resource_rows.put_parts(self.session, parts)

    def put_patients(self, patients: Iterable[PatientFacts]) -> None:
        """Stores patients; a late older version never replaces a newer one."""
        self.patients |= patient_rows.put_patients(self.session, patients)

    def find_patients(self, identifiers: Collection[PatientIdentifier]) -> dict[PatientIdentifier, set[str]]:
        """The keys of the Patient resources that bear each identifier."""
        return patient_rows.find_patients(self.session, identifiers)

    def put_consents(self, consents: Iterable[ConsentFacts]) -> None:
        """Stores consents by ref."""
        patient_rows.put_consents(self.session, consents)

    def add_instances(self, series: Iterable[SeriesFacts]) -> None:
        """Counts instances to their series and facts."""
        series_rows.add_instances(self.session, series)

    def find_series(self, study_uids: Collection[str]) -> dict[str, list[SeriesFacts]]:
        """The series of each study, in the order of series UID and facts."""
        return series_rows.find_series(self.session, study_uids)

    def index_reports(self, reports: Iterable[IndexedReport], retired_roots: Collection[str] = ()) -> IndexCounts:
        """Indexes reports by (institution, number), and retires what their roots make no more."""
        return report_versions.index_reports(self.session, reports, retired_roots)

    def reject(self, rejections: Iterable[Rejection]) -> None:
        """Keeps rejections, each document and place once."""
        rejection_rows.reject(self.session, rejections)

    def supersede(self, accepted: Mapping[str, Accepted]) -> None:
        """Marks rejections as done with whose record its source has given since in a usable version."""
        rejection_rows.supersede(self.session, accepted)

    def resolve_rejections(self, ids: Collection[int]) -> None:
        """Marks rejections as done with."""
        rejection_rows.resolve(self.session, ids)

    def waiting_rejections(self) -> list[StoredRejection]:
        """The institution's rejections that wait."""
        return rejection_rows.waiting(self.session.conn, self.session.keys, self.session.institution)
