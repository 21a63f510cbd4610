"""The studies of one day as an archive lists them, each row checked against what was asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo

from adapters.dicomweb.cursor import look_of
from adapters.dicomweb.questions import PATIENT_ID, SERIES, STUDY, Keys, Questions, Row, Truncated
from service.ingest.archive import is_uid
from service.ingest.dicom.times import read_date, read_time
from service.ingest.source import Fatal

_DATE, _TIME, _MODALITY = 0x00080020, 0x00080030, 0x00080060
_STUDY_COUNT, _SERIES_COUNT = 0x00201208, 0x00201209
_LOOK = (PATIENT_ID, 0x00100010, 0x00100030, 0x00100040, 0x00080050, 0x00081030, _DATE, _TIME, _STUDY_COUNT)
_HOURS = [f"{hour:02}0000-{hour:02}5959.999999" for hour in range(24)]


@dataclass(frozen=True, slots=True)
class ListedSeries:
    """A series as it is listed: its modality, its patient ("": not said), its instances."""

    uid: str
    modality: str
    patient_id: str = field(repr=False)
    count: str


@dataclass(slots=True)
class ListedStudy:
    """A study as it is listed; more than one patient where one UID is used for two."""

    uid: str
    patients: set[str] = field(default_factory=set, repr=False)
    facts: set[str] = field(default_factory=set, repr=False)
    series: dict[str, ListedSeries] = field(default_factory=dict)
    started: datetime | None = None

    @property
    def look(self) -> str:
        """A short hash of all that is listed of it."""
        return look_of(
            self.facts | {f"{one.uid}|{one.modality}|{one.patient_id}|{one.count}" for one in self.series.values()}
        )


@dataclass(slots=True)
class Day:
    """The studies of a day by UID; `is_whole` False where the archive may have more. `ignored`: rows left out."""

    studies: dict[str, ListedStudy] = field(default_factory=dict)
    is_whole: bool = True
    ignored: Counter[str] = field(default_factory=Counter)

    @property
    def look(self) -> str:
        """A short hash of all that is listed of the day."""
        return look_of([f"{one.uid}|{one.look}" for one in self.studies.values()])

    def keys(self) -> frozenset[str]:
        """The keys of all series of the day."""
        return frozenset(series_key(one.uid, uid) for one in self.studies.values() for uid in one.series)


def series_key(study_uid: str, series_uid: str) -> str:
    """The name of a series at its source."""
    return f"series/{study_uid}/{series_uid}"


@dataclass(slots=True)
class Days:
    """Lists the studies of days. `zone` serves StudyTime."""

    questions: Questions
    zone: tzinfo
    _lists_all_series: bool = True

    def read(self, day: date) -> Day:
        """The studies of the day with their series. Raises SourceError; Fatal `filter-ignored`, `truncated`."""
        found = Day()
        rows = self._studies(day, found)
        for row in rows:
            self._take(found, day, row)
        if rows and found.ignored["other-date"] == len(rows):
            raise Fatal(
                "filter-ignored", "every row has another StudyDate than asked; the archive ignores the question"
            )
        if found.studies:
            self._add_series(found, day)
        return found

    def undated(self) -> Day:
        """The studies whose StudyDate is empty, or no date: no question by date finds them, so all studies there are
        are listed. Raises SourceError."""
        found = Day()
        try:
            rows = self.questions.search("studies", keep=lambda row: read_date(row.text(_DATE)) is None)
        except Truncated as cut:
            rows, found.is_whole = cut.rows, False
        for row in rows:
            if is_uid(row.text(STUDY)):
                self._note(found, row)
            else:
                found.ignored["invalid-uid"] += 1
                found.is_whole = False
        for study in found.studies.values():
            self._add_series_of(study, found)
        return found

    def _studies(self, day: date, found: Day) -> list[Row]:
        keys = [("StudyDate", f"{day:%Y%m%d}")]
        try:
            return self.questions.search("studies", keys)
        except Truncated:
            found.is_whole = False  # studies without a time are in no hour
            return list(self._by_hours(keys))

    def _by_hours(self, keys: Keys) -> Iterator[Row]:
        for hour in _HOURS:
            try:
                yield from self.questions.search("studies", [*keys, ("StudyTime", hour)])
            except Truncated:
                raise Fatal(
                    "truncated", "the archive cuts even the studies of one hour; raise its limit of rows"
                ) from None

    def _take(self, found: Day, day: date, row: Row) -> None:
        uid, dated = row.text(STUDY), row.text(_DATE)
        if not is_uid(uid):
            found.ignored["invalid-uid"] += 1
            found.is_whole &= bool(uid)  # one that is not named may be any
        elif read_date(dated) != day.isoformat():
            found.ignored["other-date" if dated else "undated"] += 1
        else:
            self._note(found, row).started = self._started(day, row.text(_TIME))

    def _note(self, found: Day, row: Row) -> ListedStudy:
        study = found.studies.setdefault(row.text(STUDY), ListedStudy(row.text(STUDY)))
        study.patients.add(row.text(PATIENT_ID))
        study.facts.add("|".join(row.text(tag) for tag in _LOOK))
        return study

    def _started(self, day: date, text: str) -> datetime:
        time = read_time(text) or "00:00:00"
        seconds = "59" if time[6:8] == "60" else time[6:8]
        return datetime.fromisoformat(f"{day.isoformat()}T{time[:6]}{seconds}").replace(tzinfo=self.zone)

    def _add_series(self, found: Day, day: date) -> None:
        rows: list[Row] = []
        if self._lists_all_series:
            try:
                rows = self.questions.search("series", [("StudyDate", f"{day:%Y%m%d}")])
            except (Truncated, Fatal):  # "all series" is optional (PS3.18 10.6.1.1)
                self._lists_all_series = False
        for row in rows:
            if (study := found.studies.get(row.text(STUDY))) is not None:
                _add(study, row)
        for study in found.studies.values():
            if not study.series:
                self._add_series_of(study, found)

    def _add_series_of(self, study: ListedStudy, found: Day) -> None:
        try:
            rows = self.questions.search(f"studies/{study.uid}/series")
        except Truncated as cut:
            rows = cut.rows  # most likely all; if not, nothing that is missing counts as deleted
            found.is_whole = False
        for row in rows:
            if row.text(STUDY) in ("", study.uid):
                _add(study, row)
            else:
                found.ignored["other-study"] += 1


def _add(study: ListedStudy, row: Row) -> None:
    uid = row.text(SERIES)
    if is_uid(uid):
        study.series[uid] = ListedSeries(uid, row.text(_MODALITY), row.text(PATIENT_ID), row.text(_SERIES_COUNT))
