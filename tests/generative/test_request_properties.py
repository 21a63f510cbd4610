"""A match request is read or refused with its faults; nothing else ever happens."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.decisions.request import read_request
from service.domain.errors import InvalidInput
from service.domain.order import MatchRequest
from tests.support.matching import NOW, REQUESTER, ZONE
from tests.support.strategies import quick

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20),
    st.sampled_from(["", " ", "L", "surgery", "EMER", "2026-11-22", "2026-11-22T10:00:00+08:00", "0001-01-01T00:00:00Z",
                     "9999-12-31T23:59:59Z", "2026-02-30", "\x00", "\ud800", "1" * 600]),
)  # fmt: skip
names = st.sampled_from([
    "patient", "encounter", "orders", "orderedAt", "identifiers", "system", "value", "type", "name", "birthDate", "sex",
    "class", "purpose", "events", "at", "conditionChanged", "restrictedConsent", "id", "code", "imaging", "modality",
    "region", "laterality", "contrast", "technique",
])  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=8), inner, max_size=6),
    max_leaves=25,
)
VALID: dict[str, Any] = {
    "patient": {
        "identifiers": [{"system": "urn:oid:2.16.156.10011.1.3", "value": "11010519491231002X", "type": "NNCHN"}],
        "name": "李敏", "birthDate": "1949-12-31", "sex": "female",
    },
    "encounter": {
        "class": "AMB", "purpose": "clinical", "events": [{"type": "surgery", "at": "2026-11-10T09:00:00+08:00"}],
        "conditionChanged": False, "restrictedConsent": False,
    },
    "orders": [
        {"id": "o1", "code": {"system": "http://loinc.org", "code": "58410-2"}, "laterality": None},
        {"id": "o2", "imaging": {"modality": "CT", "region": "CHEST", "laterality": None, "contrast": False}},
    ],
    "orderedAt": "2026-11-22T10:00:00+08:00",
}  # fmt: skip


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, part in inner for place in places(part, (*at, key)))]


def read_or_refuse(body: object) -> MatchRequest | None:
    """The request; None when it is refused with at least one fault, each with a place inside the body."""
    try:
        return read_request(body, REQUESTER, NOW, ZONE)
    except InvalidInput as refused:
        faults = refused.faults
    assert faults
    assert all(one.message and (one.pointer == "" or one.pointer.startswith("/")) for one in faults)
    return None


@quick
@given(values)
def test_any_json_is_read_or_refused_with_its_faults(body: object):
    read = read_or_refuse(body)
    assert read is None or (read.orders and read.patient.identifiers)


@quick
@given(st.data())
def test_valid_body_with_one_part_replaced_is_read_or_refused(data: st.DataObject):
    body = copy.deepcopy(VALID)
    *way, last = data.draw(st.sampled_from([one for one in places(VALID) if one]))
    inner: Any = body
    for step in way:
        inner = inner[step]
    inner[last] = data.draw(values)
    read = read_or_refuse(body)
    assert read is None or (read.orders and read.patient.identifiers and read.ordered_at.tzinfo is not None)


@quick
@given(st.sampled_from([one for one in places(VALID) if one]))
def test_valid_body_with_one_part_missing_never_gains_meaning(place: tuple[str | int, ...]):
    """What is left out can only make the question vaguer or refuse it, never claim what was not said."""
    body = copy.deepcopy(VALID)
    *way, last = place
    inner: Any = body
    for step in way:
        inner = inner[step]
    del inner[last]
    whole, read = read_or_refuse(VALID), read_or_refuse(body)
    assert whole is not None
    if read is not None:
        assert set(read.patient.identifiers) <= {*whole.patient.identifiers, *_stripped(whole)}
        assert read.patient.name in (None, whole.patient.name)
        assert len(read.orders) <= len(whole.orders)
        assert set(read.encounter.events) <= set(whole.encounter.events)


def _stripped(request: MatchRequest) -> set[tuple[str, str, str]]:
    return {
        one
        for system, value, kind in request.patient.identifiers
        for one in (("", value, kind), (system, value, ""), ("", value, ""))
    }
