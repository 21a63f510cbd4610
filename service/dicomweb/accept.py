"""What a caller accepts (PS3.18 8.3.3, 8.7; RFC 9110 12.5.1), and which of that can be given."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from service.edge.errors import NotAcceptable
from service.ingest.archive import EXPLICIT_LITTLE, ORIGINAL, is_uid

DICOM = "application/dicom"
BULK = "application/octet-stream"
JSON = "application/dicom+json"
_RELATED = "multipart/related"
_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;,\s]*)')
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Accepted:
    """One media type of an Accept header; `kind` is the `type` of a multipart one."""

    media: str
    kind: str
    transfer_syntax: str
    weight: float

    @property
    def is_any(self) -> bool:
        """Whether it takes whatever there is."""
        return self.media in ("*/*", "multipart/*") or (self.media == _RELATED and not self.kind)


@dataclass(frozen=True, slots=True)
class Form:
    """How originals are given: in several parts or as one body, in which transfer syntax (or ORIGINAL)."""

    is_multipart: bool
    transfer_syntax: str


def read_accept(header: str, query: str | None = None) -> list[Accepted]:
    """What is accepted, the most wanted first; the query parameter `accept` goes before the header (8.3.3.1). Nothing
    said: anything."""
    text = (query if query is not None else header)[:_LONGEST].strip() or "*/*"
    found = [_one(part) for part in _split(text)]
    return sorted((one for one in found if one.weight > 0), key=lambda one: -one.weight)


def choose_form(accepted: Iterable[Accepted], part: str, *, is_single: bool) -> Form:
    """The form in which parts of the media type `part` are given; NotAcceptable where none is accepted. Without a
    transfer syntax Explicit VR Little Endian is meant (8.7.3.5.2). `is_single`: one body will do as well."""
    for one in accepted:
        syntax = one.transfer_syntax or EXPLICIT_LITTLE
        if syntax != ORIGINAL and not is_uid(syntax):
            continue
        if one.is_any or (one.media == _RELATED and one.kind == part):
            return Form(True, syntax)
        if is_single and one.media == part:
            return Form(False, syntax)
    raise NotAcceptable(f'images are given as multipart/related; type="{part}"')


def choose_picture(accepted: Iterable[Accepted]) -> str:
    """The media type of a picture; JPEG where any will do. NotAcceptable."""
    for one in accepted:
        if one.media in ("image/jpeg", "image/png"):
            return one.media
        if one.media in ("*/*", "image/*"):
            return "image/jpeg"
    raise NotAcceptable("pictures are given as image/jpeg or image/png")


def require_json(accepted: Iterable[Accepted]) -> None:
    """NotAcceptable unless DICOM JSON is accepted."""
    if all(one.media not in (JSON, "application/json", "application/*", "*/*") for one in accepted):
        raise NotAcceptable(f"this is given as {JSON}")


def _split(text: str) -> list[str]:
    """The members of the list; a comma inside quotes parts nothing."""
    return [one for one in re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+', text) if one.strip()]


def _one(text: str) -> Accepted:
    media = text.partition(";")[0].strip().lower()
    parameters = {name.lower(): value.strip('"') for name, value in _PARAMETER.findall(text)}
    try:
        weight = min(1.0, max(0.0, float(parameters.get("q", "1"))))
    except ValueError:
        weight = 0.0
    kind = parameters.get("type", "").strip().lower()
    return Accepted(media, kind, parameters.get("transfer-syntax", "").strip(), weight)
