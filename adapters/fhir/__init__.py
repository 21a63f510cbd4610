"""FHIR R4 servers, pulled from by REST searches (kind "fhir"); see README.md beside this file."""

from __future__ import annotations

from adapters.fhir.source import FhirSource, open_source

__all__ = ["FhirSource", "open_source"]
