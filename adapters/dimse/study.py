"""One study from an archive to records: its series, their instances, headers where C-FIND does not say enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.dimse import queries
from adapters.dimse.compose import Json, compose, encode, shared, texts
from adapters.dimse.finding import Finder
from adapters.dimse.headers import Headers, ReadsHeaders
from adapters.dimse.queries import PROJECTION, Row
from service.ingest.dicom.json_model import JsonValues, deletion_document
from service.ingest.dicom.rejections import KEY_OBJECTS, Rejections, read_rejections
from service.ingest.source import DICOM_JSON, RawRecord, Retriable

_VOLUMES = frozenset(("CT", "MR", "PT", "NM"))
_DOCUMENTS = frozenset(("KO", "SR", "PR", "DOC", "PLAN"))
_GIVE_UP = 5

_SIDE, _FRAME_SIDE = (0x00200062,), (0x52009229, 0x00209071, 0x00209072)


@dataclass(slots=True)
class StudyRead:
    """What reading a study gave. `instances` counts those the archive listed; `is_complete` False: some header could
    not be had, and another try may do better. `is_named` False: the archive did not name all of it, so what it does not
    name may be there."""

    records: list[RawRecord] = field(default_factory=list)
    series: list[str] = field(default_factory=list)
    instances: int = 0
    is_complete: bool = True
    is_named: bool = True
    ignored: int = 0  # series of rejection notes


@dataclass(slots=True)
class _Series:
    uid: str
    row: Row
    images: list[Row]
    headers: Headers = field(default_factory=Headers)

    @property
    def modality(self) -> str:
        return self.row.values.text(queries.MODALITY).upper()

    def from_the_middle(self, most: int) -> list[Row]:
        """Instances to look at: those around the middle by number, where no localizer stands; the same each time."""
        rows = sorted(self.images, key=lambda one: (one.number(queries.NUMBER) or 0, one.uid(queries.SOP_UID)))
        start = max(0, (len(rows) - most) // 2)
        return rows[start : start + most]


class StudyReader:
    """Reads studies. `headers` None: C-FIND alone. After several failures in a row headers are left alone."""

    def __init__(self, finder: Finder, headers: ReadsHeaders | None, most_headers: int) -> None:
        self._finder, self._headers, self._most = finder, headers, most_headers
        self._failures = 0

    def read(self, study_uid: str, study: Row) -> StudyRead:
        """The records of a study: one for each series (`series/<study>/<series>`). Raises SourceError."""
        found = StudyRead()
        rows = self._finder.series(study_uid)
        patient = study.values.text(queries.PATIENT_ID)
        if any(one.values.text(queries.PATIENT_ID) not in ("", patient) for one in rows):
            return two_patients(study_uid, [study, *rows], [one.uid(queries.SERIES_UID) for one in rows])
        if not rows and study.number(queries.STUDY_INSTANCES):
            return _without_series(study_uid)
        every = [self._series(study_uid, one, found) for one in rows]
        rejected = self._rejections(every)
        for one in every:
            found.instances += len(one.images)
            if _only_rejects(one, rejected):
                found.ignored += 1  # what it says is said with the series it forbids
                continue
            found.series.append(one.uid)
            if not one.images and one.row.number(queries.SERIES_INSTANCES) != 0:
                found.is_named = False
                found.records.append(_without_images(study_uid, one.uid))
                continue
            found.records.append(_record(study_uid, study, one, rejected))
        return found

    def _rejections(self, every: Sequence[_Series]) -> Rejections:
        """What the notes of the study forbid. Where headers are never asked for, images are not given out either."""
        notes: list[JsonValues | None] = []
        for one in every:
            if one.modality == KEY_OBJECTS and self._headers is not None:
                found = one.headers.found
                notes += [*map(JsonValues, found.values()), *[None] * (max(len(one.images), 1) - len(found))]
        return read_rejections(notes)

    def _series(self, study_uid: str, row: Row, found: StudyRead) -> _Series:
        uid = row.uid(queries.SERIES_UID)
        modality = row.values.text(queries.MODALITY).upper()
        one = _Series(uid, row, self._finder.images(study_uid, uid, sides=modality in PROJECTION))
        each = modality in PROJECTION or modality in _DOCUMENTS
        first = one.images if modality == KEY_OBJECTS else one.from_the_middle(self._most if each else 1)
        found.is_complete &= self._read_headers(study_uid, one, first)
        if modality not in _VOLUMES and not each and _has_side(one.headers):
            # One instance says a side for itself; what the others show, only they know.
            more = [row for row in one.from_the_middle(self._most) if row not in first]
            found.is_complete &= self._read_headers(study_uid, one, more)
        return one

    def _read_headers(self, study_uid: str, one: _Series, rows: Sequence[Row]) -> bool:
        if self._headers is None or not rows:
            return True
        if self._failures >= _GIVE_UP:
            return False
        try:
            sops = [row.uid(queries.SOP_UID) for row in rows]
            classes = {row.uid(queries.SOP_CLASS) for row in rows}
            got = self._headers.read(study_uid, one.uid, sops, classes)
        except Retriable as error:
            if error.code == "busy":
                raise  # of all studies alike: whoever configures it is told
            # A study that its archive cannot send, or that it breaks down over, must not keep the others waiting: the
            # rows alone say less and nothing wrong. Whether the archive is still there the next C-FIND tells.
            self._failures += 1
            return False
        self._failures = 0
        one.headers.found.update(got.found)
        one.headers.broken.update(got.broken)
        return len(got.found) + len(got.broken) == len(sops)


def _without_series(study_uid: str) -> StudyRead:
    reason = "the archive counts instances of the study and names no series of it (SeriesInstanceUID)"
    key = f"study/{study_uid}"
    return StudyRead([RawRecord(key, DICOM_JSON, key.encode(), problem=("no-series", reason))], is_named=False)


def _without_images(study_uid: str, series_uid: str) -> RawRecord:
    """Of a series that is listed: what was taken of it stays, as far as it is listed."""
    key = f"series/{study_uid}/{series_uid}"
    reason = "the archive lists the series and names no instance of it (SOPInstanceUID)"
    return RawRecord(key, DICOM_JSON, key.encode(), problem=("no-metadata", reason))


def two_patients(study_uid: str, rows: Sequence[Row], series: Sequence[str]) -> StudyRead:
    """A study that its archive has under two patients: nobody can say whose it is, so it is refused, and what was
    taken of it before is withdrawn."""
    body = encode(sorted((one.data for one in rows), key=encode))
    reason = "the archive has this StudyInstanceUID under two patients; correct it there"
    found = StudyRead([RawRecord(f"study/{study_uid}", DICOM_JSON, body, problem=("two-patients", reason))])
    found.records += [deletion(study_uid, one, "two-patients") for one in sorted(set(series)) if one]
    return found


def deletion(study_uid: str, series_uid: str, reason: str) -> RawRecord:
    """That a series is no longer to be used."""
    body = deletion_document([f"{study_uid}/{series_uid}"], reason)
    return RawRecord(f"series/{study_uid}/{series_uid}", DICOM_JSON, body, is_deletion=True)


def _record(study_uid: str, study: Row, one: _Series, rejected: Rejections) -> RawRecord:
    images = {row.uid(queries.SOP_UID): row.data for row in one.images}
    mine = {sop: code for sop in images if (code := rejected.code_of(sop))}
    of_all: Json = {}
    if one.headers.found and one.modality not in PROJECTION:
        of_all = shared(one.headers.found[min(one.headers.found)], one.modality in _VOLUMES)
    body = compose((study_uid, one.uid), study.data, one.row.data, images, one.headers.found, of_all, mine)
    key = f"series/{study_uid}/{one.uid}"
    return RawRecord(key, DICOM_JSON, body, problem=_contradiction(study_uid, study, one))


def _contradiction(study_uid: str, study: Row, one: _Series) -> tuple[str, str] | None:
    """Where the headers are of somebody else, or of another series, than C-FIND said."""
    patient = study.values.text(queries.PATIENT_ID)
    for header in one.headers.found.values():
        told = texts(header, queries.PATIENT_ID)
        if patient and told and told[0] != patient:
            return "two-patients", "C-FIND and the images name different patients; correct it in the archive"
        named = (texts(header, queries.STUDY_UID), texts(header, queries.SERIES_UID))
        if named != ([study_uid], [one.uid]):
            return "other-series", "the archive sent an instance of another study or series than was asked for"
    return None


def _has_side(headers: Headers) -> bool:
    return any(texts(one, *_SIDE) or texts(one, *_FRAME_SIDE) for one in headers.found.values())


def _only_rejects(one: _Series, rejected: Rejections) -> bool:
    """Whether the series holds rejection notes alone."""
    return one.modality == KEY_OBJECTS and bool(one.headers.found) and rejected.notes.issuperset(one.headers.found)
