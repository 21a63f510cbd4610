"""Pulling from an archive by DICOMweb: day by day of StudyDate, the recent days again in every run.

A study is taken when it looks the same twice, some seconds apart: until then it is being sent. It is taken again when
it looks different, and once more on the last day it is looked at, for corrections that show in no count.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from adapters.dicomweb.check import check
from adapters.dicomweb.cursor import CLOSED, FAILED, SEEN, TAKEN, Progress
from adapters.dicomweb.days import Day, Days, ListedStudy
from adapters.dicomweb.options import Options, read_options
from adapters.dicomweb.questions import Questions
from adapters.dicomweb.records import StudyRecords, give_up, read_study
from adapters.transport import GuardedClient
from service.ingest.source import Cursor, Listing, Pulled, RawRecord, Readiness, Retriable, SourceConfig

_BATCH_RECORDS = 64
_BATCH_BYTES = 8 * 1024 * 1024
_MOST_FAILURES = 5  # of studies in one run, before it is the archive that fails
_ONE_DAY = timedelta(days=1)
_UNDATED = date.min  # stands for the day of studies without one


@dataclass(slots=True)
class _Batch:
    """What is to be given next."""

    records: list[RawRecord] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    size: int = 0

    def add(self, records: list[RawRecord]) -> None:
        self.records += records
        self.size += sum(len(one.body) for one in records)

    @property
    def is_full(self) -> bool:
        return len(self.records) >= _BATCH_RECORDS or self.size >= _BATCH_BYTES


@dataclass(slots=True)
class _Run:
    """One run: the days it looks at, the progress that its cursor tells."""

    progress: Progress
    today: date
    closing: date  # days up to it are looked at for the last time
    watermark: datetime | None = None
    done: int = 0
    total: int = 0
    waiting: dict[date, None] = field(default_factory=dict)  # days with studies that are being sent
    failures: dict[str, Retriable] = field(default_factory=dict)  # of single studies, by UID
    failed: date | None = None  # the first day that has one: the next run begins no later

    def pulled(self, batch: _Batch, day: date, listing: Listing | None = None) -> Pulled:
        """The batch, with the cursor to go on from."""
        return Pulled(
            tuple(batch.records), self.progress.to_cursor(), dict(batch.ignored), _scope(day), listing,
            self.watermark, self.done, self.total,
        )  # fmt: skip

    def check_failures(self, most: int) -> None:
        """Raises the first failure when there are as many as `most`."""
        if len(self.failures) >= most:
            raise next(iter(self.failures.values()))

    def passed(self, day: date) -> None:
        """The day is done with, unless something of it is to be asked for again."""
        self.done += 1
        if self.failed is None:
            self.progress.through = max(self.progress.through or day, min(day, self.today))
            if day < self.closing:
                self.progress.studies.pop(day.isoformat(), None)

    def see(self, study: ListedStudy, now: datetime) -> None:
        """Raises the watermark to a study that was taken; a clock that is ahead counts as now."""
        if study.started is not None:
            started = min(study.started, now)
            self.watermark = max(self.watermark or started, started)


class DicomWebSource:
    """An archive that is pulled from by DICOMweb."""

    def __init__(
        self, config: SourceConfig, http: GuardedClient, options: Options,
        clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._config = config
        self._http = http
        self._options = options
        self._questions = Questions(http, options.page, config.limits.pages)
        self._days = Days(self._questions, config.zone)
        self._clock, self._sleep = clock, sleep

    def check(self) -> Readiness:
        """See `Source`."""
        return check(self._config, self._questions, self._days, self._today)

    def probe(self) -> None:
        """See `Source`."""
        self._questions.probe()

    def close(self) -> None:
        """Lets go of connections."""
        self._http.close()

    def pull(self, cursor: Cursor | None) -> Iterator[Pulled]:
        """See `Source`. The cursor keeps the days read, and how each recent study looked.

        A study that the archive fails to give stops no other: it is asked for once more by the next run, and waits as
        a problem then. A run with such a study ends with its error."""
        self.probe()  # for the archive's clock
        run = self._new_run(Progress.of(cursor))
        first, last = self._window(run)
        run.total = (last - first).days + 1
        looked = self._clock()
        for n in range(run.total):
            day = first + n * _ONE_DAY
            yield from self._pull_day(run, day, with_listing=True)
            run.passed(day)
        if run.waiting:
            self._sleep(max(0.0, looked + self._options.settle_seconds - self._clock()))
            for day in list(run.waiting):
                yield from self._pull_day(run, day, with_listing=False)
        older = run.progress.next_older()
        if older is not None and older < first:
            yield from self._pull_day(run, older, with_listing=True)
            run.progress.studies.pop(older.isoformat(), None)
        if self._is_undated_due(run):
            yield from self._pull_day(run, _UNDATED, with_listing=True)
            run.progress.leave(_UNDATED)
        oldest = run.closing - self._options.sweep_days * _ONE_DAY
        run.progress.forget_before(min(run.failed or run.closing, run.closing), oldest)
        yield run.pulled(_Batch(), last)
        run.check_failures(1)

    def _is_undated_due(self, run: _Run) -> bool:
        """Whether it is time to list all studies, for those without a date; if so it counts as done."""
        now, last, hours = self._now(), run.progress.undated, self._options.undated_hours
        if not hours or (last and now - datetime.fromisoformat(last) < timedelta(hours=hours)):
            return False
        run.progress.undated = now.isoformat(timespec="seconds")
        return True

    def _new_run(self, progress: Progress) -> _Run:
        today = self._today()
        return _Run(progress, today, today - self._options.days_back * _ONE_DAY)

    def _window(self, run: _Run) -> tuple[date, date]:
        """The days to look at: those of the last runs again, and all since."""
        back = self._options.days_back * _ONE_DAY
        if run.progress.through is None:
            first = min(self._options.since or run.closing, run.today)
        else:
            first = min(run.progress.through - back + _ONE_DAY, run.closing)
        return first, run.today + self._options.days_ahead * _ONE_DAY

    def _pull_day(self, run: _Run, day: date, with_listing: bool) -> Iterator[Pulled]:
        """The day's studies that are complete; `with_listing` once in a run: what two listings miss is deleted."""
        found = self._days.undated() if day == _UNDATED else self._days.read(day)
        batch = _Batch(ignored=found.ignored)
        run.waiting.pop(day, None)
        run.progress.keep_only(day, found.studies)
        is_known = run.progress.older.get(day.isoformat()) == found.look
        for study in () if is_known else found.studies.values():
            if self._is_to_be_taken(run, day, study) and (made := self._read(run, day, study)):
                self._take(run, day, study, made, batch)
            if batch.is_full or len(run.failures) >= _MOST_FAILURES:
                yield run.pulled(batch, day)
                batch = _Batch()
                run.check_failures(_MOST_FAILURES)
        if day <= run.closing and run.failures.keys().isdisjoint(found.studies):
            run.progress.older[day.isoformat()] = found.look
        listing = Listing(_scope(day), found.keys()) if with_listing and _is_certain(found) else None
        yield run.pulled(batch, day, listing)

    def _is_to_be_taken(self, run: _Run, day: date, study: ListedStudy) -> bool:
        """Whether the study is new or different, and has stopped growing; one that has not is waited for."""
        look, state = run.progress.known(day, study.uid)
        if look == study.look and (state == CLOSED or study.uid in run.failures):
            return False
        if day <= run.closing:
            return True
        if look == study.look:
            return state in (SEEN, FAILED)
        run.progress.note(day, study.uid, study.look, SEEN)
        run.waiting[day] = None
        return False

    def _read(self, run: _Run, day: date, study: ListedStudy) -> StudyRecords | None:
        """The study's records; None where it is to be asked for again by the next run. Raises SourceError where it is
        the archive that fails."""
        try:
            return read_study(self._questions, study)
        except Retriable as error:
            self.probe()
            if run.progress.known(day, study.uid) == (study.look, FAILED):
                return give_up(study, error)
            run.progress.note(day, study.uid, study.look, FAILED)
            run.failures[study.uid] = error
            run.failed = min(run.failed or day, day)
            return None

    def _take(self, run: _Run, day: date, study: ListedStudy, made: StudyRecords, batch: _Batch) -> None:
        batch.add(made.records)
        batch.ignored += made.ignored
        done = CLOSED if day <= run.closing else TAKEN
        run.progress.note(day, study.uid, study.look, done if made.is_whole else SEEN)
        run.see(study, self._now())

    def _now(self) -> datetime:
        return self._questions.server_time or datetime.now(UTC)

    def _today(self) -> date:
        """The day at the archive, by its own clock where it tells one."""
        return self._now().astimezone(self._config.zone).date()


def open_source(config: SourceConfig) -> DicomWebSource:
    """The source of a configuration. Raises Fatal for options or an address that cannot be used."""
    options = read_options(config)
    return DicomWebSource(config, GuardedClient(config), options)


def _scope(day: date) -> str:
    return "studies/undated" if day == _UNDATED else f"studies/{day.isoformat()}"


def _is_certain(found: Day) -> bool:
    """Whether what the day does not list is not there."""
    return found.is_whole and all(one.series for one in found.studies.values())
