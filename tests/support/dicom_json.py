"""DICOM JSON (PS3.18 annex F) of DICOM files, as an archive would give it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import pydicom

from service.ingest.pipeline import Document


def data_set(file: bytes) -> dict[str, Any]:
    """The header of a file as DICOM JSON, pixels left out."""
    read = pydicom.dcmread(BytesIO(file), stop_before_pixels=True)
    found: dict[str, Any] = read.to_json_dict(suppress_invalid_tags=True)
    return found


def array(files: Iterable[bytes | Document]) -> bytes:
    """The metadata answer for these files."""
    bodies = (one.body if isinstance(one, Document) else one for one in files)
    return json.dumps([data_set(one) for one in bodies], ensure_ascii=False).encode()


def document(body: bytes) -> Document:
    """DICOM JSON to load."""
    return Document("dicom-json", "series.json", body)
