"""The port of a system that holds images and gives them out one by one, on demand.

An adapter package `adapters.<kind>` that has `open_archive(config: SourceConfig) -> ImageArchive` can be asked.
Addresses come from the source's configuration only; every row that a peer returns is checked against what was asked.
Methods block; each is called on a thread of the source's own: a sick archive keeps nobody waiting but its own callers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.ingest.dicom.rejections import Rejections

_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")  # PS3.5 9.1
_UNSAFE = re.compile(r"[*?\\,\x00-\x1f\x7f]")

ORIGINAL = "*"
"""The transfer syntax in which the archive holds it."""
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"


def is_uid(text: str) -> bool:
    """Whether `text` is a DICOM UID (PS3.5 9.1): nothing else may become part of a path or a query."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def is_exact(text: str) -> bool:
    """Whether a key names one thing: not empty, and free of what archives read as a wildcard or a list
    (`*`, `?`, `\\`, `,`; PS3.4 C.2.2.2). Any other would open other patients' studies."""
    return bool(text.strip()) and _UNSAFE.search(text) is None


class NotHeld(Exception):
    """The archive does not hold what was asked for, or holds it under another patient. `code` is stable: `not-held`,
    `other-patient`, `rejected` (IHE IOCM), `offline`, `incomplete`, `ambiguous`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class CannotRender(Exception):
    """The archive holds the image and cannot make a picture of it; whoever asked can render the original."""


def sole_owner(patients: Collection[str], wanted: Collection[str]) -> str:
    """The PatientID under which an archive has a study, of all that its rows name. NotHeld `ambiguous` where these are
    several: whose images they are nobody can say; `other-patient` unless it is among `wanted` (empty: whichever)."""
    if len(set(patients)) != 1:
        raise NotHeld("ambiguous", "the archive has the study under several patients; they must be told apart there")
    (owner,) = set(patients)
    if wanted and owner not in wanted:
        raise NotHeld("other-patient", "the archive has the study under another patient")
    return owner


def require_online(availability: str) -> None:
    """NotHeld `offline` where an archive says that a study cannot be had (Instance Availability, PS3.3 C.4.23.1.1)."""
    if availability.upper() in ("OFFLINE", "UNAVAILABLE"):
        raise NotHeld("offline", "the archive says that the images are not online")


@dataclass(frozen=True, slots=True)
class HeldInstance:
    """One instance of a series. `number` is InstanceNumber, `frames` NumberOfFrames (1 where it is not said),
    `position` the third coordinate of ImagePositionPatient."""

    sop_uid: str
    sop_class: str = ""
    number: int | None = None
    frames: int = 1
    rows: int | None = None
    columns: int | None = None
    position: float | None = None


@dataclass(frozen=True, slots=True)
class HeldSeries:
    """One series as the archive lists it. `facts` are further DICOM keywords with their values."""

    series_uid: str
    modality: str = ""
    number: int | None = None
    description: str = ""
    instances: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HeldStudy:
    """A study as the archive lists it: its patient there, how many instances, whether it can be opened now
    (`availability`: ONLINE, NEARLINE, OFFLINE, UNAVAILABLE or "" where the archive does not say). What its rejection
    notes forbid is listed and counted here as the archive does: whoever asks leaves it out."""

    study_uid: str
    patient_id: str = field(repr=False)
    series: tuple[HeldSeries, ...]
    instances: int | None = None
    availability: str = ""
    rejections: Rejections = field(default_factory=Rejections)


@dataclass(frozen=True, slots=True)
class Place:
    """What is asked for; all UIDs are checked when it is made (ValueError)."""

    study_uid: str
    series_uid: str | None = None
    sop_uid: str | None = None

    def __post_init__(self) -> None:
        for uid in (self.study_uid, self.series_uid, self.sop_uid):
            if uid is not None and not is_uid(uid):
                raise ValueError("not a DICOM UID")
        if self.sop_uid is not None and self.series_uid is None:
            raise ValueError("an instance is named with its series")


@dataclass(frozen=True, slots=True)
class View:
    """How a rendered frame is wanted (PS3.18 8.3.5): `viewport` (width, height) in pixels, `window` (center, width,
    function), `quality` 1 to 100, `media` image/jpeg or image/png. `thumbnail`: small and quick."""

    media: str = "image/jpeg"
    viewport: tuple[int, int] | None = None
    window: tuple[float, float, str] | None = None
    quality: int | None = None
    thumbnail: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an answer: its media type, the transfer syntax where it has one, whose it is, and its bytes as they
    come. `size` is its length where it was said."""

    media: str
    chunks: Iterator[bytes]
    transfer_syntax: str = ""
    sop_uid: str = ""
    size: int | None = None


PartStream = AbstractContextManager[Iterator[Part]]
"""Parts one after another: the chunks of one must be taken before the next is asked for. Leaving the block ends the
transfer, also half way."""


class ImageArchive(Protocol):
    """An archive that gives out images. All methods raise `service.ingest.source.SourceError` when it cannot be asked,
    and NotHeld when the answer is no. Safe to use from several threads at once."""

    def find_study(self, study_uid: str, patient_ids: frozenset[str]) -> HeldStudy:
        """The study with its series, asked anew. NotHeld with `other-patient` unless its PatientID is among
        `patient_ids` (those the registry knows it under; empty: whichever), `ambiguous` where the archive has it under
        several patients, `offline`."""

    def find_instances(self, place: Place) -> tuple[HeldInstance, ...]:
        """The instances of a series, in no particular order."""

    def instances(self, place: Place, transfer_syntax: str = ORIGINAL) -> PartStream:
        """The DICOM files of a study, a series or one instance, as PS3.10 files. Where the archive cannot give the
        transfer syntax, the one in which it holds them."""

    def frames(self, place: Place, numbers: tuple[int, ...], transfer_syntax: str = ORIGINAL) -> PartStream:
        """Frames of one instance (numbers from 1) as bulk data (PS3.18 10.4.1.1.6)."""

    def rendered(self, place: Place, frame: int | None, view: View) -> PartStream:
        """One picture of an instance or of one of its frames, by the archive itself. Raises CannotRender."""

    def metadata(self, place: Place) -> PartStream:
        """DICOM JSON (PS3.18 F) of a study, series or instance; no bulk data address of the archive's own in it."""

    def probe(self) -> None:
        """The cheapest question that tells whether the archive answers."""

    def close(self) -> None:
        """Lets go of connections."""
