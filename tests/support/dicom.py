"""One small DICOM instance for tests."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from service.ingest.pipeline import Document

UID = "1.2.840.99.1"


def instance(n: int = 1, **more: Any) -> Document:
    """One CT slice of Patient 000123."""
    values = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "SOPInstanceUID": f"{UID}.1.{n}",
        "StudyInstanceUID": UID,
        "SeriesInstanceUID": f"{UID}.1",
        "PatientID": "000123",
        "PatientName": "LI^MIN",
        "Modality": "CT",
        "BodyPartExamined": "CHEST",
        "StudyDescription": "Chest CT without contrast",
        "AccessionNumber": "A100",
        "StudyDate": "20261118",
        "AcquisitionDate": "20261118",
        "AcquisitionTime": f"1000{n:02d}",
        "TimezoneOffsetFromUTC": "+0800",
        **more,
    }
    return file_of(values, f"{n}.dcm")


def file_of(values: Mapping[str, Any], name: str) -> Document:
    """A DICOM file with these elements, by keyword; its class and UID are among them."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = values["SOPClassUID"]
    made.file_meta.MediaStorageSOPInstanceUID = values["SOPInstanceUID"]
    written = BytesIO()
    made.save_as(written, enforce_file_format=True)
    return Document("dicom", name, written.getvalue())
