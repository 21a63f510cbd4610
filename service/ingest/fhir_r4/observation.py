"""FHIR R4 Observation to results: its value, its components, its members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from service.domain.report import ItemResult, Status
from service.domain.times import When
from service.ingest.fhir_r4.materials import material_of, material_of_words
from service.ingest.fhir_r4.performer import find_institution
from service.ingest.fhir_r4.shapes import Device, Observation, Reference, Specimen, Value, concepts, references
from service.ingest.fhir_r4.specimens import issues_of_words, specimen_issues
from service.ingest.fhir_r4.values import (
    Context,
    Told,
    codes_of,
    effective,
    interpretations,
    measured_of,
    platform,
    range_text,
    status_of,
    told,
)
from service.ingest.fhir_r4.view import Newest, View

MAX_DEPTH = 5
"""How deep members of members are followed (panel, sub-panel, test: three are met in practice)."""


@dataclass(slots=True)
class Frame:
    """What a report says of all its results: whose, when, from which specimens, with which trouble."""

    subject: str
    performed: Told | None = None
    specimens: tuple[SpecimenFacts, ...] = ()
    issues: tuple[str, ...] = ()
    strangers: list[tuple[Newest, str]] = field(default_factory=list)  # results of another patient, never shown
    seen: set[str] = field(default_factory=set)
    same_patient: Callable[[str], bool] | None = None  # whether another key is the subject's too


@dataclass(frozen=True, slots=True)
class SpecimenFacts:
    """When a specimen was collected, what is wrong with it, and what it is of (None: not surely told)."""

    collected: Told | None
    issues: tuple[str, ...]
    material: str | None = None


@dataclass(frozen=True, slots=True)
class Performed:
    """A result and the institution that performed it, None where the Observation does not say."""

    result: ItemResult
    performer: str | None


def read_specimens(
    view: View, owner: Newest, given: Iterable[Reference], subject: str, context: Context
) -> tuple[SpecimenFacts, ...]:
    """The specimens that `owner` names and that are known."""
    found = []
    for reference in given:
        if followed := view.follow(owner, reference, Specimen):
            at, specimen = followed
            theirs = view.key(at, specimen.subject, "Patient")
            strange = ("subject-differs",) if theirs is not None and theirs != subject else ()
            taken = specimen.collection
            collected = told(context, taken.collectedDateTime, taken.collectedPeriod) if taken else None
            issues = (*specimen_issues(specimen), *strange)
            found.append(SpecimenFacts(collected, issues, material_of(specimen.type)))
    return tuple(found)


def read_results(
    view: View, owner: Newest, given: Iterable[Reference], frame: Frame, context: Context, depth: int = 0
) -> Iterator[Performed]:
    """The results that `owner` refers to, in order, each Observation once."""
    for reference in given:
        followed = view.follow(owner, reference, Observation)
        if followed is None:
            context.notes["result-not-known"] += 1
            continue
        at, observation = followed
        if at.ref not in frame.seen:
            frame.seen.add(at.ref)
            yield from read_observation(view, at, observation, frame, context, depth)


def read_observation(
    view: View, at: Newest, observation: Observation, frame: Frame, context: Context, depth: int = 0
) -> Iterator[Performed]:
    """The results of one Observation. One of another patient than the report's gives none and is remembered."""
    theirs = view.key(at, observation.subject, "Patient")
    if theirs is not None and theirs != frame.subject and not (frame.same_patient and frame.same_patient(theirs)):
        frame.strangers.append((at, theirs))
        return
    status = status_of(observation.status, observation)
    specimens = (
        read_specimens(view, at, [observation.specimen], frame.subject, context)
        if observation.specimen
        else frame.specimens
    )
    shared = _Shared(
        status=status,
        performed=performed_at(specimens, effective(observation, context), frame.performed),
        issues=_issues(observation, specimens, frame),
        materials=frozenset(one.material for one in specimens),
        methods=_methods(view, at, observation),
    )
    performer = find_institution(view, at, references(observation.performer), context.network)
    parts = [one for one in observation.component or () if one.code is not None]
    members = observation.hasMember or []
    own = _result(observation, at.ref, shared, context)
    if not own.measured.is_absent or not (parts or members):
        yield Performed(own, performer)
    for part in parts:
        yield Performed(_result(part, at.ref, shared, context), performer)
    if not status.exists:  # of a withdrawn panel nothing is left: its members do not stand alone either
        view.targets.update(key for one in members if (key := view.key(at, one, "Observation")))
    elif members and depth < MAX_DEPTH:
        yield from read_results(view, at, members, frame, context, depth + 1)


