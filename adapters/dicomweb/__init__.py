"""Image archives that speak DICOMweb (PS3.18), pulled from and asked for images (kind "dicomweb"); see README.md."""

from __future__ import annotations

from adapters.dicomweb.archive import DicomWebArchive, open_archive
from adapters.dicomweb.source import DicomWebSource, open_source

__all__ = ["DicomWebArchive", "DicomWebSource", "open_archive", "open_source"]
