"""The canonical records every source becomes. Nothing past ingest knows which standard spoke."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from service.domain.times import When


class Status(StrEnum):
    """The status of a report or result, in the words of FHIR R4 (DiagnosticReport, Observation, ImagingStudy)."""

    REGISTERED = "registered"
    PARTIAL = "partial"
    PRELIMINARY = "preliminary"
    FINAL = "final"
    AMENDED = "amended"
    CORRECTED = "corrected"
    APPENDED = "appended"
    CANCELLED = "cancelled"
    ENTERED_IN_ERROR = "entered-in-error"
    UNKNOWN = "unknown"

    @property
    def exists(self) -> bool:
        """False for what is cancelled or entered in error: it does not exist (contract, section 4)."""
        return self not in _WITHDRAWN

    @property
    def is_final(self) -> bool:
        """Whether the content stands: final, amended, corrected or appended."""
        return self in _STANDING

    @property
    def rank(self) -> int:
        """Which of two versions of equal time is later: withdrawn, then corrected, then final, then preliminary."""
        if not self.exists:
            return 3
        if self in (Status.AMENDED, Status.CORRECTED, Status.APPENDED):
            return 2
        return 1 if self is Status.FINAL else 0


_WITHDRAWN = (Status.CANCELLED, Status.ENTERED_IN_ERROR)
_STANDING = (Status.FINAL, Status.AMENDED, Status.CORRECTED, Status.APPENDED)


@dataclass(frozen=True, slots=True)
class ReportHead:
    """What laboratory and imaging reports have in common.

    `institution` is where the record was received from; `performer` performed the test (an institution id of the
    network, or another name when it is not in the network) and `interpreter` interpreted it. `ref` is the report
    as its source names it (`DiagnosticReport/123`), `number` the report number that is its business key together
    with `institution`. `id` is the registry's key of this version (0: not stored). `holds_sensitive`: some result in
    it is of a sensitive item, so its bytes disclose more than another item's order may see.
    """

    institution: str
    number: str
    ref: str
    status: Status
    performer: str
    interpreter: str | None = None
    issued: When | None = None
    version_at: When | None = None
    id: int = 0
    holds_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """A value as reported, and as compared.

    `reported` and `unit` are the source's own text (digits kept). `value` is the number in the item's canonical
    unit, or the text of a qualitative result; None when there is no value or its unit is not surely convertible.
    `comparator` is `<`, `<=`, `>=`, `>` or None.
    """

    reported: str | None = None
    unit: str | None = None
    value: Decimal | str | None = None
    comparator: str | None = None

    @property
    def is_absent(self) -> bool:
        """Whether the result carries no value at all."""
        return self.reported is None

    @property
    def unit_is_known(self) -> bool:
        """Whether the value could be brought to the item's canonical unit (or needs none)."""
        return self.value is not None


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One laboratory result. `item` is the catalogue item, None when no code of it is known.

    `methods` names the platform as the source says it (normalised text), `specimen_issues` what is wrong with the
    specimen (`haemolysed`, `lipaemic`, `icteric`, `clotted`, `contaminated`, `insufficient`…).
    """

    item: str | None
    status: Status
    performed: When | None
    measured: Measured
    interpretation: tuple[str, ...] = ()
    reference_range: str | None = None
    specimen_issues: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    codes: tuple[tuple[str, str], ...] = ()
    name: str = ""
    ref: str = ""


@dataclass(frozen=True, slots=True)
class LabReport:
    """A laboratory report: its head and its results."""

    head: ReportHead
    results: tuple[ItemResult, ...]


@dataclass(frozen=True, slots=True)
class ExamPart:
    """What one series (or the study as a whole) shows.

    `laterality` is L, R, B or None (not said); `contrast` is "with", "without", "both" or None (not said);
    `technique` is a technique of the catalogue (`A`, `CTPA`, `LD`, `2V`…) or None.
    """

    modality: str
    region: str | None
    laterality: str | None = None
    contrast: str | None = None
    technique: str | None = None


@dataclass(frozen=True, slots=True)
class ImagingExam:
    """An imaging exam: report and study together, whichever of them is known.

    `images` are addresses of endpoints that hold the images, `has_report` whether any report came with them,
    `region_basis` how the region was found (`code`, `body-site`, `words`, `conflict`), `subject_conflict` that the
    study's parts name different patients.
    """

    head: ReportHead
    performed: When | None
    parts: tuple[ExamPart, ...]
    study_uid: str | None = None
    accession: str | None = None
    description: str = ""
    has_report: bool = True
    images: tuple[str, ...] = ()
    series_count: int = 0
    instance_count: int = 0
    dose_msv: float | None = None
    region_basis: str = "code"
    subject_conflict: bool = False


@dataclass(frozen=True, slots=True)
class LabCandidate:
    """One stored result offered to matching. `identity` is `confirmed` or `probable`."""

    head: ReportHead
    result: ItemResult
    identity: str = "confirmed"


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A source that holds the images of an exam. `state` is `held`, or the code of why they are not to be had from it
    (`incomplete`, `offline`, `not-held`, `rejected`, `other-patient`, `ambiguous`); `reachable`: it answered when last
    tried, or was never tried."""

    source: str
    state: str = "held"
    reachable: bool = True

    @property
    def may_open(self) -> bool:
        """Whether to ask this source for the images makes sense, now or later."""
        return self.state in ("held", "incomplete", "offline")


@dataclass(frozen=True, slots=True)
class ExamCandidate:
    """One stored exam offered to matching. `identity` is `confirmed` or `probable`; `held_by` the sources known to hold
    its images when the question was asked."""

    head: ReportHead
    exam: ImagingExam
    identity: str = "confirmed"
    held_by: tuple[HeldBy, ...] = ()