@dataclass(frozen=True, slots=True)
class _Shared:
    status: Status
    performed: When | None
    issues: tuple[str, ...]
    materials: frozenset[str | None]
    methods: tuple[str, ...]


def performed_at(specimens: tuple[SpecimenFacts, ...], own: Told | None, report: Told | None) -> When | None:
    """Specimen.collection, Observation.effective, DiagnosticReport.effective, in this order (contract, section 3).

    Of several specimens only a common collection time counts. A time that stands there but cannot be read is not
    replaced by a later one: the result's age is then not known."""
    collected = {one.collected.at if one.collected else None for one in specimens}
    if len(collected) == 1 and specimens[0].collected is not None:
        return specimens[0].collected.at
    found = own or report
    return found.at if found else None


def _result(value: Value, ref: str, shared: _Shared, context: Context) -> ItemResult:
    codes = codes_of(value.code)
    item = context.item(codes)
    issues = shared.issues
    if item is not None and shared.materials and _is_of_another(item.specimen, shared.materials):
        issues = (*issues, "other-material")
    if value.valueString is not None and (said := issues_of_words([value.valueString])):
        issues = tuple(dict.fromkeys((*issues, *said)))
    return ItemResult(
        item=item.id if item else None,
        status=shared.status,
        performed=shared.performed,
        measured=measured_of(value, item),
        interpretation=interpretations(concepts(value.interpretation)) if value.interpretation else (),
        reference_range=range_text(value.referenceRange) if value.referenceRange else None,
        specimen_issues=issues,
        methods=shared.methods,
        codes=codes,
        name=value.code.words if value.code else "",
        ref=ref,
    )


def _is_of_another(specimen: str, told: frozenset[str | None]) -> bool:
    """Whether all the specimens of a result are surely of another material than its item's."""
    wanted = material_of_words(specimen)
    return wanted is not None and None not in told and wanted not in told


def _issues(observation: Observation, specimens: tuple[SpecimenFacts, ...], frame: Frame) -> tuple[str, ...]:
    if not (specimens or frame.issues or observation.note or observation.comment):
        return ()
    said = issues_of_words([observation.comment, *(note.text for note in observation.note or ())])
    return tuple(dict.fromkeys([*(issue for one in specimens for issue in one.issues), *said, *frame.issues]))


def _methods(view: View, at: Newest, observation: Observation) -> tuple[str, ...]:
    """Observation.method, else Observation.device, each in every spelling given."""
    names: list[str] = []
    if observation.method is not None:
        method = observation.method
        names = [method.text or "", *(one.display or "" for one in method.codings)]
        if not any(names):
            names = [one.code or "" for one in method.codings]
    elif observation.device is not None:
        if followed := view.follow(at, observation.device, Device):
            names = _device_names(followed[1])
        names = names or [observation.device.display or ""]
    return tuple(dict.fromkeys(one for name in names if (one := platform(name))))


def _device_names(device: Device) -> list[str]:
    own = [one.name or one.value or "" for one in (*(device.deviceName or ()), *(device.name or ()))]
    models = [one for one in (device.modelNumber, device.model) if one]
    made = [f"{device.manufacturer} {one}" for one in (*own, *models) if one and device.manufacturer]
    return own + models + made or [one.words for one in concepts(device.type)]
