"""What a clinician asks: orders, in an encounter, at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.domain.codes import Code
from service.domain.times import When

EVENT_TYPES = (
    "surgery", "transfusion", "dialysis", "chemotherapy", "radiotherapy",
    "contrast", "trauma", "delivery", "treatment", "other",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the patient and may have changed a result since."""

    type: str
    at: When


@dataclass(frozen=True, slots=True)
class Encounter:
    """The visit in which the order is placed. `visit_class` is a v3-ActCode (AMB, EMER, IMP…)."""

    visit_class: str | None = None
    purpose: str = "clinical"
    events: tuple[Event, ...] = ()
    condition_changed: bool = False
    restricted_consent: bool = False


@dataclass(frozen=True, slots=True)
class ImagingOrder:
    """An imaging exam asked for by its facts. `contrast` None: the order does not say."""

    modality: str
    region: str
    laterality: str | None = None
    contrast: bool | None = None
    technique: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One ordered item or panel, by any of its codes or, for imaging, by facts."""

    id: str
    codes: tuple[Code, ...] = ()
    imaging: ImagingOrder | None = None
    laterality: str | None = None


@dataclass(frozen=True, slots=True)
class PatientQuery:
    """Who the patient is, as the caller says. `identifiers` are (system, value, type code) as given."""

    identifiers: tuple[tuple[str, str, str], ...] = ()
    name: str | None = None
    birth_date: str | None = None
    sex: str | None = None


@dataclass(frozen=True, slots=True)
class MatchRequest:
    """A whole question: who asks, for whom, what, when."""

    requester: str
    patient: PatientQuery
    orders: tuple[Order, ...]
    ordered_at: datetime
    encounter: Encounter = Encounter()
