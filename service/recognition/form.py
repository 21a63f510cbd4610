"""Reads the body of a recognition; every fault is listed with its JSON Pointer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from service.domain.errors import Fault, InvalidInput
from service.recognition.reasons import REASONS

_ITEM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MOST = 500
NOTE_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Form:
    """A clinician's choice for one order. `items` None: all that was offered."""

    decision_id: str
    order_id: str
    action: str
    items: tuple[str, ...] | None = None
    reasons: tuple[str, ...] = ()
    note: str | None = None
    patient_informed: bool | None = None

    @property
    def sha256(self) -> bytes:
        """The hash that tells the same call from another body; the order of items and reasons plays no part."""
        return hashlib.sha256(msgspec.json.encode(self)).digest()


def read_form(body: object, regional: Mapping[str, str]) -> Form:
    """The form of a body (contract, `POST /api/v1/recognitions`). `regional` maps a region's own reason codes to
    ours. Raises InvalidInput with every fault."""
    if not isinstance(body, dict):
        raise InvalidInput("the recognition has faults", [Fault("", "an object is expected")])
    faults: list[Fault] = []
    form = Form(
        _text(body, "decisionId", faults) or "",
        _text(body, "orderId", faults) or "",
        _text(body, "action", faults) or "",
        _items(body, faults),
        _reasons(body, regional, faults),
        _text(body, "note", faults, required=False, limit=NOTE_LENGTH),
        _flag(body, "patientInformed", faults),
    )
    if form.action and form.action not in ("recognised", "repeated"):
        faults.append(Fault("/action", "must be recognised or repeated"))
    if any(REASONS[code].needs_note for code in form.reasons) and not (form.note or "").strip():
        faults.append(Fault("/note", "the reason other needs a note that says which"))
    if faults:
        raise InvalidInput("the recognition has faults", faults)
    return form


def _text(
    body: Mapping[str, object], key: str, faults: list[Fault], *, required: bool = True, limit: int = 64
) -> str | None:
    value = body.get(key)
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and not value.strip()):
        faults.append(Fault(f"/{key}", "is required" if value is None else "a text is expected"))
    elif len(value) > limit:
        faults.append(Fault(f"/{key}", f"must not be longer than {limit} characters"))
    else:
        return value
    return None


def _flag(body: Mapping[str, object], key: str, faults: list[Fault]) -> bool | None:
    value = body.get(key)
    if value is None or isinstance(value, bool):
        return value
    faults.append(Fault(f"/{key}", "true or false is expected"))
    return None


def _entries(body: Mapping[str, object], key: str, faults: list[Fault]) -> list[str] | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > _MOST:
        faults.append(Fault(f"/{key}", f"a list of at most {_MOST} codes is expected"))
        return None
    for index, one in enumerate(value):
        if not isinstance(one, str):
            faults.append(Fault(f"/{key}/{index}", "a code is expected"))
    return [one for one in value if isinstance(one, str)]


def _items(body: Mapping[str, object], faults: list[Fault]) -> tuple[str, ...] | None:
    items = _entries(body, "items", faults)
    if items is None:
        return None
    for index, one in enumerate(items):
        if not _ITEM.fullmatch(one):
            faults.append(Fault(f"/items/{index}", "an item id is expected, as 718-7 or CT.CHEST"))
    return tuple(sorted(set(items)))


def _reasons(body: Mapping[str, object], regional: Mapping[str, str], faults: list[Fault]) -> tuple[str, ...]:
    codes = set()
    for index, given in enumerate(_entries(body, "reasons", faults) or []):
        code = given if given in REASONS else regional.get(given, "")
        if code in REASONS:
            codes.add(code)
        else:
            faults.append(Fault(f"/reasons/{index}", f"unknown reason; known are {', '.join(REASONS)}"))
    return tuple(sorted(codes))
