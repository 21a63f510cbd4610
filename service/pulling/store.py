"""What a run stores: records with the cursor, what became of them, leases. Each method is one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from service.ingest.counts import OUTCOMES, LoadCounts
from service.ingest.pipeline import Document, document_of
from service.ingest.port import Batch, Rejection
from service.ingest.source import Listing, Pulled, RawRecord
from service.pulling.leases import is_dead
from service.pulling.packing import Packed, key_of, pack, tombstones, too_large
from service.pulling.promises import with_storable_key
from service.pulling.unbelieved import Unbelieved
from service.registry import documents as document_rows
from service.registry import images, missed, source_states
from service.registry import pulling as rows
from service.registry.columns import EPOCH, from_us, to_us
from service.registry.database import Database
from service.registry.ingest_store import SqlBatch, SqlIngestStore
from service.registry.session import Session
from service.security.keys import KeyRing

_MOST_VANISHED = 0.2
_FEW = 10
"""More than a fifth of a scope gone at once, and more than ten, is a broken view and no deletion."""

DayOf = Callable[[datetime], str]
"""The calendar day (YYYY-MM-DD) of a moment in the network's zone."""


@dataclass(slots=True)
class Kept:
    """What storing a batch did: records that were not known or changed, those that were known, deletions that listings
    told, records that had been missed and were fetched, and a warning where too much was missing to be believed."""

    stored: int = 0
    known: int = 0
    deleted: int = 0
    fetched: int = 0
    warning: Unbelieved | None = None
    ignored: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PullStore:
    """The database as the pulling of one source sees it."""

    database: Database
    keys: KeyRing
    store: SqlIngestStore
    source: str
    institution: str
    kind: str
    owner: str
    day_of: DayOf
    lease_us: int = 60_000_000
    record_bytes: int = 32 * 1024 * 1024

    def take(self) -> bool:
        """Takes the source's lease; False while another process that lives has it."""
        with self.database.write() as conn:
            source_states.ensure(conn, self.source, self.institution, self.kind)
            now = self.database.now_us()
            return source_states.take_lease(conn, self.source, self.owner, now, now + self.lease_us, is_dead)

    def renew(self) -> bool:
        """Makes the lease last longer; False when it is lost."""
        with self.database.write() as conn:
            until = self.database.now_us() + self.lease_us
            return source_states.renew_lease(conn, self.source, self.owner, until)

    def end(self, values: Mapping[str, Any]) -> None:
        """Gives the lease back, with how the run went."""
        with self.database.write() as conn:
            source_states.end_run(conn, self.source, self.owner, values)

    def state(self) -> source_states.SourceState:
        """The source as it stands."""
        with self.database.read() as conn:
            return source_states.all_states(conn)[self.source]

    def cursor(self) -> dict[str, Any] | None:
        """Where the adapter goes on."""
        with self.database.read() as conn:
            return rows.read_cursor(conn, self.keys, self.source)

    def keep(self, pulled: Pulled, run_started: int) -> Kept:
        """Stores what is new of a batch (see `check_batch`) and moves the cursor: both, or, when this raises, neither.
        Raises LeaseLost."""
        records = [with_storable_key(one) for one in pulled.records]
        kept = Kept(ignored=dict(pulled.ignored))
        with self.store.batch(self.institution) as batch:
            session = _session(batch)
            new, turned = self._new(session, records, pulled.scope, kept)
            self._note_missed(session, {one.key for one in records}, pulled.asked)
            kept.fetched = len(pulled.asked & {one.key for one in new})
            packed = pack(new, self.source, _just_after(batch, turned))
            if pulled.listing is not None:
                gone = self._vanished(session, pulled.listing, run_started, kept)
                packed += pack(tombstones(_just_after(batch, gone)), self.source)
            rows.add_documents(session, self.source, [_added(batch, one) for one in packed])
            watermark = None if pulled.watermark is None else to_us(pulled.watermark)
            until = session.now + self.lease_us
            rows.move_cursor(session, self.source, self.owner, pulled.cursor, watermark, until, bool(new))
            counts = {
                "received": len(pulled.records), "known": kept.known, "deleted": kept.deleted, "fetched": kept.fetched,
            }  # fmt: skip
            rows.count_day(session, self.source, self.day_of(from_us(session.now)), counts | _ignored(pulled))
        return kept

    def _new(
        self, session: Session, records: Sequence[RawRecord], scope: str, kept: Kept
    ) -> tuple[list[RawRecord], list[str]]:
        """The records that are not known as they are, and the keys of those among them that are gone now, or were."""
        known = rows.find_records(session, self.source, {one.key for one in records})
        newest = {key: (one.digest, one.is_gone) for key, one in known.items()}
        found = []
        for one in records:
            record = too_large(one, self.record_bytes)
            state = (rows.digest_of(session, one.body, one.is_deletion, record.problem), one.is_deletion)
            if newest.get(one.key) == state:
                kept.known += 1
            else:
                found.append(record)
            newest[one.key] = state
        rows.put_records(session, self.source, scope, {one.key: newest[one.key] for one in records})
        kept.stored += len(found)
        told = Counter(one.key for one in found)
        back = {one.key for one in found if one.key in known and known[one.key].is_gone and not one.is_deletion}
        return found, [*back, *(one.key for one in found if one.is_deletion and told[one.key] == 1)]

    def _vanished(self, session: Session, listing: Listing, run_started: int, kept: Kept) -> list[str]:
        """The keys that this complete listing and the one before it do not name: deleted at the source. What it names
        and is not here is missed. Where very much is missing at the source nothing of it is believed."""
        missing, total = rows.find_missing(session, self.source, listing.scope, listing.keys, run_started)
        if len(missing) > _FEW and len(missing) > total * _MOST_VANISHED:
            kept.warning = Unbelieved(len(missing), total, listing.scope)
            return []
        expected = listing.expected & listing.keys
        missed.note_listed(session, self.source, listing.scope, listing.keys, expected, listing.changed)
        gone = [key for key, misses in missing.items() if misses + 1 >= rows.LISTED_NO_MORE]
        rows.note_misses(session, self.source, {key: n + 1 for key, n in missing.items() if key not in set(gone)})
        state = (rows.digest_of(session, b"", True), True)
        rows.put_records(session, self.source, listing.scope, dict.fromkeys(gone, state), rows.LISTED_NO_MORE)
        kept.deleted += len(gone)
        return gone

    def _note_missed(self, session: Session, came: set[str], asked: frozenset[str]) -> None:
        """Of records that were missed: those that came, and those that were asked for by their keys in vain."""
        missed.note_came(session, self.source, came)
        missed.note_not_given(session, self.source, asked - came)

    def missed(self, before: int, most: int) -> list[str]:
        """The next keys to ask for by themselves: a listing named them before that time (microseconds since 1970 UTC),
        and they are not here."""
        with self.database.read() as conn:
            return missed.due(conn, self.keys, self.source, before, most)

    def waiting(self, after: int, most_bytes: int, most: int) -> list[tuple[rows.PulledDocument, Document]]:
        """The next documents that wait to be read, with their bytes, in the order in which they came; as many as fit
        into `most_bytes`, one at least."""
        with self.database.read() as conn:
            return self._open(conn, rows.waiting_documents(conn, self.source, after, most), most_bytes)

    def between(
        self, since: datetime, until: datetime, after: int, most_bytes: int, most: int
    ) -> list[tuple[rows.PulledDocument, Document]]:
        """The next documents that came in [since, until), read or not, with their bytes."""
        with self.database.read() as conn:
            found = rows.documents_between(conn, self.source, to_us(since), to_us(until), after, most)
            return self._open(conn, found, most_bytes)

    def _open(
        self, conn: Connection, found: Sequence[rows.PulledDocument], most_bytes: int
    ) -> list[tuple[rows.PulledDocument, Document]]:
        opened: list[tuple[rows.PulledDocument, Document]] = []
        size = 0
        for one in found:
            if opened and size + one.size > most_bytes:
                break
            size += one.size
            body = document_rows.read_document(conn, self.keys, one.document_id)
            read = document_of(one.media, self.source, body)
            form = read.format if one.problem is None else one.problem
            opened.append((one, Document(form, self.source, body, stored=one.document_id, key=self._key_of(one))))
        return opened

    def _key_of(self, one: rows.PulledDocument) -> str:
        return key_of(document_rows.open_name(self.keys, one.document_id, one.name), self.source)

    def mark_read(self, batch: Batch, ids: Collection[int], counts: LoadCounts) -> None:
        """Within the batch that indexed them: these documents need not be read again. Raises LeaseLost."""
        session = _session(batch)
        self._hold(session)
        rows.mark_read(session, ids)
        images.note_holdings(session, self.source, counts.study_uids)
        outcomes = {one: counts.total(one) for one in OUTCOMES if one != "ignored"}
        rows.count_day(session, self.source, self.day_of(from_us(session.now)), outcomes)

    def note_held(self, batch: Batch, counts: LoadCounts) -> None:
        """Within the batch that indexed documents again: the source holds the studies that they tell of."""
        images.note_holdings(_session(batch), self.source, counts.study_uids)

    def give_up(self, one: rows.PulledDocument, code: str, reason: str) -> None:
        """Puts a document that no reader can take to the dead letters, so that it stops nobody."""
        with self.store.batch(self.institution) as batch:
            session = _session(batch)
            self._hold(session)
            batch.reject([Rejection(one.document_id, "document", code, reason, self._key_of(one))])
            rows.mark_read(session, [one.id])
            rows.count_day(session, self.source, self.day_of(from_us(session.now)), {"rejected": 1})

    def _hold(self, session: Session) -> None:
        if not source_states.renew_lease(session.conn, self.source, self.owner, session.now + self.lease_us):
            raise rows.LeaseLost(f"source {self.source} is pulled by another process")


def _added(batch: Batch, one: Packed) -> tuple[int, int, str | None]:
    assert isinstance(batch, SqlBatch)
    return batch.add_document(one.media, one.name, one.body, one.apart), one.records, one.problem


def calendar_day(zone: Any) -> DayOf:
    """Days as the network counts them."""
    return lambda at: at.astimezone(zone or UTC).date().isoformat()


def _just_after(batch: Batch, keys: Sequence[str]) -> dict[str, datetime]:
    """For each key the moment after its newest version that is known: that it is gone, or there again as it was, is
    later than that version, and earlier than whatever the source says of it next, by its own clock."""
    known = batch.find_resources(keys) if keys else {}
    now = from_us(_session(batch).now)
    versions = {key: (known[key].version_at or now) if key in known else EPOCH for key in keys}
    return {key: at + timedelta(milliseconds=1) for key, at in versions.items()}


def _ignored(pulled: Pulled) -> dict[str, int]:
    return {"ignored": sum(pulled.ignored.values())}


def _session(batch: Batch) -> Session:
    assert isinstance(batch, SqlBatch)
    return batch.session
