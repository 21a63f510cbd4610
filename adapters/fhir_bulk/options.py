"""The adapter's own keys in `[[source]]`, checked when the source is opened."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

import msgspec

from adapters.transport.options import bad_option, check_types, own_options
from service.ingest.fhir_r4.shapes import SHAPES
from service.ingest.source import SourceConfig

COMPARTMENT = ("Consent", "Device", "DiagnosticReport", "ImagingStudy", "Observation", "Patient", "Specimen")
"""The types that are used and lie in the compartment of a patient (FHIR R4 compartmentdefinition-patient.html)."""

_RANGES = {"batch": (1, 1000), "wait_hours": (0, 168), "whole_days": (0, 3660), "file_bytes": (1024, 2**50)}
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")  # FHIR R4 datatypes.html#id


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an export is to be asked for; README.md says when to change what."""

    export: Literal["patient", "group", "system"] = "patient"
    group: str = ""  # the Group's id, with export = "group"
    types: list[str] | None = None  # None: all that are used and can be had
    since: date | None = None  # the first export begins here; None: everything there is
    whole_days: float = 30.0  # between two exports of everything; 0: never after the first
    batch: int = 200  # records stored at once
    wait_hours: float = 4.0  # how long a run waits for an export; the next one goes on waiting
    file_bytes: int = 64 * 1024**3  # the largest file, inflated
    check_counts: bool = True  # a file with other than the announced number of lines is not believed

    @property
    def asked(self) -> list[str]:
        """The resource types to export: unless it is said otherwise all that are used, and for patients those that
        belong to one (a server may answer 400 to any other)."""
        return sorted(self.types or (SHAPES if self.export == "system" else COMPARTMENT))

    def wants(self, kind: str) -> bool:
        """Whether resources of this type are taken where the server sends them."""
        return kind in (self.types or SHAPES)

    @property
    def path(self) -> str:
        """Where an export is asked for, below the base (Bulk Data Access 2.0, Kick-off Request)."""
        return {"patient": "Patient/$export", "group": f"Group/{self.group}/$export", "system": "$export"}[self.export]


def read_options(config: SourceConfig) -> Options:
    """The options of a source. Raises Fatal `bad-option` naming the key."""
    options = own_options(config, Options, _RANGES)
    check_types(config, options.types or (), sorted(SHAPES))
    if (options.export == "group") != bool(_ID.fullmatch(options.group)):
        raise bad_option(config, 'group is the id of a Group, given where export = "group" and nowhere else')
    return options
