"""DICOMweb passes the suite."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from tests.contract.adapter_suite import World, conformance
from tests.contract.world import NAME_OF_PATIENT
from tests.support.archives import Instance, ct, rejection_note
from tests.support.dicomweb_server import DicomWebServer


def study_of(n: int, day: str, instances: int = 2) -> list[Instance]:
    """A CT of examination `n`, of that day (YYYYMMDD), in one series."""
    return ct(
        f"{n:06}", instances, f"ct{n}", 8, PatientName=NAME_OF_PATIENT, AccessionNumber=f"ACC{n}",
        StudyDate=day, SeriesDate=day, AcquisitionDate=day,
    )  # fmt: skip


def key_of(instances: list[Instance]) -> str:
    """The key of its series."""
    return f"series/{instances[0].study_uid}/{instances[0].series_uid}"


ARCHIVE_CANNOT = {
    "add_in_gbk": "DICOM JSON is UTF-8; what headers declare wrongly is for the tests of reading",
    "add_without_zone": "nothing in DICOM says when something changed; a study's date has no zone",
}


class DicomWebWorld(World):
    """An image archive."""

    kind = "dicomweb"
    path = "/dicom-web"
    page_size_option: ClassVar = {"page": 3}
    options: ClassVar = {"settle_seconds": 0, "days_back": 5, "since": "2026-11-10"}
    cannot: ClassVar = ARCHIVE_CANNOT

    def start(self) -> int:
        self.archive = DicomWebServer()
        self.studies: dict[int, list[Instance]] = {}
        self.days: dict[int, str] = {}
        return self.archive.port

    def stop(self) -> None:
        self.archive.close()

    def advance(self, by: timedelta) -> None:
        self.archive.advance(by)

    @property
    def today(self) -> str:
        """The day there."""
        return self.archive.now.astimezone(self.zone).strftime("%Y%m%d")

    def add(self, n: int, **_: Any) -> str:
        self.archive.put(self._new(n))
        return key_of(self.studies[n])

    def correct(self, n: int) -> str:
        """One more slice: an archive tells of changes by its counts only."""
        self.archive.put(study_of(n, self.days[n], 3))
        return key_of(self.studies[n])

    def withdraw(self, n: int) -> str:
        day = {"StudyDate": self.days[n], "SeriesDate": self.days[n]}
        self.archive.put([rejection_note(self.studies[n], PatientName=NAME_OF_PATIENT, **day)])
        return key_of(self.studies[n])

    def delete(self, n: int) -> None:
        self.archive.remove(self.studies[n][0].study_uid)

    def come_back(self, n: int) -> None:
        self.archive.put(self.studies[n])

    def begin(self, n: int) -> Callable[[], Any]:
        instances = self._new(n)
        return lambda: self.archive.put(instances)

    def begin_too_early(self, n: int) -> Callable[[], Any]:
        """Images of a week ago, which no run lists every time."""
        day = (self.archive.now - timedelta(days=8)).strftime("%Y%m%d")
        return lambda: self.archive.put(study_of(n, day))

    def add_bad(self) -> None:
        """A study whose headers the archive fails to give."""
        instances = study_of(99, self.today)
        self.archive.put(instances)
        for uid in (instances[0].study_uid, instances[0].series_uid, *(one.sop_uid for one in instances)):
            self.archive.faults.status[f"{uid}/metadata"] = 500

    def _new(self, n: int) -> list[Instance]:
        self.days[n], self.studies[n] = self.today, study_of(n, self.today)
        return self.studies[n]


TestDicomWeb = conformance(DicomWebWorld)
