"""FHIR Bulk Data exports (kind "fhir-bulk"); see README.md beside this file."""

from __future__ import annotations

from adapters.fhir_bulk.source import BulkSource, open_source

__all__ = ["BulkSource", "open_source"]
