"""What a server says it can do (FHIR R4 capabilitystatement.html). It may be wrong both ways, so what it claims is used
to choose, and what it refuses when asked is believed over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from service.ingest.source import Fatal


@dataclass(frozen=True, slots=True)
class TypeCapabilities:
    """What is offered for one resource type."""

    interactions: frozenset[str] = frozenset()  # read, search-type, history-type…
    parameters: frozenset[str] = frozenset()
    includes: frozenset[str] = frozenset()  # as `Observation:subject`

    def can_include(self, kind: str, parameter: str) -> bool:
        """Whether a search of `kind` may ask for what this parameter refers to."""
        return bool({"*", f"{kind}:*", f"{kind}:{parameter}", f"{kind}.{parameter}"} & self.includes)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server is, and what it offers by type."""

    version: str
    software: str = ""
    types: Mapping[str, TypeCapabilities] = field(default_factory=dict)


class _Code(Struct):
    code: str | None = None


class _Parameter(Struct):
    name: str | None = None


class _Resource(Struct, rename={"search_param": "searchParam", "search_include": "searchInclude"}):
    type: str | None = None
    interaction: list[_Code] | None = None
    search_param: list[_Parameter] | None = None
    search_include: list[str] | None = None


class _Rest(Struct, rename={"search_param": "searchParam"}):
    mode: str | None = None
    resource: list[_Resource] | None = None
    search_param: list[_Parameter] | None = None


class _Software(Struct):
    name: str | None = None
    version: str | None = None


class _Statement(Struct, rename={"resource_type": "resourceType", "fhir_version": "fhirVersion"}):
    resource_type: str | None = None
    fhir_version: str | None = None
    software: _Software | None = None
    rest: list[_Rest] | None = None


def read_capabilities(body: bytes) -> Capabilities:
    """Reads a CapabilityStatement. Raises Fatal `not-fhir`, or `wrong-version` for anything but FHIR R4 (4.0.x)."""
    try:
        statement = msgspec.json.decode(body, type=_Statement)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Fatal(
            "not-fhir",
            "metadata is no FHIR CapabilityStatement in JSON; address must be the FHIR base URL, as https://host/fhir",
        ) from None
    if statement.resource_type != "CapabilityStatement":
        raise Fatal("not-fhir", "metadata is no CapabilityStatement; address must be the FHIR base URL")
    version = statement.fhir_version or ""
    if not version.startswith("4.0"):
        raise Fatal(
            "wrong-version", f"the server speaks FHIR {version[:20] or '(not said)'}; R4 (4.0.x) is read: ask its "
            "vendor for the R4 base URL",
        )  # fmt: skip
    software = statement.software or _Software()
    name = " ".join(one[:80] for one in (software.name, software.version) if one)
    return Capabilities(version, name, dict(_types(statement)))


def _types(statement: _Statement) -> list[tuple[str, TypeCapabilities]]:
    found = []
    for rest in statement.rest or ():
        if rest.mode != "client":
            everywhere = {one.name for one in rest.search_param or () if one.name}
            found += [(one.type, _type(one, everywhere)) for one in rest.resource or () if one.type]
    return found


def _type(given: _Resource, everywhere: set[str]) -> TypeCapabilities:
    return TypeCapabilities(
        frozenset(one.code for one in given.interaction or () if one.code),
        frozenset(everywhere | {one.name for one in given.search_param or () if one.name}),
        frozenset(given.search_include or ()),
    )
