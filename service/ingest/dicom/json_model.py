"""DICOM instances as DICOMweb gives them: the JSON model (PS3.18 annex F), read from its own objects.

pydicom's `Dataset.from_json` takes ten times as long and fails on one bad value; here a value is read when it is asked
for, by the same code that reads files. Three forms of one document:

- `[{…}, …]`: instances, as a WADO-RS metadata answer has them;
- `{"series": "<study>/<series>", "instances": […], "rejected": {"<SOP>": "113001"}}`: all that a series has at its
  source, so that what it had before and has no more is withdrawn; `rejected` are instances that a rejection note
  (IHE RAD TF-3 4.66) forbids to use, with the note's code;
- `{"deleted": ["<study>/<series>" or "<SOP>", …], "reason": "…"}`: series or instances that are gone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

import msgspec
from msgspec import Raw

from service.ingest.dicom.charsets import decode_text
from service.ingest.dicom.header import DicomInstance, UnreadableDicom, instance_of
from service.ingest.strict_json import BadJson, check_keys, refuse, start_of_text

_PADDING = " \0\t\r\n"
_START = re.compile(rb'\s*(?:\[\s*)?\{\s*"[0-9A-Fa-f]{8}"\s*:\s*\{')
_SERIES = re.compile(rb'\s*\{\s*"series"\s*:\s*"[\d.]+/[\d.]+"')
_TARGET = re.compile(r"[\d.]{1,64}(/[\d.]{1,64})?")
_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")  # PS3.18 F.2.2, in the order of PS3.5 6.2.1.2


_Items = tuple[tuple[int, DicomInstance], ...]


@dataclass(frozen=True, slots=True)
class JsonProblem:
    """An item that cannot be used: its place in the document, a stable code, why."""

    place: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class DicomJson:
    """What a document says. `instances` come with the byte at which each starts. `series` (`<study>/<series>`): these
    are all its instances. `rejected` has codes of rejection notes by SOPInstanceUID."""

    instances: _Items = ()
    problems: tuple[JsonProblem, ...] = ()
    series: str = ""
    rejected: Mapping[str, str] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()

    @property
    def study_uids(self) -> set[str]:
        """The studies that the document names."""
        series = [one for one in (self.series, *self.deleted) if "/" in one]
        return {one.study_uid for _, one in self.instances} | {one.partition("/")[0] for one in series}


class _Form(msgspec.Struct):
    series: str | None = None
    instances: Raw = Raw(b"")
    rejected: dict[str, str] = {}
    deleted: list[str] | None = None


_array = msgspec.json.Decoder(list[Raw]).decode
_form = msgspec.json.Decoder(_Form).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode


def looks_like_dicom_json(text: bytes) -> bool:
    """Whether text that starts so is DICOM JSON: its keys are tags."""
    return bool(_START.match(text) or _SERIES.match(text))


def series_document(study_uid: str, series_uid: str, instances: bytes, rejected: Mapping[str, str]) -> bytes:
    """The document that says that `instances` (a JSON array, its bytes as they came) are all that the series has."""
    told = b',"rejected":' + msgspec.json.encode(dict(sorted(rejected.items()))) if rejected else b""
    return b'{"series":"%b/%b"%b,"instances":%b}' % (study_uid.encode(), series_uid.encode(), told, instances)


def without_instances(instances: bytes, sop_uids: Collection[str]) -> bytes:
    """The JSON array without the data sets of these instances. Raises msgspec.DecodeError."""
    items = _array(instances)
    kept = [one for one in items if JsonValues(_object(one)).text(0x00080018) not in sop_uids]
    return msgspec.json.encode(kept)


def deletion_document(gone: Sequence[str], reason: str) -> bytes:
    """The document that says that series (`<study>/<series>`) or instances are gone, and why."""
    return msgspec.json.encode({"deleted": list(gone), "reason": reason})


def read_dicom_json(body: bytes, zone: tzinfo) -> DicomJson:
    """Reads a document; an item that cannot be used is a problem, its neighbours stay. Never raises."""
    try:
        start = start_of_text(body)
        if body[start:].lstrip()[:1] == b"[":
            return DicomJson(*_read_items(_split(body, start, len(body)), zone))
        if _START.match(body, start):
            return DicomJson(*_read_items([(start, body[start:])], zone))
        return _read_form(body, start, zone)
    except BadJson as error:
        return DicomJson(problems=(JsonProblem(error.place or "document", error.code, error.reason),))


def read_json_instance(raw: bytes, zone: tzinfo) -> DicomInstance:
    """The instance that one object of a document describes. Raises UnreadableDicom, BadJson."""
    check_keys(raw)
    try:
        data = _object(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        refuse(error)
    return instance_of(JsonValues(data), zone, raw)


def _read_form(body: bytes, start: int, zone: tzinfo) -> DicomJson:
    try:
        form = _form(body[start:])
    except (msgspec.DecodeError, RecursionError) as error:
        refuse(error)
    at = body.index(bytes(form.instances), start)
    check_keys(body[start:at] + (b"[]" if form.instances else b"") + body[at + len(form.instances) :])
    told = form.deleted if form.deleted is not None else [form.series or ""]
    if not told or not all(map(_TARGET.fullmatch, told)):
        raise BadJson("invalid-uid", "expected <StudyInstanceUID>/<SeriesInstanceUID>, or deleted SOPInstanceUIDs")
    if form.deleted is not None:
        return DicomJson(deleted=tuple(form.deleted))
    if form.series is None or "/" not in form.series or not form.instances:
        raise BadJson("not-dicom-json", "expected series (<study>/<series>) with instances, or deleted")
    found, problems = _read_items(_split(body, at, at + len(form.instances)), zone)
    mine = tuple(one for one in found if f"{one[1].study_uid}/{one[1].series_uid}" == form.series)
    strange = len(found) - len(mine)
    mine, twice = _once(mine)
    problems += twice
    if strange:
        reason = f"{strange} instances name another study or series than the one they were asked for"
        problems = (*problems, JsonProblem("instances", "other-series", reason))
    return DicomJson(mine, problems, form.series, form.rejected)


def _once(items: _Items) -> tuple[_Items, tuple[JsonProblem, ...]]:
    """Each instance once; none of those that are told twice and differently: which one counts is unsure."""
    told: dict[str, dict[bytes, tuple[int, DicomInstance]]] = {}
    for start, one in items:
        told.setdefault(one.sop_uid, {}).setdefault(one.header_bytes, (start, one))
    if len(told) == len(items):
        return items, ()
    reason = "an instance is told twice, and not the same; correct it in the archive"
    unsure = [versions for versions in told.values() if len(versions) > 1]
    sure = tuple(one for versions in told.values() if len(versions) == 1 for one in versions.values())
    return sure, (JsonProblem("instances", "instance-twice", reason),) if unsure else ()


def _split(body: bytes, start: int, end: int) -> list[tuple[int, bytes]]:
    """The items of the array at body[start:end], each with its place: only commas and blanks stand between them."""
    try:
        items = [bytes(one) for one in _array(body[start:end])]
    except (msgspec.DecodeError, RecursionError) as error:
        refuse(error)
    found = []
    for item in items:
        start = body.index(item, start)
        found.append((start, item))
        start += len(item)
    return found


def _read_items(items: Sequence[tuple[int, bytes]], zone: tzinfo) -> tuple[_Items, tuple[JsonProblem, ...]]:
    found: list[tuple[int, DicomInstance]] = []
    problems: list[JsonProblem] = []
    for n, (start, raw) in enumerate(items):
        try:
            found.append((start, read_json_instance(raw, zone)))
        except BadJson as error:
            problems.append(JsonProblem(f"[{n}]{error.place}", error.code, error.reason))
        except UnreadableDicom as error:
            problems.append(JsonProblem(f"[{n}]", error.reason_code, error.message))
    return tuple(found), tuple(problems)


class JsonValues:
    """The values of a data set in JSON, as `values.Values`. The text is UTF-8 whatever (0008,0005) says; where the
    archive decoded the file wrongly, that is undone as far as nothing was lost."""

    __slots__ = ("_data", "repairs")

    def __init__(self, data: Mapping[str, Any], repairs: set[str] | None = None) -> None:
        self._data = data
        self.repairs: set[str] = set() if repairs is None else repairs

    def text(self, tag: int) -> str:
        """The whole value as text, padding gone; "" when absent. Backslashes stay."""
        return "\\".join(map(self._text, self._values(tag))).strip(_PADDING)

    def texts(self, tag: int) -> list[str]:
        """The values of a multi-valued element, empty ones left out."""
        return [part for one in self.text(tag).split("\\") if (part := one.strip())]

    def items(self, tag: int) -> list[JsonValues]:
        """The items of a sequence."""
        return [JsonValues(one, self.repairs) for one in self._values(tag) if isinstance(one, dict)]

    def double(self, tag: int) -> float | None:
        """The first number of an FD element, if it is a finite one."""
        number = next(iter(self._values(tag)), None)
        if isinstance(number, bool) or not isinstance(number, int | float):
            return None
        return float(number) if math.isfinite(number) else None

    def _values(self, tag: int) -> list[Any]:
        element = self._data.get(f"{tag:08X}")
        values = element.get("Value") if isinstance(element, dict) else None
        return values if isinstance(values, list) else []

    def _text(self, value: Any) -> str:
        if isinstance(value, str):
            return value if value.isascii() else self._repaired(value)
        if isinstance(value, dict):
            groups = (value.get(name) for name in _NAME_GROUPS)
            return "=".join(self._text(one) for one in groups).rstrip("=")
        if isinstance(value, bool) or not isinstance(value, int | float):
            return ""
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    def _repaired(self, text: str) -> str:
        """Bytes read by a wrong character set: GBK as ISO 8859-1 (`ÕÅ`), UTF-8 as GB18030 (`寮犱紵`)."""
        latin = not any(ch > "\xff" for ch in text)
        try:
            raw = text.encode("latin-1" if latin else "gb18030")
        except UnicodeEncodeError:
            return text
        decoded = decode_text(raw, ("IR100",) if latin else ("GB18030",))
        if decoded.repair not in (None, "lossy") and decoded.text != text:
            self.repairs.add(decoded.repair)
            return decoded.text
        if "\ufffd" in text:
            self.repairs.add("lossy")
        return text
