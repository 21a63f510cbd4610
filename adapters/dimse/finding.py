"""Finding studies, series and instances, with what archives do to answers worked around."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from pydicom.dataset import Dataset

from adapters.dimse import queries
from adapters.dimse.queries import Row
from service.ingest.dicom.times import read_date, read_time

Find = Callable[[Dataset, str], list[Dataset]]
"""Sends one C-FIND; the second argument names it for errors."""

_MINUTES = 24 * 60


@dataclass(slots=True)
class Found:
    """The studies of one day. `is_whole` False: the archive seems to have left some out, even of a single minute.
    `ignored` counts rows that did not match what was asked."""

    rows: list[Row] = field(default_factory=list)
    is_whole: bool = True
    narrowed: bool = False
    ignored: dict[str, int] = field(default_factory=dict)

    def ignore(self, reason: str, count: int = 1) -> None:
        """Counts rows that are not used."""
        self.ignored[reason] = self.ignored.get(reason, 0) + count


@dataclass(frozen=True, slots=True)
class Finder:
    """Asks by C-FIND. `round_limits` are numbers of rows at which an archive is suspected to have stopped."""

    find: Find
    charset: str
    round_limits: Sequence[int]

    def day(self, day: date) -> Found:
        """The studies of one day, each row checked: a valid UID, a patient, that date.

        An archive that stops at a limit says nothing of it. Where the rows are exactly as many as a round number, the
        day is asked again in halves by time of day, down to the minute; studies without a time match no half, so the
        rows of the whole day count too (PS3.4 C.2.2.2.5).
        """
        found, seen = Found(), set[tuple[str, str]]()
        self._between(day, 0, _MINUTES, found, seen)
        return found

    def _between(self, day: date, start: int, end: int, found: Found, seen: set[tuple[str, str]]) -> None:
        keys = {"StudyDate": f"{day:%Y%m%d}"}
        if end - start < _MINUTES:
            keys["StudyTime"] = f"{_clock(start)}00-{_clock(end - 1)}59.999999"
        rows = self._ask(queries.studies(**keys), "C-FIND STUDY by date")
        for row in rows:
            self._take(row, day, found, seen)
        if len(rows) not in self.round_limits:
            return
        if end - start == 1 or any(_is_outside(row, start, end) for row in rows):
            found.is_whole = False  # one minute is too much for it, or it does not heed the time
            return
        found.narrowed = True
        middle = (start + end) // 2
        self._between(day, start, middle, found, seen)
        self._between(day, middle, end, found, seen)

    def _take(self, row: Row, day: date, found: Found, seen: set[tuple[str, str]]) -> None:
        uid, patient = row.uid(queries.STUDY_UID), row.values.text(queries.PATIENT_ID)
        dated, named = row.values.text(queries.STUDY_DATE), row.values.text(queries.STUDY_UID)
        if not (dated and named):
            found.is_whole = False  # one that does not say which it is may be any
        if read_date(dated) != day.isoformat():
            found.ignore("other-date" if dated else "undated")
        elif not uid:
            found.ignore("invalid-uid")
        elif (uid, patient) not in seen:  # it came with the whole day already
            seen.add((uid, patient))
            found.rows.append(row)

    def study(self, study_uid: str) -> list[Row]:
        """The rows of one study: several where the archive has it under several patients."""
        rows = self._ask(queries.studies(StudyInstanceUID=study_uid), "C-FIND STUDY by UID")
        return [one for one in rows if one.uid(queries.STUDY_UID) == study_uid]

    def series(self, study_uid: str) -> list[Row]:
        """The series of a study, each once; rows of another study, or without a valid UID, are left out."""
        rows = self._ask(queries.series(study_uid), "C-FIND SERIES")
        return _once(_of(rows, study_uid), queries.SERIES_UID)

    def images(self, study_uid: str, series_uid: str, sides: bool = False, place: bool = False) -> list[Row]:
        """The instances of a series, each once."""
        rows = self._ask(queries.images(study_uid, series_uid, sides, place), "C-FIND IMAGE")
        of_series = [one for one in _of(rows, study_uid) if one.uid(queries.SERIES_UID) in ("", series_uid)]
        return _once(of_series, queries.SOP_UID)

    def _ask(self, keys: Dataset, asked: str) -> list[Row]:
        return queries.rows_of(self.find(keys, asked), self.charset)


def _of(rows: Sequence[Row], study_uid: str) -> list[Row]:
    """Rows that are of this study, or do not say of which."""
    return [one for one in rows if one.values.text(queries.STUDY_UID) in ("", study_uid)]


def _once(rows: Sequence[Row], tag: int) -> list[Row]:
    found = {one.uid(tag): one for one in reversed(rows)}
    found.pop("", None)
    return list(reversed(found.values()))


def _is_outside(row: Row, start: int, end: int) -> bool:
    told = read_time(row.values.text(queries.STUDY_TIME))
    return told is not None and not start <= int(told[:2]) * 60 + int(told[3:5]) < end


def _clock(minute: int) -> str:
    return f"{minute // 60:02}{minute % 60:02}"
