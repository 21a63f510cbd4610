"""The series of a study as raw records: their metadata as the archive gives it (PS3.18 10.4.1.1.2), checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from adapters.dicomweb.days import ListedSeries, ListedStudy, series_key
from adapters.dicomweb.questions import INSTANCE, PATIENT_ID, Questions, Row, read_rows
from service.ingest.archive import is_uid
from service.ingest.dicom.json_model import deletion_document, series_document
from service.ingest.dicom.rejections import KEY_OBJECTS, Rejections, read_rejections
from service.ingest.source import DICOM_JSON, Fatal, RawRecord, SourceError

_MOST_INSTANCES = 5000  # asked for one by one
_OF_ONE_SERIES = frozenset({"not-dicomweb", "too-large", "bad-encoding", "truncated"})
"""Faults of one answer; any other ends the run."""


@dataclass(slots=True)
class StudyRecords:
    """A study's records. `is_whole` False where instances that are listed could not be had: they may come later.
    `ignored`: series that were listed and are not there (`vanished`), or hold rejection notes only."""

    records: list[RawRecord] = field(default_factory=list, repr=False)
    is_whole: bool = True
    ignored: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Read:
    body: bytes = field(repr=False)
    rows: list[Row] = field(repr=False)
    problem: tuple[str, str] | None = None


def read_study(questions: Questions, study: ListedStudy) -> StudyRecords:
    """The records of a study's series. What a rejection note of the study forbids is withdrawn."""
    read = {one.uid: found for one in study.series.values() if (found := _read_series(questions, study.uid, one))}
    notes = {uid for uid, one in study.series.items() if one.modality.upper() == KEY_OBJECTS}
    rejected = read_rejections(
        note
        for uid in sorted(notes)
        for note in selections(read[uid].rows if uid in read else [], study.series[uid].count)
    )
    made = StudyRecords()
    made.ignored["vanished"] = len(study.series) - len(read)
    for uid, one in read.items():
        if uid in notes and one.rows and all(row.text(INSTANCE) in rejected.notes for row in one.rows):
            made.ignored["rejection-note"] += 1  # no image, and never one's last
            continue
        listed = study.series[uid]
        made.records += _records(study, listed, one, rejected)
        made.is_whole &= not listed.count.isdigit() or int(listed.count) == len(one.rows)
    return made


def selections(rows: list[Row], count: str) -> list[Row | None]:
    """The key object selections of a series, and None for each that the archive counts (at least one) and did not
    give."""
    missing = max(int(count) if count.isdigit() else 0, 1) - len(rows)
    return [*rows, *[None] * missing]


def give_up(study: ListedStudy, error: SourceError) -> StudyRecords:
    """The records of a study that cannot be had though the archive answers: they wait, and stop nobody."""
    problem = (error.code, f"the archive failed in two runs to give the metadata: {error.message}")
    keys = [series_key(study.uid, uid) for uid in study.series]
    return StudyRecords([RawRecord(key, DICOM_JSON, key.encode(), problem=problem) for key in keys])


def _records(study: ListedStudy, listed: ListedSeries, read: _Read, rejected: Rejections) -> Iterator[RawRecord]:
    key, name = series_key(study.uid, listed.uid), f"{study.uid}/{listed.uid}"
    if read.problem:
        yield RawRecord(key, DICOM_JSON, read.body, problem=read.problem)
        return
    owners = {row.text(PATIENT_ID) for row in read.rows}
    if len(owners) > 1 or not owners <= ({listed.patient_id} if listed.patient_id else study.patients):
        reason = "the archive lists the series under another patient than its instances name; mend it there"
        yield RawRecord(key, DICOM_JSON, deletion_document([name], "two-patients"), is_deletion=True)
        yield RawRecord(key, DICOM_JSON, read.body, problem=("two-patients", reason))
        return
    uids = [row.text(INSTANCE) for row in read.rows]
    mine = {uid: code for uid in uids if (code := rejected.code_of(uid))}
    if len(mine) == len(set(uids)):
        yield RawRecord(key, DICOM_JSON, deletion_document([name], max(mine.values())), is_deletion=True)
    else:
        yield RawRecord(key, DICOM_JSON, series_document(study.uid, listed.uid, read.body, mine))


def _read_series(questions: Questions, study_uid: str, listed: ListedSeries) -> _Read | None:
    """The metadata of a series; None where the archive has it no more."""
    path = f"studies/{study_uid}/series/{listed.uid}"
    body: bytes | None = path.encode()  # where nothing came
    try:
        body = metadata_of(questions, path)
        rows = read_rows(body) if body is not None else []
    except Fatal as error:
        if error.code not in _OF_ONE_SERIES:
            raise
        return _Read(body or b"", [], (error.code, f"the metadata of the series cannot be used: {error.message}"))
    if body is None:
        return None
    if not rows:
        reason = "the archive lists the series and gives no metadata of it"
        return _Read(path.encode(), [], ("no-metadata", reason))
    return _Read(body.strip(), rows)


def metadata_of(questions: Questions, path: str) -> bytes | None:
    """The metadata of the series at `path`; None where the archive has it no more. Raises SourceError."""
    return questions.metadata(path) or _one_by_one(questions, path)


def _one_by_one(questions: Questions, path: str) -> bytes | None:
    """The metadata of the instances side by side, for archives that do not give those of a series; None where it lists
    none."""
    rows = questions.all_or_refuse(f"{path}/instances")
    uids = [uid for row in rows[:_MOST_INSTANCES] if is_uid(uid := row.text(INSTANCE))]
    if not uids:
        return None
    items = []
    for uid in uids:
        item = (questions.metadata(f"{path}/instances/{uid}") or b"").strip()
        if item[:1] == b"[" and item[-1:] == b"]" and (inner := item[1:-1].strip()):
            items.append(inner)
    return b"[" + b",".join(items) + b"]"
