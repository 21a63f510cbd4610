"""Reads an `order-sign` request (CDS Hooks 2.0; hook library, order-sign) into the question the desk answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.catalogue import Catalogue
from service.domain.codes import SNOMED_CT
from service.domain.errors import Fault, InvalidInput
from service.edge.errors import PreconditionMissing

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SIDES = {"7771000": "L", "24028007": "R", "51440002": "B"}  # SNOMED CT: left, right, right and left
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U000323af]")


@dataclass(frozen=True, slots=True)
class Asked:
    """The match body, and the draft order each of its orders came from. `body` None: there is nothing to ask."""

    body: dict[str, Any] | None
    drafts: Mapping[str, dict[str, Any]]


def read_order_sign(request: object, catalogue: Catalogue) -> Asked:
    """The question of a request. Raises InvalidInput, or PreconditionMissing when the patient was not prefetched.

    A prefetch value of null means that the client looked and found nothing: then there is nothing to say.
    """
    hook = _mapping(request, "")
    faults = [Fault("/hook", "must be order-sign")] if hook.get("hook") != "order-sign" else []
    if not isinstance(instance := hook.get("hookInstance"), str) or not _UUID.fullmatch(instance):
        faults.append(Fault("/hookInstance", "a UUID is required"))
    if faults:
        raise InvalidInput("this is no order-sign request", faults)
    context = _mapping(hook.get("context"), "/context")
    patient_id = context.get("patientId")
    if not isinstance(patient_id, str) or not patient_id:
        raise InvalidInput("this is no order-sign request", [Fault("/context/patientId", "is required")])
    drafts = _drafts(context.get("draftOrders"))
    patient_id = patient_id.removeprefix("Patient/")  # some clients send Patient/123 as the id
    prefetch = _mapping(hook.get("prefetch") or {}, "/prefetch")
    patient = _patient(prefetch, patient_id)
    orders = [
        one
        for key, draft in drafts.items()
        if _is_for(draft, patient_id) and (one := _order(key, draft, catalogue)) is not None
    ]
    if not orders or patient is None:
        return Asked(None, {})
    body: dict[str, Any] = {"patient": patient, "orders": orders}
    if visit_class := _visit_class(prefetch.get("encounter")):
        body["encounter"] = {"class": visit_class}
    return Asked(body, drafts)


def _mapping(value: object, pointer: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput("this is no order-sign request", [Fault(pointer, "an object is expected")])
    return value


def _drafts(bundle: object) -> dict[str, dict[str, Any]]:
    """The ServiceRequests among the draft orders, by their id."""
    entries = _mapping(bundle, "/context/draftOrders").get("entry") or []
    if not isinstance(entries, list):
        raise InvalidInput("this is no order-sign request", [Fault("/context/draftOrders/entry", "a list is expected")])
    found: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(entries):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            pointer = f"/context/draftOrders/entry/{index}/resource"
            raise InvalidInput("this is no order-sign request", [Fault(pointer, "an object is expected")])
        if resource.get("resourceType") == "ServiceRequest":
            given = resource.get("id")
            key = given if isinstance(given, str) and 0 < len(given) <= 64 else f"draft-{index}"
            if key in found:
                pointer = f"/context/draftOrders/entry/{index}/resource/id"
                raise InvalidInput("this is no order-sign request", [Fault(pointer, "another draft has this id")])
            found[key] = resource
    return found


def _is_for(draft: Mapping[str, Any], patient_id: str) -> bool:
    """Whether an order is for the patient of the request, as far as it names one: a draft for the newborn, a group
    or a specimen says nothing of the mother."""
    subject = draft.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if reference is None:
        return True
    named = re.search(r"(?:^|/)Patient/([^/]+)(?:/_history/[^/]+)?$", str(reference))
    return named is not None and named[1] == patient_id


def _patient(prefetch: Mapping[str, Any], patient_id: str) -> dict[str, Any] | None:
    """The patient as the match body names one; None when there is none, or none with an identifier."""
    if "patient" not in prefetch:
        raise PreconditionMissing("prefetch.patient is needed: Patient/{{context.patientId}}")
    patient = prefetch["patient"]
    if patient is None:
        return None
    if not isinstance(patient, dict) or patient.get("resourceType") == "OperationOutcome":
        raise PreconditionMissing("prefetch.patient holds no Patient")
    pointer = "/prefetch/patient"
    if patient.get("resourceType") != "Patient":
        raise InvalidInput("the patient cannot be used", [Fault(f"{pointer}/resourceType", "must be Patient")])
    # another patient's data must never be mistaken for this one's
    if "id" in patient and patient["id"] != patient_id:
        raise InvalidInput("the patient cannot be used", [Fault(f"{pointer}/id", "is not context.patientId")])
    identifiers = [
        {"system": one.get("system"), "value": one["value"], "type": _type_code(one)}
        for one in _dicts(patient.get("identifier"))
        if isinstance(one.get("value"), str) and one["value"].strip() and one.get("use") != "old"
    ]
    if not identifiers:
        return None
    given = {"name": _name(patient), "birthDate": patient.get("birthDate"), "sex": patient.get("gender")}
    return {"identifiers": identifiers, **{key: value for key, value in given.items() if value is not None}}


def _type_code(identifier: Mapping[str, Any]) -> str | None:
    kind = identifier.get("type")
    codings = _dicts(kind.get("coding")) if isinstance(kind, dict) else []
    return next((one["code"] for one in codings if isinstance(one.get("code"), str)), None)


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _name(patient: Mapping[str, Any]) -> str | None:
    """The name in use: its text, else family and given, without a blank between Chinese ones."""
    names = [one for one in _dicts(patient.get("name")) if one.get("use") not in ("old", "nickname", "anonymous")]
    names.sort(key=lambda one: {"official": 0, "usual": 1}.get(str(one.get("use")), 2))
    for one in names:
        if isinstance(text := one.get("text"), str) and text.strip():
            return text
        given = one.get("given")
        parts = [one.get("family"), *(given if isinstance(given, list) else [])]
        words = [part for part in parts if isinstance(part, str) and part.strip()]
        if words:
            return ("" if _HAN.search("".join(words)) else " ").join(words)
    return None


def _order(key: str, draft: dict[str, Any], catalogue: Catalogue) -> dict[str, Any] | None:
    """The order a draft asks for; None when it is a prohibition, says something we cannot read, or its codes
    contradict each other (FHIR R4 ServiceRequest: doNotPerform and modifierExtension change the meaning)."""
    if draft.get("doNotPerform") or draft.get("modifierExtension") or draft.get("implicitRules"):
        return None
    concept = draft.get("code")
    codings = [
        (one.get("system") or "", one["code"])
        for one in _dicts(concept.get("coding") if isinstance(concept, dict) else None)
        if isinstance(one.get("code"), str) and isinstance(one.get("system") or "", str)
    ]
    known = {item: coding for coding in codings if (item := catalogue.find_id(*coding)) is not None}
    if len(known) > 1 or not codings:
        return None
    system, code = next(iter(known.values()), codings[0])
    order: dict[str, Any] = {"id": key, "code": {"system": system, "code": code}}
    if side := _side(draft):
        order["laterality"] = side
    return order


def _side(draft: Mapping[str, Any]) -> str | None:
    """The side a bodySite says, by code or word; None when it says none or several."""
    sides = set()
    for site in _dicts(draft.get("bodySite")):
        for coding in _dicts(site.get("coding")):
            if coding.get("system") == SNOMED_CT and (side := _SIDES.get(str(coding.get("code")))):
                sides.add(side)
        words = " ".join(str(one) for one in (site.get("text"), *_displays(site)) if one).lower()
        if re.search(r"双|两侧|\bbilateral\b|\bboth\b", words):
            sides.add("B")
        elif (left := bool(re.search(r"左|\bleft\b", words))) != bool(re.search(r"右|\bright\b", words)):
            sides.add("L" if left else "R")
    return sides.pop() if len(sides) == 1 else "B" if sides == {"L", "R"} else None


def _displays(site: Mapping[str, Any]) -> list[Any]:
    return [one.get("display") for one in _dicts(site.get("coding"))]


def _visit_class(encounter: object) -> str | None:
    """The encounter's class: a Coding, or as R5 has it a list of concepts; an emergency among them goes first."""
    kind = encounter.get("class") if isinstance(encounter, dict) else None
    concepts = [kind] if isinstance(kind, dict) else _dicts(kind)
    codings = [coding for one in concepts for coding in (one, *_dicts(one.get("coding")))]
    codes = [one["code"] for one in codings if isinstance(one.get("code"), str) and len(one["code"]) <= 64]
    return "EMER" if "EMER" in codes else next(iter(codes), None)
