"""From the bytes of an NDJSON file to records, each line in the very bytes in which it came."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw, Struct

from adapters.fhir.pages import ID, REFERENCE_END
from adapters.fhir_bulk.manifest import ExportFile, Section
from service.ingest.fhir_r4.shapes import SHAPES
from service.ingest.source import FHIR_JSON, RawRecord

EXPORT_ERROR = "export-error"
"""The code of a record that tells of something the server could not export."""

_KEPT_OF_LARGE = 64 * 1024
_BLANK = b" \t\r\xef\xbb\xbf"  # a byte order mark may stand before the first line
_NAME = re.compile(r"[A-Za-z]{1,40}")
_CODE = re.compile(r"[a-z-]{1,40}")


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end and the blanks around it; only the beginning of one with more bytes (`size`) than are
    read."""

    number: int
    body: bytes
    size: int


@dataclass(slots=True)
class Taken:
    """What lines gave: records, and what is not needed by reason."""

    records: list[RawRecord] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How much there is of both."""
        return len(self.records) + sum(self.ignored.values())

    def ignore(self, reason: str) -> None:
        """Counts what is not needed."""
        self.ignored[reason] = self.ignored.get(reason, 0) + 1


def split_lines(chunks: Iterator[bytes], most: int) -> Iterator[Line]:
    """The lines of a file, counted from 1; of a line longer than `most` bytes no more than that is held."""
    held: list[bytes] = []
    size = number = 0
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            number += 1
            if size <= most:
                held.append(chunk[start:end])
            yield _line(number, held, size + end - start, most)
            held, size, start = [], 0, end + 1
        if size <= most:
            held.append(chunk[start:])
        size += len(chunk) - start
    if size:
        yield _line(number + 1, held, size, most)


def _line(number: int, held: list[bytes], size: int, most: int) -> Line:
    body = b"".join(held) if len(held) > 1 else held[0]
    return Line(number, body[:_KEPT_OF_LARGE] if size > most else body.strip(_BLANK), size)


class _Peek(Struct, rename="camel"):
    resource_type: str | None = None
    id: str | int | None = None


class _Issue(Struct):
    severity: str = ""
    code: str = ""


class _Outcome(Struct, rename="camel"):
    resource_type: str = ""
    issue: list[_Issue] = []


class _Bundle(Struct, rename="camel"):
    resource_type: str = ""
    entry: list[Raw] = []


class _Request(Struct):
    method: str = ""
    url: str = ""


class _Entry(Struct):
    request: _Request


_peek = msgspec.json.Decoder(_Peek).decode
_outcome = msgspec.json.Decoder(_Outcome).decode
_bundle = msgspec.json.Decoder(_Bundle).decode
_entry = msgspec.json.Decoder(_Entry).decode


def take_line(taken: Taken, line: Line, file: ExportFile, most: int) -> int:
    """Adds what a line of the file gives, and tells how much that was. Whatever cannot be used is a record with its
    problem: kept, never dropped."""
    before = taken.count
    _take_line(taken, line, file, most)
    return taken.count - before


def _take_line(taken: Taken, line: Line, file: ExportFile, most: int) -> None:
    if line.size > most:
        reason = f"a line of {line.size} bytes; at most {most} are read: raise the source's record_bytes"
        taken.records.append(_unusable(line, file.type, "too-large", reason))
        return
    take = {Section.OUTPUT: _take_resource, Section.DELETED: _take_deletions, Section.ERROR: _take_outcome}
    try:
        take[file.section](taken, line, file.type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        taken.records.append(_unusable(line, file.type, *_why(error)))


def _why(error: Exception) -> tuple[str, str]:
    if isinstance(error, msgspec.ValidationError):
        return "wrong-type", "an element of the line that must be text, a list or an object is none"
    if isinstance(error, RecursionError):
        return "too-deep", "objects or arrays are nested too deep to be read"
    return "not-json", "the line is no JSON in UTF-8"


def _unusable(line: Line, kind: str, code: str, reason: str) -> RawRecord:
    """Known by its bytes: an id that stands in it may be that of a good record, which must not be taken for known."""
    name = kind if _NAME.fullmatch(kind) else "line"
    return RawRecord(
        f"{name}/~{hashlib.sha256(line.body).hexdigest()[:32]}", FHIR_JSON, line.body, problem=(code, reason)
    )


def _take_resource(taken: Taken, line: Line, kind: str) -> None:
    line.body.decode()  # FHIR JSON is UTF-8; msgspec looks at the elements it reads only
    peek = _peek(line.body)
    name = "" if peek.id is None else str(peek.id)
    if peek.resource_type != kind:
        found = peek.resource_type or ""
        told = found if _NAME.fullmatch(found) else "no resource"
        taken.records.append(_unusable(line, kind, "wrong-file", f"{told} stands in a file announced as {kind}"))
    elif not ID.fullmatch(name):
        reason = "a resource of an export has an id of 1 to 64 characters"
        taken.records.append(_unusable(line, kind, "bad-id", reason))
    else:
        taken.records.append(RawRecord(f"{kind}/{name}", FHIR_JSON, line.body))


def _take_deletions(taken: Taken, line: Line, kind: str) -> None:
    """A transaction Bundle of DELETE entries; each entry is what the source says of one deletion."""
    bundle = _bundle(line.body)
    if bundle.resource_type != "Bundle":
        taken.records.append(_unusable(line, "Bundle", "wrong-file", "a file of deletions holds Bundles"))
        return
    for raw in bundle.entry:
        entry = Line(line.number, bytes(raw), len(raw))
        try:
            request = _entry(raw).request
        except msgspec.ValidationError as error:
            taken.records.append(_unusable(entry, "Bundle", *_why(error)))
            continue
        match = REFERENCE_END.search(request.url)
        if request.method != "DELETE" or match is None:
            reason = "an entry of a file of deletions is no DELETE of one resource (Type/id)"
            taken.records.append(_unusable(entry, "Bundle", "delete-unclear", reason))
        elif match[1] not in SHAPES:
            taken.ignore("type-not-used")
        else:
            taken.records.append(RawRecord(f"{match[1]}/{match[2]}", FHIR_JSON, bytes(raw), is_deletion=True))


def _take_outcome(taken: Taken, line: Line, kind: str) -> None:
    """What the server could not export. It is not told which resource: that is for those who may open the record."""
    issues = _outcome(line.body).issue
    worst = [one for one in issues if one.severity != "information"]
    if issues and not worst:
        taken.ignore("export-information")
        return
    codes = sorted({one.code for one in worst if _CODE.fullmatch(one.code)})
    reason = f"the server could not export something ({', '.join(codes) or 'no code'}); its own log says what"
    taken.records.append(_unusable(line, "OperationOutcome", EXPORT_ERROR, reason))
