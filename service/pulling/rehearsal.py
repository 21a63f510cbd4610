"""Reading records as ever, and storing nothing: each batch is undone at its end, what it would have done is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from service.domain.person import PatientFacts
from service.ingest.port import Batch, IndexCounts, IndexedReport
from service.registry.ingest_store import SqlBatch, SqlIngestStore
from service.registry.session import Session


@dataclass(slots=True)
class Rehearsed:
    """What batches would have done: reports with what would have become of them (new, updated or unchanged), patients
    by their key."""

    reports: list[tuple[IndexedReport, str]] = field(default_factory=list)
    patients: dict[str, PatientFacts] = field(default_factory=dict)


class Rehearsal:
    """An `IngestStore` on the registry whose batches never commit. They run inside real transactions, so what they find
    there is what a real one would find; other batches of the institution wait meanwhile."""

    def __init__(self, store: SqlIngestStore) -> None:
        self._store = store
        self.seen = Rehearsed()

    @contextmanager
    def batch(self, institution: str) -> Iterator[Batch]:
        """Opens a batch; it is undone when the block has ended, however it ends."""
        try:
            with self._store.batch(institution) as batch:
                assert isinstance(batch, SqlBatch)
                yield _Watched(batch.session, self.seen)
                raise _Undone
        except _Undone:
            return


class _Undone(Exception):
    """Ends the transaction without a commit."""


class _Watched(SqlBatch):
    def __init__(self, session: Session, seen: Rehearsed) -> None:
        super().__init__(session)
        self._seen = seen

    def put_patients(self, patients: Iterable[PatientFacts]) -> None:
        """As ever, and remembers them."""
        listed = list(patients)
        self._seen.patients |= {one.key: one for one in listed}
        super().put_patients(listed)

    def index_reports(self, reports: Iterable[IndexedReport], retired_roots: Collection[str] = ()) -> IndexCounts:
        """As ever, and remembers what became of each."""
        listed = list(reports)
        counts = super().index_reports(listed, retired_roots)
        self._seen.reports += [(one, counts.roots.get(one.root, "unchanged")) for one in listed]
        return counts
