"""From the bytes of a search's answer to its resources, each in the very bytes in which it came (FHIR R4 bundle)."""

from __future__ import annotations

import bisect
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

import msgspec
from msgspec import Raw, Struct

from service.domain.times import parse_when
from service.ingest.fhir_r4.bad_entries import blank_bad_entries
from service.ingest.fhir_r4.shapes import SHAPES
from service.ingest.source import FHIR_JSON, Fatal, RawRecord, Retriable
from service.ingest.strict_json import BadJson, check_own_keys, refuse, start_of_text

ID = re.compile(r"[^\s/#|?]{1,120}")
"""An id as servers give it: not all keep to FHIR's own form (datatypes.html#id)."""
REFERENCE_END = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([^\s/#|?]{1,120})(?:/_history/[^/]+)?$")
"""Where a reference or a URL ends in `Type/id`, or in a version of it."""
_NUMBER = re.compile(r'(?:^|["/])(\d{1,18})"?$')
OLDEST_YEAR = 1900
"""No record was kept before; a time that is earlier is a clock's mistake."""
_TEMPORARY = {"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled", "processing"}
_NO_ACCESS = {"security", "login", "unknown", "expired", "forbidden", "suppressed"}


@dataclass(frozen=True, slots=True)
class Row:
    """One resource of a page: its record, whether it is what was searched for (or came along with it), when it was
    last updated as its server says, and, in a history, how it came to be (`POST`, `PUT`, `DELETE`) and the number of
    its version, where that is a number."""

    record: RawRecord
    type: str
    is_match: bool = True
    updated_at: datetime | None = None
    method: str = ""
    version: int | None = None


@dataclass(slots=True)
class Page:
    """One page: its rows, what is not needed by reason, and its links. `next` None: it is the last."""

    rows: list[Row] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    next: str | None = None
    self: str = ""
    total: int | None = None

    def ignore(self, reason: str) -> None:
        """Counts what is not needed."""
        self.ignored[reason] = self.ignored.get(reason, 0) + 1


class _Link(Struct):
    relation: str | None = None
    url: str | None = None


class _Issue(Struct):
    severity: str | None = None
    code: str | None = None


class _Bundle(Struct, rename={"resource_type": "resourceType"}):
    resource_type: str | None = None
    total: int | float | str | None = None
    link: list[_Link] | None = None
    entry: list[Raw] | None = None
    issue: list[_Issue] | None = None


class _Search(Struct):
    mode: str | None = None


class _Request(Struct):
    method: str | None = None
    url: str | None = None


class _Response(Struct, rename={"last_modified": "lastModified"}):
    last_modified: str | None = None
    etag: str | None = None


class _Entry(Struct, rename={"full_url": "fullUrl"}):
    full_url: str | None = None
    resource: Raw = Raw(b"")
    search: _Search | None = None
    request: _Request | None = None
    response: _Response | None = None


class _Meta(Struct, rename={"last_updated": "lastUpdated", "version_id": "versionId"}):
    last_updated: str | None = None
    version_id: str | int | None = None


class _Peek(Struct, rename={"resource_type": "resourceType"}):
    resource_type: str | None = None
    id: str | int | None = None
    meta: _Meta | None = None
    issue: list[_Issue] | None = None


_bundle = msgspec.json.Decoder(_Bundle).decode
_entry = msgspec.json.Decoder(_Entry).decode
_peek = msgspec.json.Decoder(_Peek).decode


def read_page(body: bytes, asked: str, zone: tzinfo) -> Page:
    """Reads a searchset or history of the type `asked`; times without an offset are local to `zone`.

    A bad entry is a row with its problem and costs no neighbour. Raises Retriable `unreadable-answer` and
    `incomplete-answer`, Fatal `not-fhir`, `unauthorised`, `refused`, also for an OperationOutcome in a 200."""
    bundle, broken = _read_bundle(body, asked)
    if len({link.url for link in bundle.link or () if link.relation == "next" and link.url}) > 1:
        raise Retriable("unreadable-answer", f"the answer to a search of {asked} has two next links")
    if bundle.resource_type == "OperationOutcome":
        raise error_of(bundle.issue or [], asked)
    if bundle.resource_type != "Bundle":
        raise Fatal("not-fhir", f"a search of {asked} was answered by something that is no Bundle")
    page = Page(total=bundle.total if isinstance(bundle.total, int) else None)
    for link in bundle.link or ():
        if link.relation == "next" and link.url:
            page.next = link.url
        elif link.relation == "self":
            page.self = link.url or ""
    for n, raw in enumerate(bundle.entry or ()):
        if n in broken:
            page.rows.append(_unusable(*broken[n], asked))
        else:
            _read_entry(page, bytes(raw), asked, zone)
    return page


def read_resource(body: bytes, asked: str, zone: tzinfo) -> Row:
    """The answer to a read of `asked` (`Type/id`) as a row; one with a problem where it is something else."""
    kind = asked.partition("/")[0]
    page = Page()
    try:
        start = start_of_text(body)
        _read_entry(page, b'{"resource":%b}' % body[start:].strip(), kind, zone)
    except BadJson as error:
        return Row(RawRecord(asked, FHIR_JSON, body, problem=(error.code, error.reason)), kind)
    (row,) = page.rows or [Row(RawRecord("", FHIR_JSON, body), "")]
    if row.record.key == asked:
        return row
    problem = row.record.problem or ("other-record", "the server answered a read with another resource")
    return Row(RawRecord(asked, FHIR_JSON, body, problem=problem), kind)


def error_of(issues: list[_Issue], asked: str) -> Retriable | Fatal:
    """What an OperationOutcome means. Its texts may quote a patient: only its codes are told (FHIR R4 issue-type)."""
    codes = [one.code for one in issues if one.severity in ("error", "fatal") and one.code]
    told = f"the server answered a search of {asked} with an OperationOutcome"
    known = sorted(code for code in codes if re.fullmatch(r"[a-z-]{1,40}", code))
    told += f" ({', '.join(known)})" if known else ""
    if set(codes) & _NO_ACCESS:
        return Fatal("unauthorised", f"{told}; check the credentials and rights of the source")
    if codes and not set(codes) & _TEMPORARY:
        return Fatal("refused", f"{told}; compare the question with its documentation")
    return Retriable("incomplete-answer", told)


def _read_bundle(body: bytes, asked: str) -> tuple[_Bundle, dict[int, tuple[bytes, BadJson]]]:
    """The Bundle, and those of its entries that are no JSON, by number."""
    try:
        return _whole(body[start_of_text(body) :]), {}
    except (BadJson, msgspec.DecodeError, RecursionError):
        if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
            raise Fatal(
                "not-fhir", f"a search of {asked} was answered in XML or HTML; JSON is read: does address lead to a "
                "FHIR server, and does it speak application/fhir+json?",
            ) from None  # fmt: skip
    rest, bad = blank_bad_entries(body)
    try:
        bundle = _whole(rest[start_of_text(rest) :])
    except (BadJson, msgspec.DecodeError, RecursionError) as error:
        text = f"the answer to a search of {asked} is no JSON that can be read, or ends too early: {_why(error)}"
        raise Retriable("unreadable-answer", text) from None
    pieces = _blanked(body, rest, len(bad))
    return bundle, {n: (piece, error) for (n, error), piece in zip(bad, pieces, strict=True)}


def _why(error: Exception) -> str:
    """What is wrong, and where; nothing of what stands there."""
    try:
        refuse(error)
    except BadJson as told:
        return f"{told.reason} ({told.place})" if told.place else told.reason


def _whole(text: bytes) -> _Bundle:
    """The Bundle. Raises BadJson where one of its own keys stands twice: of two lists of entries a reader sees one."""
    bundle = _bundle(text)
    frame = text
    if bundle.entry:
        first, last = bytes(bundle.entry[0]), bytes(bundle.entry[-1])
        if text.count(b'"entry"') == 1:  # else entries hold some, or the other list stands in between
            frame = text[: text.find(first)] + text[text.rfind(last) + len(last) :]
    check_own_keys(frame)
    return bundle


def _blanked(body: bytes, rest: bytes, number: int) -> Iterator[bytes]:
    """The pieces of `body` that are `{}` and blanks in `rest`."""
    position = 0
    for _ in range(number):
        start = position
        same = lambda end: body[start:end] != rest[start:end]  # noqa: B023, E731 - used within this turn only
        start = bisect.bisect_left(range(len(body) + 1), True, start + 1, key=same) - 2  # `{` is the same in both
        end = start + 2
        while rest[end : end + 1] == b" ":
            end += 1
        position = end
        yield body[start:end].rstrip()


def _read_entry(page: Page, raw: bytes, asked: str, zone: tzinfo) -> None:
    try:
        entry = _entry(raw)
    except (msgspec.DecodeError, RecursionError):
        problem = BadJson("wrong-type", "an entry of a Bundle is an object with a resource")
        page.rows.append(_unusable(raw, problem, asked))
        return
    method = (entry.request.method or "") if entry.request else ""
    if method == "DELETE":
        _read_deletion(page, raw, entry, zone)
        return
    body = bytes(entry.resource)
    if not body:
        page.ignore("no-resource")
        return
    if raw.count(b'"resource"') > 1 and raw.replace(body, b"", 1).count(b'"resource"') > 1:
        problem = BadJson("duplicate-key", "an entry has two resources; which one counts is unsure")
        page.rows.append(_unusable(raw, problem, asked, entry))
        return
    try:
        peek = _peek(body)
    except (msgspec.DecodeError, RecursionError):
        page.rows.append(_unusable(body, BadJson("wrong-type", "resourceType, id or meta is no text"), asked, entry))
        return
    mode = entry.search.mode if entry.search else None
    if peek.resource_type == "OperationOutcome":
        if any(one.severity in ("error", "fatal") for one in peek.issue or ()):
            raise error_of(peek.issue or [], asked)
        page.ignore("search-outcome")
    elif peek.resource_type not in SHAPES:
        page.ignore("type-not-used")
    else:
        page.rows.append(_row(body, peek, entry, mode, asked, zone, method))


def _row(body: bytes, peek: _Peek, entry: _Entry, mode: str | None, asked: str, zone: tzinfo, method: str) -> Row:
    kind = peek.resource_type or asked
    name = str(peek.id) if peek.id is not None else _name_in(entry.full_url, kind)
    if not ID.fullmatch(name):
        told = "its id cannot be used: it has blanks, / # | or ?, or more than 120 characters"
        return _unusable(body, BadJson("bad-id", told), kind)
    stamp = peek.meta.last_updated if peek.meta else None
    if stamp is None and method and entry.response:
        stamp = entry.response.last_modified
    record = RawRecord(f"{kind}/{name}", FHIR_JSON, body)
    version = _version(str(peek.meta.version_id)) if peek.meta else None
    return Row(record, kind, mode != "include" and kind == asked, read_stamp(stamp, zone), method, version)


def _read_deletion(page: Page, raw: bytes, entry: _Entry, zone: tzinfo) -> None:
    """A deletion in a history: the entry itself is what the source says of it (FHIR R4 http.html#history)."""
    url = (entry.request.url if entry.request else None) or entry.full_url or ""
    match = REFERENCE_END.search(url)
    if match is None:
        problem = BadJson("delete-unclear", "DELETE names no single resource; expected request.url as Type/id")
        page.rows.append(replace(_unusable(raw, problem, "Bundle"), method="DELETE"))
    elif match[1] not in SHAPES:
        page.ignore("type-not-used")
    else:
        stamp = entry.response.last_modified if entry.response else None
        record = RawRecord(f"{match[1]}/{match[2]}", FHIR_JSON, raw, is_deletion=True)
        version = _version(url) if "/_history/" in url else _version(entry.response.etag if entry.response else None)
        page.rows.append(Row(record, match[1], True, read_stamp(stamp, zone), "DELETE", version))


def _unusable(body: bytes, error: BadJson, kind: str, entry: _Entry | None = None) -> Row:
    """A row that is kept and rejected. Without an id it is known by its bytes."""
    name = _name_in(entry.full_url, kind) if entry else ""
    key = f"{kind}/{name}" if ID.fullmatch(name) else f"{kind}/~{hashlib.sha256(body).hexdigest()[:32]}"
    return Row(RawRecord(key, FHIR_JSON, body, problem=(error.code, error.reason)), kind)


def _name_in(url: str | None, kind: str) -> str:
    match = REFERENCE_END.search(url or "")
    return match[2] if match and match[1] == kind else ""


def _version(text: str | None) -> int | None:
    """The number a version id, its URL or its ETag (`W/"3"`) ends with."""
    match = _NUMBER.search(text or "")
    return int(match[1]) if match else None


def read_stamp(text: str | None, zone: tzinfo) -> datetime | None:
    """When something was last updated; None where it is not said, not to be read, or before any record was kept: from
    such a time no overlap can be taken."""
    if not text:
        return None
    try:
        found = parse_when(text, zone).start
    except ValueError:
        return None
    return found if found.year >= OLDEST_YEAR else None
