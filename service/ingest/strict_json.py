"""JSON read strictly: UTF-8, no key twice, nesting that ends. What msgspec tells, said with its place.

A key given twice is refused because readers differ in which one they take: a report that is both `final` and
`entered-in-error` must not be read as final (RFC 8259 section 4 calls such objects unpredictable).
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

import msgspec

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_BOM = b"\xef\xbb\xbf"


class BadJson(Exception):
    """Input that cannot be read: a stable `code`, a `reason` in plain English, the `place` ("" for the whole)."""

    def __init__(self, code: str, reason: str, place: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.place = place


def start_of_text(body: bytes) -> int:
    """Where the text starts: a UTF-8 byte order mark is passed over, as RFC 8259 section 8.1 allows.

    Raises BadJson when the bytes are not UTF-8, which FHIR R4 requires (json.html)."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJson(
            "not-utf-8",
            f"byte {error.start} is not UTF-8; FHIR JSON must be UTF-8: convert the file from its own character set",
            f"byte {error.start}",
        ) from None
    return 3 if body.startswith(_BOM) else 0


def refuse(error: Exception) -> NoReturn:
    """Raises what a msgspec error or a RecursionError means as BadJson."""
    if isinstance(error, BadJson):
        raise error
    if isinstance(error, RecursionError):
        raise BadJson("too-deep", "objects or arrays are nested too deep to be read") from None
    text = str(error)
    if isinstance(error, msgspec.ValidationError):
        found, _, path = text.partition(" - at `$")
        raise BadJson("wrong-type", found.replace(" | null", ""), path.rstrip("`")) from None
    byte = re.search(r"\(byte (\d+)\)", text)
    raise BadJson("not-json", text, f"byte {byte[1]}" if byte else "end") from None


def check_keys(raw: bytes) -> None:
    """Raises BadJson where an object has the same key twice.

    Cheap for the usual case: decoded and encoded again it is as long as it was without blanks; only where it is not
    (escapes, exponents, or a key lost) a slow reader looks closer."""
    try:
        if len(_encode(_decode(raw))) != len(msgspec.json.format(raw, indent=-1)):
            read_strictly(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        refuse(error)


def check_own_keys(raw: bytes) -> None:
    """Raises BadJson where a key of the outermost object stands twice, whatever is in the objects in it. An object that
    is nested too deep for that passes."""
    try:
        pairs = json.loads(raw, object_pairs_hook=list, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return
    _only_once(pairs if isinstance(pairs, list) and raw.lstrip()[:1] == b"{" else [])


def read_strictly(raw: bytes) -> Any:
    """The value; BadJson for a key given twice, NaN, or anything malformed."""
    try:
        return json.loads(raw, object_pairs_hook=_only_once, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, RecursionError):
            refuse(error)
        raise BadJson("not-json", "malformed JSON") from None


def _only_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise BadJson("duplicate-key", f"the key {twice[:40]!r} stands twice in one object; which one counts is unsure")
    return found


def _no_constant(text: str) -> NoReturn:
    raise BadJson("not-json", f"{text} is no JSON number")
