"""The newest resources as a report's assembly sees them, following references and remembering what was asked for.

Every target asked for is remembered, found or not: when it arrives or changes, the report is assembled again. That is
why neither the order of files nor how they are cut changes what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from service.domain.person import PatientIdentifier
from service.ingest.fhir_r4.references import bearing, split_logical, target_of
from service.ingest.fhir_r4.shapes import SHAPES, Reference, Resource
from service.ingest.port import StoredResource

R = TypeVar("R", bound=Resource)

DECODERS: dict[str, msgspec.json.Decoder[Resource]] = {
    name: msgspec.json.Decoder(shape) for name, shape in SHAPES.items()
}


@dataclass(slots=True)
class Newest:
    """The newest version of a resource. `resource` is None when it was deleted. `links` maps the fullUrls of its
    document to refs. `holder` is the resource that contains it, if any."""

    ref: str
    resource: Resource | None
    links: Mapping[str, str]
    stored: StoredResource | None = None
    holder: Newest | None = None


Find = Callable[[str], Newest | None]
Named = Callable[[str, str], list[str]]
Bearer = Callable[[str], str | None]

NAMED = ("Observation", "Specimen")
"""Types that a reference may name by their identifier only (FHIR R4 references.html#logical)."""


@dataclass(slots=True)
class View:
    """Follows references from one root. `targets` are the refs asked for so far; `named` gives the resources of a
    type of `NAMED` that have an identifier, `bearer` the one Patient who bears it (`bearing`)."""

    find: Find
    targets: set[str] = field(default_factory=set)
    named: Named | None = None
    bearer: Bearer | None = None

    def key(self, owner: Newest, reference: Reference | None, kind: str) -> str | None:
        """What the reference of `owner` points to; a contained resource is named by its holder's ref."""
        target = target_of(reference, kind, owner.links)
        if target is not None and target.startswith("#"):
            return (owner.holder or owner).ref + target
        if target is not None and self.named and kind in NAMED and target.startswith("identifier|"):
            refs = self.named(target, kind)
            self.targets.update((target, *refs))
            if len(refs) == 1:
                return refs[0]
            for one in refs:  # none is meant for sure; but none may stand alone, so what is known of them is needed
                self.find(one)
        if target is not None and self.bearer and kind == "Patient" and target.startswith("identifier|"):
            return self._borne(self.bearer, reference, target) or target
        return target

    def _borne(self, bearer: Bearer, reference: Reference | None, target: str) -> str | None:
        """The Patient whom a logical target means, if that is one for sure."""
        told = reference.identifier if reference and reference.identifier else split_logical(target)
        if told is None or not told.value:
            return None
        name = bearing(PatientIdentifier((told.system or "").strip(), told.value.strip(), told.type_code or ""))
        if name is None:
            return None
        self.targets.add(name)
        return bearer(name)

    def follow(self, owner: Newest, reference: Reference | None, shape: type[R]) -> tuple[Newest, R] | None:
        """The resource of type `shape` that the reference points to; None when it is not known (yet), deleted, or of
        another type."""
        target = self.key(owner, reference, shape.__name__)
        if target is None or target.startswith("identifier|"):
            return None
        if "#" in target:
            found = contained(owner.holder or owner, target.partition("#")[2])
        else:
            self.targets.add(target)
            found = self.find(target)
        if found is None or not isinstance(found.resource, shape):
            return None
        return found, found.resource


class _Head(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815
    id: str | None = None


_head = msgspec.json.Decoder(_Head).decode


def contained(holder: Newest, local_id: str) -> Newest | None:
    """The resource of that id that `holder` contains; None when there is none that can be read."""
    for raw in (holder.resource.contained or ()) if holder.resource else ():
        try:
            head = _head(raw)
            if (head.id or "").removeprefix("#") == local_id and head.resourceType in DECODERS:
                resource = DECODERS[head.resourceType].decode(raw)
                return Newest(f"{holder.ref}#{local_id}", resource, holder.links, holder.stored, holder)
        except msgspec.DecodeError:
            continue
    return None
