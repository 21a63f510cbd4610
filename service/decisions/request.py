"""Reads the body of a match request; every fault is listed with its JSON Pointer."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from service.domain.codes import Code
from service.domain.errors import Fault, InvalidInput
from service.domain.order import EVENT_TYPES, Encounter, Event, ImagingOrder, MatchRequest, Order, PatientQuery
from service.domain.times import Precision, parse_when

MAX_ORDERS = 200
MAX_IDENTIFIERS = 50
MAX_TEXT = 500
CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead an order may lie before it is an error (contract, section 4)."""

_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")  # nor half a surrogate pair: it is no character
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


class _Reader:
    """Collects faults instead of stopping at the first."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, pointer: str, message: str) -> None:
        self.faults.append(Fault(pointer, message))

    def mapping(self, value: object, pointer: str) -> Mapping[str, Any] | None:
        """None, with a fault, for what is no object; an empty object still lacks what it requires."""
        if isinstance(value, dict):
            return value
        self.fault(pointer, "an object is expected" if value is not None else "is required")
        return None

    def entries(self, value: object, pointer: str, limit: int, *, required: bool = True) -> list[Any]:
        if value is None and not required:
            return []
        if not isinstance(value, list):
            self.fault(pointer, "a list is expected" if value is not None else "is required")
            return []
        if required and not value:
            self.fault(pointer, "must not be empty")
        if len(value) > limit:
            self.fault(pointer, f"at most {limit} entries are allowed, {len(value)} were given")
        return value[:limit]

    def text(self, value: object, pointer: str, *, required: bool = False, limit: int = MAX_TEXT) -> str | None:
        if value is None:
            if required:
                self.fault(pointer, "is required")
            return None
        if not isinstance(value, str):
            self.fault(pointer, "a string is expected")
        elif required and not value.strip():
            self.fault(pointer, "must not be blank")
        elif len(value) > limit:
            self.fault(pointer, f"must not be longer than {limit} characters")
        elif not _PRINTABLE.fullmatch(value):
            self.fault(pointer, "must not contain control characters")
        else:
            return value
        return None

    def choice(self, value: object, pointer: str, allowed: tuple[str, ...]) -> str | None:
        text = self.text(value, pointer)
        if text is None or text in allowed:
            return text
        self.fault(pointer, f"must be one of {', '.join(allowed)}")
        return None

    def flag(self, value: object, pointer: str) -> bool:
        if value is None or isinstance(value, bool):
            return bool(value)
        self.fault(pointer, "true or false is expected")
        return False


def read_request(body: object, requester: str, now: datetime, zone: tzinfo) -> MatchRequest:
    """The request of a body (contract, section 4, `POST /api/v1/match`). `zone` serves dates of events without a
    time. Raises InvalidInput with every fault."""
    read = _Reader()
    root = read.mapping(body, "")
    if root is None:
        raise InvalidInput("the match request has faults", read.faults)
    request = MatchRequest(
        requester,
        _patient(read, root.get("patient")),
        _orders(read, root.get("orders")),
        _ordered_at(read, root.get("orderedAt"), now, zone),
        _encounter(read, root.get("encounter"), zone),
    )
    if read.faults:
        raise InvalidInput("the match request has faults", read.faults)
    return request


def _patient(read: _Reader, value: object) -> PatientQuery:
    patient = read.mapping(value, "/patient")
    if patient is None:
        return PatientQuery()
    identifiers = []
    for index, entry in enumerate(read.entries(patient.get("identifiers"), "/patient/identifiers", MAX_IDENTIFIERS)):
        at = f"/patient/identifiers/{index}"
        one = read.mapping(entry, at)
        if one is None:
            continue
        system = read.text(one.get("system"), f"{at}/system")
        given = read.text(one.get("value"), f"{at}/value", required=True)
        kind = read.text(one.get("type"), f"{at}/type")
        identifiers.append((system or "", given or "", kind or ""))
    birth_date = read.text(patient.get("birthDate"), "/patient/birthDate")
    if birth_date is not None and not _is_date(birth_date):
        read.fault("/patient/birthDate", "a date YYYY-MM-DD is expected")
    return PatientQuery(
        tuple(identifiers),
        read.text(patient.get("name"), "/patient/name"),
        birth_date,
        read.choice(patient.get("sex"), "/patient/sex", ("male", "female", "other", "unknown")),
    )


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text)) and parse_when(text, UTC) is not None
    except ValueError:
        return False


_FLAGS = ("class", "purpose", "events", "conditionChanged", "restrictedConsent")


def _encounter(read: _Reader, value: object, zone: tzinfo) -> Encounter:
    encounter = read.mapping(value, "/encounter") if value is not None else None
    if encounter is None:
        return Encounter()
    for key in encounter:
        # a misspelled conditionChanged must not silently mean "nothing has changed"
        near = difflib.get_close_matches(key.casefold(), [flag.casefold() for flag in _FLAGS], 1, 0.8)
        if key not in _FLAGS and near:
            meant = next(flag for flag in _FLAGS if flag.casefold() == near[0])
            read.fault(f"/encounter/{key}", f"unknown; {meant} is meant?")
    events = []
    for index, entry in enumerate(read.entries(encounter.get("events"), "/encounter/events", 1000, required=False)):
        at = f"/encounter/events/{index}"
        one = read.mapping(entry, at)
        if one is None:
            continue
        kind = read.choice(one.get("type"), f"{at}/type", EVENT_TYPES)
        if one.get("type") is None:
            read.fault(f"{at}/type", "is required")
        when = read.text(one.get("at"), f"{at}/at", required=True)
        try:
            if kind and when:
                events.append(Event(kind, parse_when(when, zone)))
        except ValueError:
            read.fault(f"{at}/at", "a date or a time (RFC 3339) is expected")
    visit_class = read.text(encounter.get("class"), "/encounter/class")
    return Encounter(
        visit_class.strip().upper() if visit_class else None,  # `emer` must not pass as no emergency
        read.choice(encounter.get("purpose"), "/encounter/purpose", ("clinical", "legal")) or "clinical",
        tuple(events),
        read.flag(encounter.get("conditionChanged"), "/encounter/conditionChanged"),
        read.flag(encounter.get("restrictedConsent"), "/encounter/restrictedConsent"),
    )


def _orders(read: _Reader, value: object) -> tuple[Order, ...]:
    orders = [
        _order(read, entry, f"/orders/{index}")
        for index, entry in enumerate(read.entries(value, "/orders", MAX_ORDERS))
    ]
    seen: set[str] = set()
    for index, order in enumerate(orders):
        if order.id and order.id in seen:
            read.fault(f"/orders/{index}/id", "another order has this id")
        seen.add(order.id)
    return tuple(orders)


def _order(read: _Reader, value: object, at: str) -> Order:
    order = read.mapping(value, at)
    if order is None:
        return Order("")
    order_id = read.text(order.get("id"), f"{at}/id", required=True, limit=64) or ""
    code, imaging = order.get("code"), order.get("imaging")
    if (code is None) == (imaging is None):
        read.fault(at, "either code or imaging is required, not both")
        return Order(order_id)
    if imaging is not None:
        return Order(order_id, imaging=_imaging(read, imaging, f"{at}/imaging"))
    coded = read.mapping(code, f"{at}/code")
    if coded is None:
        return Order(order_id)
    system = read.text(coded.get("system"), f"{at}/code/system")
    name = read.text(coded.get("code"), f"{at}/code/code", required=True)
    side = read.choice(order.get("laterality"), f"{at}/laterality", ("L", "R", "B"))
    return Order(order_id, (Code(system or "", name or ""),), laterality=side)


def _imaging(read: _Reader, value: object, at: str) -> ImagingOrder | None:
    imaging = read.mapping(value, at)
    if imaging is None:
        return None
    contrast = imaging.get("contrast")
    if contrast is not None:
        contrast = read.flag(contrast, f"{at}/contrast")
    return ImagingOrder(
        read.text(imaging.get("modality"), f"{at}/modality", required=True) or "",
        read.text(imaging.get("region"), f"{at}/region", required=True) or "",
        read.choice(imaging.get("laterality"), f"{at}/laterality", ("L", "R", "B")),
        contrast,
        read.text(imaging.get("technique"), f"{at}/technique"),
    )


def _ordered_at(read: _Reader, value: object, now: datetime, zone: tzinfo) -> datetime:
    text = read.text(value, "/orderedAt")
    if text is None:
        return now
    try:
        when = parse_when(text.upper(), zone)  # RFC 3339, 5.6: t and z may be written small
    except ValueError:
        when = None
    if when is None or when.precision is not Precision.MOMENT or not re.search(r"(Z|z|[+-]\d{2}:?\d{2})$", text):
        read.fault("/orderedAt", "a time with its offset (RFC 3339) is expected, as 2026-11-22T10:00:00+08:00")
        return now
    if when.start > now + CLOCK_SKEW:
        read.fault("/orderedAt", "lies more than 5 minutes ahead")
    return when.start
