"""The parts of FHIR R4 (4.0.1) resources that are read, as typed shapes.

Decoding into them checks every type in passing and names the place of a wrong one; elements that are not listed are
skipped. Where other releases spell an element otherwise (R5: `ImagingStudy.modality` is a CodeableConcept; STU3:
`Observation.interpretation` is no list) both forms are read. `null` counts as absent. Numbers keep their digits.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from msgspec import Raw, Struct


class Coding(Struct, gc=False):
    """FHIR Coding."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Struct, gc=False):
    """FHIR CodeableConcept. It also reads a bare Coding or an R5 CodeableReference, which stand where R4 has a
    concept or the other way round."""

    coding: list[Coding] | None = None
    text: str | None = None
    system: str | None = None
    code: str | None = None
    display: str | None = None
    concept: CodeableConcept | None = None

    @property
    def codings(self) -> list[Coding]:
        """All codings that carry a code."""
        found = [one for one in self.coding or () if one.code]
        if self.code:
            found.append(Coding(self.system, self.code, self.display))
        return found + self.concept.codings if self.concept else found

    @property
    def words(self) -> str:
        """The text a person reads: `text`, else the first display."""
        own = self.text or self.display or next((one.display for one in self.coding or () if one.display), None)
        return own or (self.concept.words if self.concept else "")


Concepts: TypeAlias = list[CodeableConcept] | CodeableConcept | None


def concepts(given: Concepts) -> list[CodeableConcept]:
    """One concept, several or none, as a list."""
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


class Identifier(Struct, gc=False):
    """FHIR Identifier."""

    system: str | None = None
    value: str | None = None
    type: CodeableConcept | None = None
    use: str | None = None

    @property
    def type_code(self) -> str:
        """The code of `type` (v2-0203), "" when absent."""
        return next((one.code for one in self.type.codings if one.code), "") if self.type else ""


class Reference(Struct, gc=False):
    """FHIR Reference; `actor` is where STU3 performers keep theirs."""

    reference: str | None = None
    type: str | None = None
    identifier: Identifier | None = None
    display: str | None = None
    actor: Reference | None = None


References: TypeAlias = list[Reference] | Reference | None


def references(given: References) -> list[Reference]:
    """One reference, several or none, as a list; STU3 performers give their actor."""
    if given is None:
        return []
    return [one.actor or one for one in (given if isinstance(given, list) else [given])]


class Period(Struct, gc=False):
    """FHIR Period."""

    start: str | None = None
    end: str | None = None


class Quantity(Struct, gc=False):
    """FHIR Quantity."""

    value: Decimal | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Range(Struct, gc=False):
    """FHIR Range."""

    low: Quantity | None = None
    high: Quantity | None = None


class Ratio(Struct, gc=False):
    """FHIR Ratio."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Timing(Struct, gc=False):
    """FHIR Timing: only its events."""

    event: list[str] | None = None


class Annotation(Struct, gc=False):
    """FHIR Annotation."""

    text: str | None = None


class Meta(Struct, gc=False):
    """FHIR Meta: when this version came to be."""

    lastUpdated: str | None = None  # noqa: N815 - FHIR's own spelling, here and below


class Resource(Struct, kw_only=True, gc=False):
    """What every resource has."""

    id: str | None = None
    meta: Meta | None = None
    implicitRules: str | None = None  # noqa: N815
    contained: list[Raw] | None = None
    modifierExtension: list[Raw] | None = None  # noqa: N815


class Dated(Resource, kw_only=True, gc=False):
    """A resource with the choice effective[x]."""

    effectiveDateTime: str | None = None  # noqa: N815
    effectiveInstant: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    effectiveTiming: Timing | None = None  # noqa: N815


class Value(Dated, kw_only=True, gc=False):
    """The choice value[x] with what stands beside it, of an Observation or one of its components."""

    code: CodeableConcept | None = None
    valueQuantity: Quantity | None = None  # noqa: N815
    valueCodeableConcept: CodeableConcept | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valueRange: Range | None = None  # noqa: N815
    valueRatio: Ratio | None = None  # noqa: N815
    valueTime: str | None = None  # noqa: N815
    valueDateTime: str | None = None  # noqa: N815
    valuePeriod: Period | None = None  # noqa: N815
    valueSampledData: Raw | None = None  # noqa: N815
    valueAttachment: Raw | None = None  # noqa: N815
    dataAbsentReason: CodeableConcept | None = None  # noqa: N815
    interpretation: Concepts = None
    referenceRange: list[ReferenceRange] | None = None  # noqa: N815


VALUE_TYPES = tuple(name for name in Value.__struct_fields__ if name.startswith("value"))
"""The types that value[x] may have."""


class ReferenceRange(Struct, gc=False):
    """Observation.referenceRange."""

    low: Quantity | None = None
    high: Quantity | None = None
    text: str | None = None


class Observation(Value, kw_only=True, gc=False):
    """FHIR Observation."""

    identifier: list[Identifier] | None = None
    status: str | None = None
    category: Concepts = None
    subject: Reference | None = None
    focus: list[Reference] | None = None
    issued: str | None = None
    performer: list[Reference] | None = None
    note: list[Annotation] | None = None
    comment: str | None = None  # STU3
    method: CodeableConcept | None = None
    specimen: Reference | None = None
    device: Reference | None = None
    hasMember: list[Reference] | None = None  # noqa: N815
    component: list[Value] | None = None


class DiagnosticReport(Dated, kw_only=True, gc=False):
    """FHIR DiagnosticReport; `study` and `note` are R5's."""

    identifier: list[Identifier] | None = None
    basedOn: References = None  # noqa: N815
    status: str | None = None
    category: Concepts = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    issued: str | None = None
    performer: References = None
    resultsInterpreter: References = None  # noqa: N815
    specimen: References = None
    result: References = None
    imagingStudy: References = None  # noqa: N815
    study: References = None
    conclusion: str | None = None
    note: list[Annotation] | None = None


