"""From the records of a batch to the documents that are kept: their bytes untouched, many small ones side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from service.ingest.source import DICOM_JSON, FHIR_JSON, RawRecord

_MOST_BYTES = 4 * 1024 * 1024
_KEPT_OF_LARGE = 64 * 1024
_HEAD = b'{"resourceType":"Bundle","type":"collection","entry":['


@dataclass(frozen=True, slots=True)
class Packed:
    """A document to keep: how it is read, its name, its bytes, how many records are in it, and the problem
    (`code|reason`) of a record that its adapter could not use. `apart`: the name under which equal bytes are another
    document, as a sign-in page is that came for two records."""

    media: str
    name: str
    body: bytes
    records: int = 1
    problem: str | None = None
    apart: str = ""


def pack(records: Sequence[RawRecord], source: str, times: Mapping[str, datetime] | None = None) -> list[Packed]:
    """The records as documents, in their order. FHIR resources stand in a collection Bundle with the bytes in which
    they came (a resource alone would cost a row and a seal each); all else is a document of its own.

    `times` says of keys since when that counts which their records say: of those that were gone and are there again as
    they were, and of deletions that tell no time."""
    found: list[Packed] = []
    waiting: list[bytes] = []
    size = 0

    def flush() -> None:
        nonlocal size
        if waiting:
            found.append(Packed(FHIR_JSON, source, _HEAD + b",".join(waiting) + b"]}", len(waiting)))
            waiting.clear()
            size = 0

    for one in records:
        entry = _entry(one, (times or {}).get(one.key)) if one.problem is None and one.media == FHIR_JSON else None
        if entry is None:
            flush()
            found.append(_alone(one, source))
            continue
        if waiting and size + len(entry) > _MOST_BYTES:
            flush()
        waiting.append(entry)
        size += len(entry)
    flush()
    return found


def too_large(record: RawRecord, most: int) -> RawRecord:
    """The record, or, where it is larger than `most` bytes, its beginning as one that cannot be used."""
    if len(record.body) <= most:
        return record
    problem = ("too-large", f"{len(record.body)} bytes; at most {most} are read: raise the source's record_bytes")
    return RawRecord(record.key, record.media, record.body[:_KEPT_OF_LARGE], False, problem)


def tombstones(keys: Mapping[str, datetime]) -> list[RawRecord]:
    """What complete listings name no more, as the deletions they are, each as of its time: of FHIR resources as a
    history says it (FHIR R4 http.html#history), of DICOM series as ingest reads it (`service.ingest.dicom`)."""
    return [_tombstone(key, at) for key, at in keys.items()]


def _tombstone(key: str, at: datetime) -> RawRecord:
    if key.startswith("series/"):
        body = msgspec.json.encode({"deleted": [key.removeprefix("series/")], "reason": "not-listed"})
        return RawRecord(key, DICOM_JSON, body, is_deletion=True)
    return RawRecord(key, FHIR_JSON, _deletion(key, at), is_deletion=True)


def _alone(one: RawRecord, source: str) -> Packed:
    problem = None if one.problem is None else "|".join(one.problem)
    body = one.body
    if problem and not body:  # for those who look at the document
        body = msgspec.json.encode({"key": one.key, "problem": problem})
    return Packed(one.media, f"{source}/{one.key}", body, 1, problem, one.key if problem else "")


def key_of(name: str, source: str) -> str:
    """The key of the record that a document of this name holds alone; "": it holds several."""
    return name.removeprefix(f"{source}/") if name.startswith(f"{source}/") else ""


def _entry(one: RawRecord, at: datetime | None) -> bytes | None:
    """The record as an entry of a Bundle; None where it is no JSON object: it would spoil its neighbours."""
    try:
        told = msgspec.json.decode(one.body, type=_Told)
    except (msgspec.DecodeError, RecursionError):
        return _deletion(one.key, at) if one.is_deletion else None
    if one.is_deletion:
        is_entry = told.request is not None and told.request.method == "DELETE"
        return one.body if is_entry and (at is None or _has_time(told)) else _deletion(one.key, at)
    if at is None:
        return b'{"resource":%b}' % one.body
    return b'{"resource":%b,"response":{"lastModified":"%b"}}' % (one.body, _instant(at).encode())


class _Request(msgspec.Struct):
    method: str | None = None


class _Response(msgspec.Struct, rename="camel"):
    last_modified: str | None = None


class _Told(msgspec.Struct):
    request: _Request | None = None
    response: _Response | None = None


def _has_time(told: _Told) -> bool:
    return bool(told.response and told.response.last_modified)


def _deletion(key: str, at: datetime | None = None) -> bytes:
    told: dict[str, object] = {"request": {"method": "DELETE", "url": key}}
    if at is not None:
        told["response"] = {"status": "204", "lastModified": _instant(at)}
    return msgspec.json.encode(told)


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
