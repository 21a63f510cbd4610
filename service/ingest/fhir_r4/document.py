"""From the bytes of a FHIR document to its resources, each with its place and its exact bytes.

A document is one resource, a Bundle of any type (FHIR R4 bundle.html), nested Bundles too, or lines of those
(NDJSON). One bad entry or line never costs its neighbours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw, Struct

from service.ingest.fhir_r4.bad_entries import blank_bad_entries
from service.ingest.fhir_r4.shapes import SHAPES
from service.ingest.strict_json import BadJson, check_keys, read_strictly, refuse, start_of_text

MAX_RESOURCE = 32 * 1024 * 1024
"""Bytes; a larger resource is an attachment that lost its way."""

_MAX_NESTED_BUNDLES = 4
_ID = re.compile(r"[^\s/#|?]{1,120}")
_TAIL = re.compile(r"(?:^|/)([A-Za-z]+)/([^\s/#|?]{1,120})(?:/_history/[^/]+)?$")


@dataclass(slots=True)
class Located:
    """A resource of a type that is used: `ref` (`Type/id`), where it stands, its bytes (None: deleted). `links` is what
    the document around it calls its neighbours; `modified_at` when a history says that this version came to be, as
    written."""

    type: str
    ref: str
    place: str
    start: int
    length: int
    raw: bytes | None
    links: dict[str, str]
    modified_at: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that cannot be used: where, a stable code, why, and the resource type and its `ref` when they are
    known."""

    place: str
    code: str
    reason: str
    type: str = "-"
    ref: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that is not needed, and why."""

    type: str
    reason: str


@dataclass(slots=True)
class FhirDocument:
    """All that stands in a document."""

    resources: list[Located] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)


class _Peek(Struct, gc=False):
    resourceType: str | None = None  # noqa: N815
    id: str | int | None = None


class _Entry(Struct, gc=False):
    resource: Raw = Raw(b"")


class _Bundle(Struct):
    entry: list[_Entry] | None = None


class _RawBundle(Struct):
    entry: list[Raw] | None = None


_peek = msgspec.json.Decoder(_Peek).decode
_bundle = msgspec.json.Decoder(_Bundle).decode
_raw_bundle = msgspec.json.Decoder(_RawBundle).decode
_entry = msgspec.json.Decoder(_Entry).decode


def read_json(body: bytes) -> FhirDocument:
    """Reads one resource or Bundle. What makes the whole unreadable is a problem of the document, or of those entries
    of a Bundle that alone cannot be read."""
    try:
        return _read_whole(body, [])
    except BadJson as error:
        rest, bad = blank_bad_entries(body)
        problems = [Problem(f"Bundle.entry[{number}]", one.code, one.reason) for number, one in bad]
        try:
            if problems:
                return _read_whole(rest, problems)
        except BadJson:
            pass
        return FhirDocument(problems=[Problem(error.place or "document", error.code, error.reason)])


def _read_whole(body: bytes, problems: list[Problem]) -> FhirDocument:
    found = FhirDocument(problems=problems)
    start = start_of_text(body)
    _read_resource(found, body, start, len(body) - start, None, None, {}, 0)
    return found


def read_lines(body: bytes, first_line: int = 1) -> FhirDocument:
    """Reads NDJSON, each line on its own; places name the line, the first being `first_line`."""
    found = FhirDocument()
    start = 0
    for number, line in enumerate(body.split(b"\n"), first_line):
        if line.strip(b" \t\r\xef\xbb\xbf"):
            try:
                skip = start_of_text(line)
                _read_resource(found, body, start + skip, len(line) - skip, f"line {number}", None, {}, 0)
            except BadJson as error:
                here = f"line {number}"
                place = error.place if error.place.startswith(here) else f"{here} {error.place}".strip()
                found.problems.append(Problem(place, error.code, error.reason))
        start += len(line) + 1
    return found


def _read_resource(
    found: FhirDocument, body: bytes, start: int, length: int,
    place: str | None, full_url: str | None, links: dict[str, str], depth: int,
) -> None:  # fmt: skip
    raw = body[start : start + length]
    try:
        peek = _peek(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        refuse(error)
    kind = peek.resourceType
    if not kind:
        raise BadJson("not-a-resource", "no resourceType: a FHIR resource names its type", place or "")
    here = place or kind
    named = f"{kind}/{peek.id}" if _ID.fullmatch(str(peek.id or "")) else ""
    if kind == "Bundle":
        if depth >= _MAX_NESTED_BUNDLES:
            raise BadJson("too-deep", f"Bundles nested more than {_MAX_NESTED_BUNDLES} deep", here)
        _read_bundle(found, body, start, raw, here, depth)
    elif kind not in SHAPES:
        found.ignored.append(Ignored(kind, "type-not-used"))
    elif length > MAX_RESOURCE:
        found.problems.append(
            Problem(here, "too-large", f"{length} bytes; at most {MAX_RESOURCE} are read", kind, named)
        )
    else:
        try:
            check_keys(raw)
            ref = _ref(kind, peek.id, full_url, raw)
        except BadJson as error:
            found.problems.append(Problem(here + error.place, error.code, error.reason, kind, named))
            return
        if full_url:
            links[full_url] = ref
        found.resources.append(Located(kind, ref, here, start, length, raw, links))


def _read_bundle(found: FhirDocument, body: bytes, start: int, raw: bytes, place: str, depth: int) -> None:
    entries, bad = _entries(raw, place)
    found.problems.extend(bad)
    slices = list(_locate(raw, entries))
    skeleton = _skeleton(raw, slices)
    links: dict[str, str] = {}
    described = skeleton.get("entry") or []
    for n, (at, length) in enumerate(slices):
        about = described[n] if isinstance(described[n], dict) else {}
        here = f"{place}.entry[{n}]"
        reason = _not_a_resource(about, length)
        if _is_delete(about):
            _read_delete(found, about, start, raw, here, links)
        elif reason:
            found.ignored.append(Ignored("entry", reason))
        elif length:
            known = len(found.resources)
            try:
                url = _url_of(about)
                _read_resource(found, body, start + at, length, f"{here}.resource", url, links, depth + 1)
                if (when := _modified(about)) and len(found.resources) > known:
                    found.resources[-1].modified_at = when
            except BadJson as error:
                problem_place = error.place if error.place.startswith(here) else f"{here}.resource{error.place}"
                found.problems.append(Problem(problem_place, error.code, error.reason))


def _entries(raw: bytes, place: str) -> tuple[list[Raw], list[Problem]]:
    """The raw resource of each entry, empty where there is none or the entry is no object."""
    try:
        return [one.resource for one in _bundle(raw).entry or ()], []
    except RecursionError as error:
        refuse(error)
    except msgspec.DecodeError:
        pass  # some entry has a wrong type: take them one by one
    try:
        given = _raw_bundle(raw).entry or []
    except msgspec.DecodeError:
        raise BadJson("wrong-type", "Expected `array`: Bundle.entry is a list", f"{place}.entry") from None
    found, bad = [], []
    for n, one in enumerate(given):
        try:
            found.append(_entry(one).resource)
        except msgspec.DecodeError:
            found.append(Raw(b""))
            bad.append(Problem(f"{place}.entry[{n}]", "wrong-type", "Expected `object`: an entry is a JSON object"))
    return found, bad


def _locate(raw: bytes, entries: list[Raw]) -> Iterator[tuple[int, int]]:
    """Where each entry's resource stands. The first equal bytes at or after the last one found are it, or a copy."""
    position = 0
    for one in entries:
        wanted = bytes(one)
        length = len(wanted)
        if not length:
            yield position, 0
            continue
        head = wanted[:60]
        at = raw.find(head, position)
        while raw[at : at + length] != wanted:
            at = raw.find(head, at + 1)
        yield at, length
        position = at + length