class CollectionOf(Struct, gc=False):
    """Specimen.collection."""

    collectedDateTime: str | None = None  # noqa: N815
    collectedPeriod: Period | None = None  # noqa: N815


class Specimen(Resource, kw_only=True, gc=False):
    """FHIR Specimen."""

    identifier: list[Identifier] | None = None
    status: str | None = None
    subject: Reference | None = None
    receivedTime: str | None = None  # noqa: N815
    type: Concepts = None
    collection: CollectionOf | None = None
    condition: Concepts = None
    note: list[Annotation] | None = None


class Organization(Resource, kw_only=True, gc=False):
    """FHIR Organization."""

    identifier: list[Identifier] | None = None
    name: str | None = None
    partOf: Reference | None = None  # noqa: N815


class DeviceName(Struct, gc=False):
    """Device.deviceName (R5: Device.name)."""

    name: str | None = None
    value: str | None = None


class Device(Resource, kw_only=True, gc=False):
    """FHIR Device."""

    manufacturer: str | None = None
    modelNumber: str | None = None  # noqa: N815
    model: str | None = None  # STU3
    deviceName: list[DeviceName] | None = None  # noqa: N815
    name: list[DeviceName] | None = None
    type: Concepts = None


class HumanName(Struct, gc=False):
    """FHIR HumanName; STU3 and R4 have one family name, DSTU2 a list."""

    use: str | None = None
    text: str | None = None
    family: str | list[str | None] | None = None
    given: list[str | None] | None = None


class ContactPoint(Struct, gc=False):
    """FHIR ContactPoint."""

    system: str | None = None
    value: str | None = None
    use: str | None = None


class Patient(Resource, kw_only=True, gc=False):
    """FHIR Patient."""

    identifier: list[Identifier] | None = None
    active: bool | None = None
    name: list[HumanName] | None = None
    telecom: list[ContactPoint] | None = None
    gender: str | None = None
    birthDate: str | None = None  # noqa: N815


class Provision(Struct, gc=False):
    """Consent.provision (R4: with `type`)."""

    type: str | None = None
    period: Period | None = None
    provision: list[Provision] | None = None


class Consent(Resource, kw_only=True, gc=False):
    """FHIR Consent; `subject` and `decision` are R5's."""

    status: str | None = None
    patient: Reference | None = None
    subject: Reference | None = None
    dateTime: str | None = None  # noqa: N815
    decision: str | None = None
    period: Period | None = None
    provision: Provision | list[Provision] | None = None


class Endpoint(Resource, kw_only=True, gc=False):
    """FHIR Endpoint; `connectionType` is a Coding in R4, a list of concepts in R5."""

    status: str | None = None
    connectionType: Concepts = None  # noqa: N815
    address: str | None = None


class SeriesPerformer(Struct, gc=False):
    """ImagingStudy.series.performer."""

    actor: Reference | None = None


class Series(Struct, kw_only=True, gc=False):
    """ImagingStudy.series."""

    uid: str | None = None
    modality: CodeableConcept | None = None
    description: str | None = None
    numberOfInstances: int | None = None  # noqa: N815
    endpoint: list[Reference] | None = None
    bodySite: CodeableConcept | None = None  # noqa: N815
    laterality: CodeableConcept | None = None
    started: str | None = None
    performer: list[SeriesPerformer] | None = None
    instance: list[Raw] | None = None


class ImagingStudy(Resource, kw_only=True, gc=False):
    """FHIR ImagingStudy; `uid` and `accession` are STU3's, `procedure` R5's."""

    identifier: list[Identifier] | Identifier | None = None
    uid: str | None = None
    accession: Identifier | None = None
    status: str | None = None
    modality: Concepts = None
    modalityList: Concepts = None  # noqa: N815
    subject: Reference | None = None
    patient: Reference | None = None
    started: str | None = None
    basedOn: References = None  # noqa: N815
    endpoint: list[Reference] | None = None
    numberOfSeries: int | None = None  # noqa: N815
    numberOfInstances: int | None = None  # noqa: N815
    procedureCode: Concepts = None  # noqa: N815
    procedure: Concepts = None
    reasonCode: Concepts = None  # noqa: N815
    description: str | None = None
    note: list[Annotation] | None = None
    series: list[Series] | None = None


SHAPES: dict[str, type[Resource]] = {
    one.__name__: one
    for one in (
        Patient, DiagnosticReport, Observation, ImagingStudy, Endpoint, Specimen, Organization, Device, Consent,
    )
}  # fmt: skip
"""The resource types that are used, by name; all others are ignored, said so and counted."""
