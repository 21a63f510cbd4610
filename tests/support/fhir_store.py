"""What a fake FHIR server holds: resources in all their versions, and what a search finds (FHIR R4 search.html).

A body is kept as the text it was given in, so that digits and blanks go out as they came in; only `meta` is added.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from threading import RLock
from typing import Any

Params = Sequence[tuple[str, str]]

ELEMENTS = {
    "subject": "subject", "patient": "subject", "result": "result", "specimen": "specimen", "performer": "performer",
    "based-on": "basedOn", "has-member": "hasMember", "device": "device", "endpoint": "endpoint",
    "organization": "managingOrganization", "encounter": "encounter",
}  # fmt: skip
"""Search parameters that are references, with their elements."""

_DATES = {"date": ("effectiveDateTime", "dateTime"), "started": ("started",), "collected": ("collection",)}


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a resource; `body` None: deleted. `read` is the body as JSON values."""

    type: str
    id: str
    number: int
    at: datetime
    body: bytes | None
    read: dict[str, Any]
    has_meta: bool = True

    @property
    def ref(self) -> str:
        """`Type/id`."""
        return f"{self.type}/{self.id}"

    def sent(self, zone: tzinfo | None = None, with_meta: bool = True) -> bytes:
        """The body as a server sends it, with its `meta`; `zone`: times are local there, without an offset."""
        assert self.body is not None
        if not (self.has_meta and with_meta):
            return self.body
        meta = json.dumps({"versionId": str(self.number), "lastUpdated": written(self.at, zone)})
        return self.body.rstrip()[:-1] + f',"meta":{meta}}}'.encode()


class FhirStore:
    """Resources in memory. `now` says when a change happens that states no time of its own."""

    def __init__(self, now: Any) -> None:
        self._now = now
        self._lock = RLock()
        self._versions: dict[tuple[str, str], list[Version]] = {}
        self._newest: dict[str, dict[str, Version]] = {}
        self.changes = 0
        """Counts up with every change: what was found before may be found no more."""

    def put(self, resource: dict[str, Any] | str | bytes, at: datetime | None = None, has_meta: bool = True) -> str:
        """Stores a resource, or its next version, changed `at`; as text it goes out byte for byte. Gives its ref."""
        if isinstance(resource, dict):
            resource = json.dumps(resource, ensure_ascii=False)
        body = resource.encode() if isinstance(resource, str) else resource
        read = json.loads(body)
        return self._add(read["resourceType"], read["id"], at, body, read, has_meta).ref

    def put_raw(self, ref: str, body: bytes, at: datetime | None = None) -> None:
        """Stores bytes that need not be JSON, or UTF-8, under a name."""
        kind, _, name = ref.partition("/")
        self._add(kind, name, at, body, {}, False)

    def load(self, resources: Iterable[dict[str, Any]], at: datetime, step: timedelta = timedelta(0)) -> None:
        """Stores many, the first changed `at`, each next one `step` later."""
        for n, one in enumerate(resources):
            self.put(one, at + n * step)

    def delete(self, ref: str, at: datetime | None = None) -> None:
        """Deletes a resource: no search finds it any more."""
        kind, _, name = ref.partition("/")
        self._add(kind, name, at, None, {}, True)

    def _add(
        self, kind: str, name: str, at: datetime | None, body: bytes | None, read: dict[str, Any], has_meta: bool
    ) -> Version:
        with self._lock:
            versions = self._versions.setdefault((kind, name), [])
            version = Version(kind, name, len(versions) + 1, at or self._now(), body, read, has_meta)
            versions.append(version)
            newest = self._newest.setdefault(kind, {})
            newest.pop(name, None)
            if body is not None:
                newest[name] = version
            self.changes += 1
            return version

    def get(self, ref: str) -> Version | None:
        """The newest version, also when that is a deletion."""
        kind, _, name = ref.partition("/")
        versions = self._versions.get((kind, name))
        return versions[-1] if versions else None

    @property
    def types(self) -> list[str]:
        """The types there are or were."""
        return sorted({kind for kind, _ in self._versions})

    def refs(self, kind: str) -> set[str]:
        """What exists now of a type."""
        with self._lock:
            return {one.ref for one in self._newest.get(kind, {}).values()}

    def search(self, kind: str, params: Params) -> list[Version]:
        """What matches, in the order asked for; else in the order of arrival."""
        with self._lock:
            found = list(self._newest.get(kind, {}).values())
        for name, value in params:
            if name == "_lastUpdated":
                found = [one for one in found if _holds(one.at, value)]
            elif name == "_id":
                wanted = set(value.split(","))
                found = [one for one in found if one.id in wanted]
            elif name in _DATES:
                found = [one for one in found if _dated(one.read, _DATES[name], value)]
        for name, value in params:
            if name == "_sort" and value.lstrip("-") == "_lastUpdated":
                found.sort(key=lambda one: one.at, reverse=value.startswith("-"))
        return found

    def related(self, matches: Sequence[Version], params: Params) -> list[Version]:
        """What `_include` and `_revinclude` add to a page of matches."""
        found: dict[str, Version] = {}
        for name, value in params:
            kind, _, parameter = value.partition(":")
            parameter = parameter.partition(":")[0]
            if name == "_include":
                for match in matches:
                    if match.type == kind:
                        for ref in references(match.read, parameter):
                            target = self.get(ref)
                            if target is not None and target.body is not None:
                                found[ref] = target
            elif name == "_revinclude":
                wanted = {one.ref for one in matches}
                for one in self.search(kind, ()):
                    if wanted & set(references(one.read, parameter)):
                        found[one.ref] = one
        return [one for ref, one in found.items() if ref not in {match.ref for match in matches}]

    def history(self, kind: str, since: datetime | None) -> list[Version]:
        """All versions of a type since then, the newest first (FHIR R4 http.html#history)."""
        with self._lock:
            found = [one for (type_, _), all_ in self._versions.items() if type_ == kind for one in all_]
        found = [one for one in found if since is None or one.at >= since]
        return sorted(found, key=lambda one: (one.at, one.number), reverse=True)


def references(resource: dict[str, Any], parameter: str) -> list[str]:
    """The refs in the element of a search parameter."""
    given = resource.get(ELEMENTS.get(parameter, ""))
    listed = given if isinstance(given, list) else [given]
    return [one["reference"] for one in listed if isinstance(one, dict) and "reference" in one]


def written(at: datetime, zone: tzinfo | None = None) -> str:
    """A FHIR instant with milliseconds; in `zone` the local time without an offset, which is none."""
    if zone is not None:
        return at.astimezone(zone).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def read_time(text: str) -> datetime:
    """A point in time in a query; without an offset it is UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _holds(at: datetime, condition: str) -> bool:
    prefix, text = (condition[:2], condition[2:]) if condition[:2].isalpha() else ("eq", condition)
    wanted = read_time(text)
    tests = {"ge": at >= wanted, "gt": at > wanted, "le": at <= wanted, "lt": at < wanted, "eq": at == wanted}
    return tests[prefix]


def _dated(read: dict[str, Any], elements: Sequence[str], condition: str) -> bool:
    for name in elements:
        given = read.get(name)
        text = given.get("collectedDateTime") if isinstance(given, dict) else given
        if isinstance(text, str):
            return _holds(read_time(text), condition)
    return False
