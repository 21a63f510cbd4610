"""Studies as an archive holds them, made up: CT, DX of two sides, cine ultrasound, reports, rejection notes, and the
messes of research: names in several character sets, true and false, one study under two patients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComprehensiveSRStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
    UltrasoundMultiFrameImageStorage,
)

from fixtures.imaging import uid

CT_CHEST, DX_KNEES = "胸部CT平扫", "双膝关节正位"
QUALITY, SAFETY, WORKLIST, EXPIRED = "113001", "113037", "113038", "113039"
"""Reasons of a rejection note (PS3.16 CID 7010; IHE RAD TF-3 4.66, IOCM)."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance: where it belongs, and its bytes as a PS3.10 file."""

    patient_id: str
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
    body: bytes


def save(folder: Path, instances: Iterable[Instance]) -> list[Path]:
    """Writes the files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for n, one in enumerate(instances):
        path = folder / f"{n:04d}.dcm"
        path.write_bytes(one.body)
        paths.append(path)
    return paths


def bodies(*studies: Sequence[Instance]) -> list[bytes]:
    """The files of several studies."""
    return [one.body for study in studies for one in study]


def ct(patient_id: str = "A000123", n: int = 60, name: str = "ct", size: int = 64, **more: Any) -> list[Instance]:
    """A chest CT of one series with `n` axial slices of `size` by `size` pixels."""
    study = uid(name, patient_id)
    return [
        _instance(
            CTImageStorage,
            {
                "PatientID": patient_id, "StudyInstanceUID": study, "SeriesInstanceUID": uid(study, 1),
                "SOPInstanceUID": uid(study, 1, k), "Modality": "CT", "BodyPartExamined": "CHEST",
                "StudyDescription": CT_CHEST, "SeriesDescription": "肺窗", "InstanceNumber": k,
                "ImagePositionPatient": [0, 0, 5.0 * k], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
                "PixelSpacing": [0.7, 0.7], "SliceThickness": "5", "KVP": "120",
                "RescaleIntercept": "-1024", "RescaleSlope": "1", "WindowCenter": "40", "WindowWidth": "400", **more,
            },
            (size, size, 16, k),
        )
        for k in range(1, n + 1)
    ]  # fmt: skip


def dx_two_sides(patient_id: str = "A000124", size: int = 96, **more: Any) -> list[Instance]:
    """Both knees in one series: only ImageLaterality of each instance tells the sides apart."""
    study = uid("dx", patient_id)
    return [
        _instance(
            DigitalXRayImageStorageForPresentation,
            {
                "PatientID": patient_id, "StudyInstanceUID": study, "SeriesInstanceUID": uid(study, 1),
                "SOPInstanceUID": uid(study, 1, side), "Modality": "DX", "BodyPartExamined": "KNEE",
                "StudyDescription": DX_KNEES, "ImageLaterality": side, "InstanceNumber": n, "ViewPosition": "AP",
                "PresentationIntentType": "FOR PRESENTATION", **more,
            },
            (size, size, 16, n),
        )
        for n, side in enumerate("LR", 1)
    ]  # fmt: skip


def us_cine(patient_id: str = "A000125", frames: int = 30, size: int = 48, **more: Any) -> list[Instance]:
    """One ultrasound loop: one instance of many frames."""
    study = uid("us", patient_id)
    values = {
        "PatientID": patient_id, "StudyInstanceUID": study, "SeriesInstanceUID": uid(study, 1),
        "SOPInstanceUID": uid(study, 1, 1), "Modality": "US", "StudyDescription": "甲状腺超声", "InstanceNumber": 1,
        "NumberOfFrames": frames, "FrameTime": "33", "FrameIncrementPointer": 0x00181063, **more,
    }  # fmt: skip
    return [_instance(UltrasoundMultiFrameImageStorage, values, (size, size, 8, 1), frames)]


def named(
    text: str, label: str, codec: str, patient_id: str = "A000126", family: str = "张^伟", **more: Any
) -> list[Instance]:
    """A CT of one slice that declares the character set `label` while its texts are bytes of `codec`."""
    texts = {"PatientName": family.encode(codec), "StudyDescription": text.encode(codec)}
    one = {"SpecificCharacterSet": label, **more}
    return ct(patient_id, 1, f"named {label} {codec}", 16, **{**texts, **one})


def sr(images: Sequence[Instance], words: str = "双肺未见结节影。", **more: Any) -> Instance:
    """A structured report in the study of `images`."""
    first = images[0]
    content = {
        "ValueType": "CONTAINER", "ContinuityOfContent": "SEPARATE", "CompletionFlag": "COMPLETE",
        "VerificationFlag": "UNVERIFIED", "ConceptNameCodeSequence": [_code("18748-4", "LN", "Diagnostic imaging")],
    }  # fmt: skip
    text = _dataset({"RelationshipType": "CONTAINS", "ValueType": "TEXT", "TextValue": words})
    text.ConceptNameCodeSequence = [_code("121073", "DCM", "Impression")]
    return _document(ComprehensiveSRStorage, "SR", first, {**content, "ContentSequence": [text], **more})


def rejection_note(images: Sequence[Instance], code: str = QUALITY, **more: Any) -> Instance:
    """A key object selection that rejects `images` (IHE RAD TF-3 4.66, IOCM), in a series of its own."""
    title = _code(code, "DCM", "Rejected for Quality Reasons" if code == QUALITY else "Rejected")
    series: dict[str, list[Dataset]] = {}
    for one in images:
        referenced = _dataset({"ReferencedSOPClassUID": one.sop_class, "ReferencedSOPInstanceUID": one.sop_uid})
        series.setdefault(one.series_uid, []).append(referenced)
    items = []
    for series_uid, members in series.items():
        item = _dataset({"SeriesInstanceUID": series_uid})
        item.ReferencedSOPSequence = members
        items.append(item)
    study = _dataset({"StudyInstanceUID": images[0].study_uid})
    study.ReferencedSeriesSequence = items
    content = {
        "ValueType": "CONTAINER", "ContinuityOfContent": "SEPARATE", "ConceptNameCodeSequence": [title],
        "CurrentRequestedProcedureEvidenceSequence": [study],
    }  # fmt: skip
    return _document(KeyObjectSelectionDocumentStorage, "KO", images[0], {**content, **more})


def two_patients(one: str = "A000127", other: str = "B000127") -> list[Instance]:
    """The same StudyInstanceUID under two patients, each with a series of their own."""
    study = uid("two patients")
    return [
        changed
        for patient in (one, other)
        for changed in ct(patient, 2, StudyInstanceUID=study, SeriesInstanceUID=uid(study, patient))
    ]


def _document(sop_class: UID, modality: str, of: Instance, values: dict[str, Any]) -> Instance:
    series = uid(of.study_uid, modality)
    given = {
        "PatientID": of.patient_id, "StudyInstanceUID": of.study_uid, "SeriesInstanceUID": series,
        "SOPInstanceUID": uid(series, repr(values)), "Modality": modality, "InstanceNumber": 1, **values,
    }  # fmt: skip
    return _instance(sop_class, given)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _dataset({"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning})


def _dataset(values: dict[str, Any]) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def _instance(
    sop_class: UID, given: dict[str, Any], pixels: tuple[int, int, int, int] | None = None, frames: int = 1
) -> Instance:
    values = {
        "SpecificCharacterSet": "GB18030", "SOPClassUID": sop_class, "PatientName": "张^伟",
        "PatientBirthDate": "19800512", "PatientSex": "M", "AccessionNumber": "ACC1", "StudyID": "1",
        "SeriesNumber": 1, "StudyDate": "20261118",
        "StudyTime": "101500", "SeriesDate": "20261118", "SeriesTime": "101500", "AcquisitionDate": "20261118",
        "AcquisitionTime": "101500", "ReferringPhysicianName": "", "Manufacturer": "TestOnce",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], **given,
    }  # fmt: skip
    raw = {key: value + b" " * (len(value) % 2) for key, value in values.items() if isinstance(value, bytes)}
    holes = {key: f"{key:#<{len(value)}}"[: len(value)] for key, value in raw.items()}
    made = _dataset({**values, **holes})
    if pixels:
        _draw(made, *pixels, frames=frames)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = (
        sop_class,
        values["SOPInstanceUID"],
    )
    written = BytesIO()
    made.save_as(written, enforce_file_format=True)
    return Instance(
        values["PatientID"], values["StudyInstanceUID"], values["SeriesInstanceUID"], values["SOPInstanceUID"],
        str(sop_class), _fill(written.getvalue(), raw, holes),
    )  # fmt: skip


def _fill(file: bytes, raw: dict[str, bytes], holes: dict[str, str]) -> bytes:
    """Puts the bytes in their places that a device wrote against what it declares; pydicom would mend them."""
    for key, value in raw.items():
        file = file.replace(holes[key].encode(), value, 1)
    return file


def _draw(made: Dataset, rows: int, columns: int, bits: int, seed: int, *, frames: int) -> None:
    """A slope that is another one in each instance and frame."""
    made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = rows, columns, 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = bits, bits, bits - 1, 0
    if bits == 16:
        made.BitsStored, made.HighBit = 12, 11
    width, steps = bits // 8, rows + columns + seed + frames
    slope = b"".join((k * 17 % (1 << made.BitsStored)).to_bytes(width, "little") for k in range(steps))
    starts = [frame + seed + row for frame in range(frames) for row in range(rows)]
    made.PixelData = b"".join(slope[s * width : (s + columns) * width] for s in starts)
    if len(made.PixelData) % 2:
        made.PixelData += b"\0"