def _skeleton(raw: bytes, slices: list[tuple[int, int]]) -> dict[str, Any]:
    """The Bundle without its resources, read strictly: a second `entry` or `resource` key would hide resources."""
    pieces, position = [], 0
    for at, length in slices:
        if length:
            pieces += [raw[position:at], b"0"]
            position = at + length
    pieces.append(raw[position:])
    skeleton: dict[str, Any] = read_strictly(b"".join(pieces))
    return skeleton


def _not_a_resource(about: dict[str, Any], length: int) -> str | None:
    search = about.get("search")
    if isinstance(search, dict) and search.get("mode") == "outcome":
        return "search-outcome"
    return None if length or not about else "no-resource"


def _is_delete(about: dict[str, Any]) -> bool:
    request = about.get("request")
    return isinstance(request, dict) and request.get("method") == "DELETE"


def _read_delete(
    found: FhirDocument, about: dict[str, Any], start: int, raw: bytes, place: str, links: dict[str, str]
) -> None:
    """A deletion, in a history or a transaction (FHIR R4 http.html#history): a version without content."""
    url = about["request"].get("url") or about.get("fullUrl")
    match = _TAIL.search(url) if isinstance(url, str) else None
    if match is None:
        reason = "DELETE names no single resource; expected request.url as Type/id"
        found.problems.append(Problem(f"{place}.request.url", "delete-unclear", reason))
    elif match[1] not in SHAPES:
        found.ignored.append(Ignored(match[1], "type-not-used"))
    else:
        deleted = Located(match[1], f"{match[1]}/{match[2]}", place, start, 0, None, links)
        deleted.modified_at = _modified(about)
        found.resources.append(deleted)


def _modified(about: dict[str, Any]) -> str | None:
    response = about.get("response")
    when = response.get("lastModified") if isinstance(response, dict) else None
    return when if isinstance(when, str) else None


def _url_of(about: dict[str, Any]) -> str | None:
    """fullUrl, else where the entry asks to be put."""
    request = about.get("request")
    put = request.get("url") if isinstance(request, dict) and request.get("method") == "PUT" else None
    url = about.get("fullUrl") or put
    return url if isinstance(url, str) else None


def _ref(kind: str, given: str | int | None, full_url: str | None, raw: bytes) -> str:
    """`Type/id`: the resource's own id, else what fullUrl ends with, else a name made of its content."""
    if given is not None:
        text = str(given).removeprefix(f"{kind}/")
        if not _ID.fullmatch(text):
            raise BadJson("bad-id", "an id of 1 to 120 characters without blanks, / # | or ? is expected", ".id")
        return f"{kind}/{text}"
    if full_url:
        tail = re.split(r"[/:]", full_url)[-1]
        if _ID.fullmatch(tail):
            return f"{kind}/{tail}"
    return f"{kind}/~{hashlib.sha256(raw).hexdigest()[:32]}"
