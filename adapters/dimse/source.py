"""An archive that is asked by C-FIND: studies by date, again and again over the last days, and what became of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo

from adapters.dimse import queries
from adapters.dimse.check import check
from adapters.dimse.conversation import Conversation
from adapters.dimse.cursor import Known, Progress, Studies
from adapters.dimse.finding import Finder, Found
from adapters.dimse.headers import GetHeaders, ReadsHeaders, TakingTurns
from adapters.dimse.move import MoveHeaders
from adapters.dimse.peer import Peer
from adapters.dimse.queries import Row
from adapters.dimse.study import StudyRead, StudyReader, two_patients
from service.domain.times import parse_when
from service.ingest.dicom.times import read_date, read_time
from service.ingest.source import Cursor, Listing, Pulled, RawRecord, Readiness

_FIRST_DAYS = 30
_BATCH_BYTES = 8 * 1024 * 1024
_COUNT_AGAIN = 60  # minutes between two reads of a study whose archive does not say how many instances it has
_VOLATILE = frozenset(("00080054", "00080056"))  # Retrieve AE Title, Instance Availability


class DimseSource:
    """See `service.ingest.source.Source`. DIMSE tells neither the archive's clock nor what changed: days are read by
    study date up to tomorrow of our own clock, and the last ones are read again."""

    def __init__(self, peer: Peer, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._peer, self._now = peer, now
        self._talk = Conversation(peer)
        self._headers = _headers(peer)
        if self._headers is not None and peer.config.limits.connections == 1:
            self._headers = TakingTurns(self._headers, self._talk.close)

    def probe(self) -> None:
        """C-ECHO."""
        self._talk.echo()

    def check(self) -> Readiness:
        """See `adapters.dimse.check`."""
        return check(self._peer.config, self._talk, self._finder(), self._headers, self._today())

    def pull(self, cursor: Cursor | None) -> Iterator[Pulled]:
        """Day by day; each day ends with a listing of all its series, where the archive gave all of them."""
        progress, today = Progress.read(cursor), self._today()
        back = max(self._peer.options.days_back, math.ceil(self._peer.config.overlap / timedelta(days=1)))
        since = self._peer.options.since or today - timedelta(_FIRST_DAYS)
        first, last = progress.first(since, back), today + timedelta(1)
        total = max(0, (last - first).days + 1)
        reader = self._reader()
        at = _Day(progress, first, today, today - timedelta(back), 0, total)
        for n in range(total):
            at = replace(at, day=first + timedelta(n), done=n + 1)
            yield from self._day(at, self._finder().day(at.day), reader)
        if older := progress.next_older(first, self._peer.options.sweep_days):
            yield from self._older(replace(at, day=older), reader)

    def _older(self, of: _Day, reader: StudyReader) -> Iterator[Pulled]:
        """A day that is not listed in every run: read where it looks other than before, for what came, or was deleted,
        very late."""
        found = self._finder().day(of.day)
        if of.progress.older[of.day.isoformat()] != _look(found):
            yield from self._day(of, found, reader)
        else:
            yield of.batch([], of.progress.with_day(of.day, {}), found)

    def close(self) -> None:
        """Ends all associations."""
        self._talk.close()
        if self._headers is not None:
            self._headers.close()

    def _day(self, of: _Day, found: Found, reader: StudyReader) -> Iterator[Pulled]:
        before = of.progress.days.get(of.day, {})
        after: Studies = {}
        records: list[RawRecord] = []
        keys: set[str] = set()
        for uid, rows in _by_study(found).items():
            known = self._known(uid, rows, before.get(uid))
            if known is None:
                read = self._read(uid, rows, reader)
                if read.ignored:
                    found.ignore("rejection-note", read.ignored)
                known = self._note(rows, read, before.get(uid))
                found.is_whole &= read.is_named
                records += read.records
                keys.update(one.key for one in read.records if not one.is_deletion)
            after[uid] = known
            keys.add(f"study/{uid}")
            keys.update(f"series/{uid}/{one}" for one in known.series)
            if (
                len(records) >= self._peer.options.batch_records
                or sum(len(one.body) for one in records) >= _BATCH_BYTES
            ):
                yield of.batch(records, of.progress.with_day(of.day, before | after))
                records = []
        cursor = of.progress.end_day(of.day, after, of.today, of.kept_from, _look(found))
        listing = Listing(of.scope, frozenset(keys)) if found.is_whole else None
        yield of.batch(records, cursor, found, listing, _newest(found, self._peer.config.zone))

    def _known(self, uid: str, rows: list[Row], known: Known | None) -> Known | None:
        """What is known of a study that need not be read again; None: it must be."""
        if known is None or not known.is_settled or known.digest != _digest(rows):
            return None
        counted = all(one.number(queries.STUDY_INSTANCES) is not None for one in rows)
        return known if counted or self._minute() - known.minute < _COUNT_AGAIN else None

    def _read(self, uid: str, rows: list[Row], reader: StudyReader) -> StudyRead:
        if len({one.values.text(queries.PATIENT_ID) for one in rows}) == 1:
            return reader.read(uid, rows[0])
        series = [one.uid(queries.SERIES_UID) for one in self._finder().series(uid)]
        return two_patients(uid, rows, series)

    def _note(self, rows: list[Row], read: StudyRead, before: Known | None) -> Known:
        """A study is settled when what was read is as many instances as the archive counts, or when it was the same
        twice: some count what they do not list."""
        digest = _digest(rows)
        counted = rows[0].number(queries.STUDY_INSTANCES)
        is_whole = counted == read.instances and read.is_complete
        is_same = before is not None and before.digest == digest
        return Known(digest, tuple(read.series), read.is_named and (is_whole or is_same), self._minute())

    def _finder(self) -> Finder:
        options = self._peer.options
        return Finder(self._talk.find, options.default_charset, options.round_limits)

    def _reader(self) -> StudyReader:
        return StudyReader(self._finder(), self._headers, self._peer.options.headers_per_series)

    def _today(self) -> date:
        return self._now().astimezone(self._peer.config.zone).date()

    def _minute(self) -> int:
        return int(self._now().timestamp() // 60)


@dataclass(frozen=True, slots=True)
class _Day:
    progress: Progress
    day: date
    today: date
    kept_from: date
    done: int
    total: int

    @property
    def scope(self) -> str:
        return f"studies/{self.day.isoformat()}"

    def batch(
        self, records: list[RawRecord], cursor: Cursor, found: Found | None = None, listing: Listing | None = None,
        watermark: datetime | None = None,
    ) -> Pulled:  # fmt: skip
        ignored = found.ignored if found else {}
        return Pulled(tuple(records), cursor, ignored, self.scope, listing, watermark, self.done, self.total)


def _headers(peer: Peer) -> ReadsHeaders | None:
    if peer.options.retrieve == "get":
        return GetHeaders(peer)
    return MoveHeaders(peer) if peer.options.retrieve == "move" else None


def _by_study(found: Found) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in found.rows:
        groups.setdefault(row.uid(queries.STUDY_UID), []).append(row)
    return groups


def _digest(rows: list[Row]) -> str:
    """What tells whether the archive says something else of a study than before."""
    told = sorted(
        json.dumps({tag: one for tag, one in row.data.items() if tag not in _VOLATILE}, sort_keys=True) for row in rows
    )
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:24]


def _look(found: Found) -> str:
    """A short hash of all that is listed of a day."""
    return hashlib.sha256(_digest(found.rows).encode()).hexdigest()[:16]


def _newest(found: Found, zone: tzinfo) -> datetime | None:
    """The newest study's beginning, as the archive says it."""
    times = []
    for row in found.rows:
        day = read_date(row.values.text(queries.STUDY_DATE))
        clock = read_time(row.values.text(queries.STUDY_TIME))
        if day and clock:
            times.append(parse_when(f"{day}T{clock}", zone).start)
    return max(times, default=None)
