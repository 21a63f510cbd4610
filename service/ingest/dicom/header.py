"""DICOM files: from the header of one instance to facts. Pixels are never looked at.

Keywords and tags as PS3.6 spells them; what an attribute means as PS3.3 says. Header values are as messy as
hospitals leave them, so each is read on its own and a bad one is left out, never the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

from service.domain.codes import DICOM_DCM, LOINC, SNOMED_CT
from service.domain.times import When
from service.ingest.dicom.charsets import read_terms
from service.ingest.dicom.elements import MAX_HEADER, Header, UnreadableDicom, read_header
from service.ingest.dicom.rejections import KEY_OBJECTS, NONE, Rejections, read_rejections
from service.ingest.dicom.times import iso_of, read_date, read_started
from service.ingest.dicom.values import FileValues, Values
from service.ingest.port import SeriesFacts

_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")  # PS3.5 9.1, with at most 64 characters
_CHUNK = 64 * 1024
_DIRECTORY = b"1.2.840.10008.1.3.10"  # Media Storage Directory Storage (PS3.6 annex A)
_UIDS = {0x0020000D: "StudyInstanceUID", 0x0020000E: "SeriesInstanceUID", 0x00080018: "SOPInstanceUID"}
_SEX = {"M": "male", "F": "female", "O": "other"}

_TEXTS = {
    0x00080016: "SOPClassUID", 0x00080050: "AccessionNumber", 0x00080060: "Modality", 0x00180015: "BodyPartExamined",
    0x00180010: "ContrastBolusAgent", 0x00181040: "ContrastBolusRoute",
    0x00081030: "StudyDescription", 0x0008103E: "SeriesDescription",
    0x00181030: "ProtocolName", 0x00321060: "RequestedProcedureDescription",
    0x00400254: "PerformedProcedureStepDescription", 0x00185101: "ViewPosition", 0x00180050: "SliceThickness",
    0x00180060: "KVP", 0x00280301: "BurnedInAnnotation", 0x00282110: "LossyImageCompression",
}  # fmt: skip
_CODES = {
    0x00081032: "ProcedureCodeSequence", 0x00321064: "RequestedProcedureCodeSequence",
    0x00082218: "AnatomicRegionSequence",
}  # fmt: skip
_SCHEMES = {"SCT": SNOMED_CT, "SRT": "SRT", "SNM3": "SRT", "99SDM": "SRT", "LN": LOINC, "DCM": DICOM_DCM}


@dataclass(frozen=True, slots=True)
class DicomInstance:
    """One instance, as its header says it.

    `patient_names` holds every spelling (alphabetic in both orders, ideographic, phonetic); `birth_date` is
    YYYY-MM-DD, `sex` male, female, other or None; `other_ids` are (value, issuer, type). `study_started` is the
    acquisition's time, else the series', else the study's (contract, section 3); `zone_assumed` tells that the file
    gave no offset. `facts` (JSON values, DICOM keywords) describe the series; `repairs` are the character set repairs
    that were needed; `header_bytes` are the file's bytes up to the pixels, or its slice of a JSON document;
    `rejections` is what it forbids, where it is a rejection note.
    """

    study_uid: str
    series_uid: str
    sop_uid: str
    patient_id: str
    issuer: str
    patient_names: tuple[str, ...]
    birth_date: str | None
    sex: str | None
    other_ids: tuple[tuple[str, str, str], ...]
    accession: str
    institution_name: str
    study_started: When | None
    zone_assumed: bool
    facts: Mapping[str, object]
    repairs: tuple[str, ...]
    header_bytes: bytes
    rejections: Rejections = NONE


def read_dicom(source: bytes | Path, zone: tzinfo = UTC, default_charset: str = "") -> DicomInstance:
    """Reads the header of one instance.

    `zone` serves times without TimezoneOffsetFromUTC, `default_charset` (a DICOM defined term) files that declare
    none. Raises UnreadableDicom when the file is no DICOM instance, is deflated or too deep, or does not say which
    study, series, instance and patient it belongs to; OSError when the file cannot be opened.
    """
    data, header = _read_source(source)
    values = FileValues(header.dataset, read_terms(default_charset.encode("ascii")))
    if header.meta.get(0x00020002) == _DIRECTORY:
        raise UnreadableDicom("not-an-instance", "This is a DICOMDIR, an index of files; give the files it lists.")
    if not header.meta and not any(map(values.text, _UIDS)):
        raise UnreadableDicom("not-dicom", "No DICOM study, series or instance was found in the file.")
    return instance_of(values, zone, data[: header.end])


def instance_of(values: Values, zone: tzinfo, header_bytes: bytes) -> DicomInstance:
    """The instance that a data set describes, however it was written.

    Raises UnreadableDicom when it does not say which study, series, instance and patient it belongs to."""
    study, series, sop = _read_uids(values)
    patient_id = values.text(0x00100020)
    if not patient_id:
        raise UnreadableDicom("no-patient-id", "(0010,0020) PatientID is missing or empty; set it at the source.")
    started, assumed = read_started(values, zone)
    facts = _facts(values)
    facts["PatientID"] = patient_id
    if started is not None:
        facts["started"] = iso_of(started)
    return DicomInstance(
        study, series, sop, patient_id,
        issuer=values.text(0x00100021),
        patient_names=read_names(values.text(0x00100010)),
        birth_date=read_date(values.text(0x00100030)),
        sex=_SEX.get(values.text(0x00100040).upper()),
        other_ids=_other_ids(values),
        accession=values.text(0x00080050),
        institution_name=values.text(0x00080080),
        study_started=started,
        zone_assumed=assumed,
        facts=facts,
        repairs=tuple(sorted(values.repairs)),
        header_bytes=header_bytes,
        rejections=read_rejections([values]) if facts.get("Modality") == KEY_OBJECTS else NONE,
    )  # fmt: skip


def series_facts(instances: Iterable[DicomInstance]) -> list[SeriesFacts]:
    """The instances counted to their series. Slices differ in their acquisition time; the series started with the
    earliest, so that one series stays one row."""
    groups: dict[tuple[str, str, str], list[DicomInstance]] = {}
    for one in instances:
        rest = repr(sorted((key, value) for key, value in one.facts.items() if key != "started"))
        groups.setdefault((one.study_uid, one.series_uid, rest), []).append(one)
    found = []
    for (study, series, _), members in groups.items():
        known = [(one.study_started.start, one) for one in members if one.study_started is not None]
        first = min(known, key=lambda pair: pair[0])[1] if known else members[0]
        found.append(SeriesFacts(study, series, first.facts, len(members)))
    return found


def read_names(text: str) -> tuple[str, ...]:
    """Every spelling in a Person Name (PS3.5 6.2.1.2): groups apart at `=`, family and given in both orders.

    `Zhang^Wei=张^伟` is "Zhang Wei", "Wei Zhang" and "张伟": a Chinese name is written without a blank.
    """
    found: list[str] = []
    for group in text.split("="):
        family, given, middle = ([part.strip() for part in group.split("^")] + ["", "", ""])[:3]
        if any(ch >= "\u3400" for ch in group):
            found.append(family + given + middle)
        else:
            found.append(" ".join(filter(None, (family, given, middle))))
            found.append(" ".join(filter(None, (given, middle, family))))
    return tuple(dict.fromkeys(name for name in found if name))


def _read_source(source: bytes | Path) -> tuple[bytes, Header]:
    if isinstance(source, bytes):
        return source, read_header(source)
    with source.open("rb") as file:
        data = file.read(_CHUNK)
        if len(data) == _CHUNK:
            with suppress(UnreadableDicom):  # the whole file says the same, or reads on
                header = read_header(data)
                if header.at_pixels:
                    return data, header
            data += file.read(MAX_HEADER + 1 - _CHUNK)
    return data, read_header(data)


def _read_uids(values: Values) -> tuple[str, str, str]:
    uids = [values.text(tag) for tag in _UIDS]
    for uid, name in zip(uids, _UIDS.values(), strict=True):
        if len(uid) > 64 or not _UID.fullmatch(uid):
            fault = "is missing" if not uid else "is not a valid UID (PS3.5 9.1)"
            raise UnreadableDicom("invalid-uid", f"{name} {fault}; export the instance again.")
    return uids[0], uids[1], uids[2]


def _other_ids(values: Values) -> tuple[tuple[str, str, str], ...]:
    found = [(one, "", "") for one in values.texts(0x00101000)]
    items = values.items(0x00101002)
    found += [(item.text(0x00100020), item.text(0x00100021), item.text(0x00100022)) for item in items]
    return tuple(dict.fromkeys(one for one in found if one[0]))


def _facts(values: Values) -> dict[str, object]:
    facts: dict[str, object] = {}
    for tag, keyword in _TEXTS.items():
        if text := values.text(tag):
            facts[keyword] = text
    if image_type := values.texts(0x00080008):
        facts["ImageType"] = image_type
    requests = [values, *values.items(0x00400275)]
    for tag, keyword in _CODES.items():
        codes = [code for one in requests for item in one.items(tag) if (code := _read_code(item))]
        if codes:
            facts[keyword] = codes
    if "RequestedProcedureDescription" not in facts and (
        text := next((t for one in requests if (t := one.text(0x00321060))), "")
    ):
        facts["RequestedProcedureDescription"] = text
    if "ContrastBolusAgent" not in facts and (agents := [_read_code(one) for one in values.items(0x00180012)]):
        facts["ContrastBolusAgent"] = next((code[2] or code[1] for code in agents if code), "coded")
    frames = [one for shared in values.items(0x52009229) for one in shared.items(0x00209071)]
    sides = [one.text(0x00209072) for one in frames]
    for side in (values.text(0x00200062), values.text(0x00200060), *sides):
        if side:
            facts["Laterality"] = side
            break
    regions = [code for one in frames for item in one.items(0x00082218) if (code := _read_code(item))]
    if regions and "AnatomicRegionSequence" not in facts:
        facts["AnatomicRegionSequence"] = regions
    if (dose := values.double(0x00189345)) is not None:
        facts["CTDIvol"] = dose
    return facts


def _read_code(item: Values) -> list[str] | None:
    """A code sequence item (PS3.3 8.8) as [system, code, meaning]; the scheme itself where it has no URI here."""
    code = item.text(0x00080100)
    scheme = item.text(0x00080102)
    return [_SCHEMES.get(scheme, scheme), code, item.text(0x00080104)] if code else None


__all__ = ["DicomInstance", "UnreadableDicom", "instance_of", "read_dicom", "read_names", "series_facts"]
