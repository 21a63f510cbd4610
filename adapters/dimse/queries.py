"""The questions: keys of the three levels of C-FIND, Study Root (PS3.4 C.6.2), and the rows that may come back.

Keys are exact, ASCII and few: dates, times, UIDs, PatientID. A name is never a key: its character set would have to be
right, and a wrong label can turn a filter into a full listing (research: imaging, 2.8). Every row is checked against
what was asked before it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.dataset import Dataset

from adapters.dimse.compose import Json, to_json
from service.ingest.archive import is_exact, is_uid
from service.ingest.dicom.charsets import read_terms
from service.ingest.dicom.values import FileValues

PROJECTION = frozenset(("CR", "DX", "RG", "MG", "XA", "RF", "PX", "IO"))
"""Modalities whose series may show both sides: each instance says which."""

_STUDY = (
    "StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "StudyDescription", "PatientName", "PatientID",
    "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID", "InstitutionName",
    "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "InstanceAvailability", "TimezoneOffsetFromUTC",
)  # fmt: skip
_SERIES = (
    "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "SeriesDate", "SeriesTime", "ProtocolName",
    "BodyPartExamined", "Laterality", "NumberOfSeriesRelatedInstances",
)  # fmt: skip
_IMAGE = ("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "NumberOfFrames")
_IMAGE_SIDES = ("ImageLaterality", "ViewPosition")
_IMAGE_PLACE = ("Rows", "Columns", "ImagePositionPatient")


@dataclass(frozen=True, slots=True)
class Row:
    """One match: its values, and itself as DICOM JSON."""

    values: FileValues
    data: Json

    def uid(self, tag: int) -> str:
        """A UID; "" where it is none."""
        text = self.values.text(tag)
        return text if is_uid(text) else ""

    def number(self, tag: int) -> int | None:
        """A whole number that is not negative."""
        text = self.values.text(tag)
        return int(text) if text.isdigit() and text.isascii() and len(text) < 10 else None

    def count(self, tag: int) -> int | None:
        """A number that is kept in binary (US)."""
        found = next(iter(self.data.get(f"{tag:08X}", {}).get("Value", ())), None)
        return found if isinstance(found, int) else None


STUDY_UID, SERIES_UID, SOP_UID, SOP_CLASS = 0x0020000D, 0x0020000E, 0x00080018, 0x00080016
PATIENT_ID, MODALITY, AVAILABILITY = 0x00100020, 0x00080060, 0x00080056
STUDY_DATE, STUDY_TIME = 0x00080020, 0x00080030
NUMBER, FRAMES, ROWS, COLUMNS, POSITION = 0x00200013, 0x00280008, 0x00280010, 0x00280011, 0x00200032
STUDY_INSTANCES, SERIES_INSTANCES = 0x00201208, 0x00201209


def rows_of(found: Iterable[Dataset], default_charset: str) -> list[Row]:
    """Matches as rows."""
    terms = read_terms(default_charset.encode("ascii"))
    return [Row(FileValues(one, terms), to_json(one, terms)) for one in found]


def studies(**keys: str) -> Dataset:
    """Studies by date and time, by UID, or by patient. Raises ValueError for a key that is not exact."""
    if not keys:
        raise ValueError("a study query without a key would list the whole archive")
    return _query("STUDY", _STUDY, keys)


def series(study_uid: str) -> Dataset:
    """The series of one study; with its PatientID, where the archive gives it, to check."""
    return _query("SERIES", (*_SERIES, "PatientID"), {"StudyInstanceUID": study_uid})


def images(study_uid: str, series_uid: str, sides: bool = False, place: bool = False) -> Dataset:
    """The instances of one series. `sides`: with laterality and view; `place`: with matrix and position; either may
    make the archive open each file."""
    more = (*(_IMAGE_SIDES if sides else ()), *(_IMAGE_PLACE if place else ()))
    return _query("IMAGE", (*_IMAGE, *more), {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid})


def retrieve(study_uid: str, series_uid: str | None = None, sop_uids: Iterable[str] = ()) -> Dataset:
    """The identifier of a C-GET or C-MOVE (PS3.4 C.4.3.1.3): a study, a series, or instances of one."""
    sops = list(sop_uids)
    level = "IMAGE" if sops else "SERIES" if series_uid else "STUDY"
    asked = _query(level, (), {"StudyInstanceUID": study_uid})
    for uid in (study_uid, *([series_uid] if series_uid else []), *sops):
        if not is_uid(uid):
            raise ValueError("not a DICOM UID")
    if series_uid:
        asked.SeriesInstanceUID = series_uid
    if sops:
        asked.SOPInstanceUID = sops
    return asked


def _query(level: str, wanted: Iterable[str], keys: dict[str, str]) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for keyword in wanted:
        setattr(asked, keyword, "" if keyword not in ("Rows", "Columns") else None)
    for keyword, value in keys.items():
        if not is_exact(value) or not value.isascii():
            raise ValueError(f"{keyword} is no exact key")
        setattr(asked, keyword, value)
    return asked
