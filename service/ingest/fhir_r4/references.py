"""What a FHIR reference points to (FHIR R4 references.html).

A target is named as the registry names it: `Type/id`, `#id` for a resource contained in the same one, or
`identifier|system|value` for a logical reference. Absolute URLs count by their last `Type/id`; versions are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from service.domain.person import PatientIdentifier, normalise_identifier
from service.ingest.fhir_r4.shapes import Identifier, Reference

_TYPE_ID = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([^\s/#|?]{1,120})(?:/_history/[^/]*)?$")
_PLAIN = re.compile(r"[A-Z][A-Za-z]+/[^\s/#|?]{1,120}")
_CONDITIONAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)\?identifier=([^&]+)$")


def logical(system: str | None, value: str) -> str:
    """The name of what is known by an identifier only."""
    return f"identifier|{(system or '').strip()}|{value.strip()}"


def bearing(given: PatientIdentifier) -> str | None:
    """The name under which whoever bears the identifier is looked for: the same for every way to write a number that
    names one person by law. None without a system: then it says nobody's."""
    person = normalise_identifier(given.system, given.value, given.type)
    if person is not None and person.strong:
        return logical(f"urn:testonce:identifier:{person.kind.value}", person.value)
    return logical(given.system, given.value) if given.system.strip() else None


def split_logical(target: str) -> Identifier | None:
    """The identifier that a logical target names, if it is one."""
    if not target.startswith("identifier|"):
        return None
    system, _, value = target.removeprefix("identifier|").rpartition("|")
    return Identifier(system=system, value=value)


def target_of(reference: Reference | None, kind: str, links: Mapping[str, str]) -> str | None:
    """What `reference` points to, None when it says nothing.

    `kind` is the type expected at this place: an unresolved `urn:uuid:` is taken for one of it, so that parts which
    arrive in another file under the same uuid are found. `links` maps the document's fullUrls to refs.
    """
    if reference is None:
        return None
    text = reference.reference
    if text:
        if text in links:
            return links[text]
        if _PLAIN.fullmatch(text):
            return text
        text = text.strip()
        if text.startswith("#"):
            return text
        if text.startswith(("urn:uuid:", "urn:oid:")):
            return f"{kind}/{text.rsplit(':', 1)[1]}"
        if found := _TYPE_ID.search(text):
            return f"{found[1]}/{found[2]}"
        if found := _CONDITIONAL.search(text):
            system, bar, value = unquote(found[2]).rpartition("|")
            return logical(system if bar else "", value)
        if re.fullmatch(r"[A-Za-z0-9.\-]{1,64}", text):  # a bare id, as some exports write it
            return f"{kind}/{text}"
    if reference.identifier and reference.identifier.value:
        return logical(reference.identifier.system, reference.identifier.value)
    return None
