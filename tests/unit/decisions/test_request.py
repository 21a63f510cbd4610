"""What a match request may say, and what each mistake is answered with."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from service.decisions.request import read_request
from service.domain.codes import Code
from service.domain.errors import InvalidInput
from service.domain.order import ImagingOrder, MatchRequest
from tests.support.matching import NOW, REQUESTER, ZONE

ID = {"system": "urn:oid:2.16.156.10011.1.3", "value": "11010519491231002X"}
ORDER = {"id": "o1", "code": {"system": "http://loinc.org", "code": "718-7"}}
BODY: dict[str, Any] = {"patient": {"identifiers": [ID]}, "orders": [ORDER]}


def read(**changes: object) -> MatchRequest:
    return read_request({**copy.deepcopy(BODY), **changes}, REQUESTER, NOW, ZONE)


def faults(body: object) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        read_request(body, REQUESTER, NOW, ZONE)
    return {one.pointer: one.message for one in refused.value.faults}


def faults_of(**changes: object) -> dict[str, str]:
    return faults({**copy.deepcopy(BODY), **changes})


def test_smallest_request_is_ordered_now_in_no_special_visit():
    request = read()
    assert (request.requester, request.ordered_at) == (REQUESTER, NOW)
    assert request.orders[0].codes == (Code("http://loinc.org", "718-7"),)
    assert (request.encounter.visit_class, request.encounter.purpose) == (None, "clinical")


def test_imaging_is_read_by_its_facts():
    imaging = {"modality": "CT", "region": "CHEST", "laterality": None, "contrast": False, "technique": None}
    assert read(orders=[{"id": "o2", "imaging": imaging}]).orders[0].imaging == ImagingOrder(
        "CT", "CHEST", contrast=False
    )


def test_contrast_left_out_is_not_plain():
    request = read(orders=[{"id": "o2", "imaging": {"modality": "CT", "region": "CHEST"}}])
    assert request.orders[0].imaging == ImagingOrder("CT", "CHEST", contrast=None)


@pytest.mark.parametrize(
    ("given", "understood"), [("EMER", "EMER"), ("emer", "EMER"), (" EMER ", "EMER"), (None, None)]
)
def test_class_is_read_whatever_its_case(given: str | None, understood: str | None):
    assert read(encounter={"class": given}).encounter.visit_class == understood


def test_time_of_an_event_without_offset_is_the_network_s():
    request = read(encounter={"events": [{"type": "surgery", "at": "2026-11-10"}]})
    assert request.encounter.events[0].at.start.isoformat() == "2026-11-09T16:00:00+00:00"


@pytest.mark.parametrize("body", [None, [], "text", 1, True])
def test_body_that_is_no_object_is_refused(body: object):
    assert set(faults(body)) == {""}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"patient": None}, "/patient"),
        ({"patient": {}}, "/patient/identifiers"),
        ({"patient": {"name": "李敏"}}, "/patient/identifiers"),
        ({"patient": {"identifiers": []}}, "/patient/identifiers"),
        ({"patient": {"identifiers": [{}]}}, "/patient/identifiers/0/value"),
        ({"patient": {"identifiers": ["x"]}}, "/patient/identifiers/0"),
        ({"patient": {"identifiers": [{"system": "x", "value": " "}]}}, "/patient/identifiers/0/value"),
        ({"patient": {"identifiers": [{"system": "x", "value": 5}]}}, "/patient/identifiers/0/value"),
        ({"patient": {"identifiers": [ID] * 51}}, "/patient/identifiers"),
        ({"patient": {"identifiers": [ID], "birthDate": "1985-02-30"}}, "/patient/birthDate"),
        ({"patient": {"identifiers": [ID], "birthDate": "23.11.1985"}}, "/patient/birthDate"),
        ({"patient": {"identifiers": [ID], "sex": "F"}}, "/patient/sex"),
        ({"patient": {"identifiers": [ID], "name": "a\x00b"}}, "/patient/name"),
        ({"patient": {"identifiers": [ID], "name": "\ud800"}}, "/patient/name"),
        ({"orders": None}, "/orders"),
        ({"orders": []}, "/orders"),
        ({"orders": {}}, "/orders"),
        ({"orders": [ORDER] * 201}, "/orders"),
        ({"orders": [{}]}, "/orders/0"),
        ({"orders": [{"id": "o1"}]}, "/orders/0"),
        ({"orders": [{**ORDER, "imaging": {"modality": "CT", "region": "CHEST"}}]}, "/orders/0"),
        ({"orders": [{"code": ORDER["code"]}]}, "/orders/0/id"),
        ({"orders": [{**ORDER, "id": "x" * 65}]}, "/orders/0/id"),
        ({"orders": [ORDER, ORDER]}, "/orders/1/id"),
        ({"orders": [{"id": "o1", "code": {}}]}, "/orders/0/code/code"),
        ({"orders": [{"id": "o1", "code": "718-7"}]}, "/orders/0/code"),
        ({"orders": [{**ORDER, "laterality": "left"}]}, "/orders/0/laterality"),
        ({"orders": [{"id": "o1", "imaging": {}}]}, "/orders/0/imaging/modality"),
        ({"orders": [{"id": "o1", "imaging": {"modality": "CT"}}]}, "/orders/0/imaging/region"),
        ({"orders": [{"id": "o1", "imaging": {"modality": "CT", "region": "CHEST", "contrast": "no"}}]},
         "/orders/0/imaging/contrast"),
        ({"encounter": []}, "/encounter"),
        ({"encounter": {"purpose": "forensic"}}, "/encounter/purpose"),
        ({"encounter": {"conditionChanged": "yes"}}, "/encounter/conditionChanged"),
        ({"encounter": {"condition_changed": True}}, "/encounter/condition_changed"),
        ({"encounter": {"conditionchanged": True}}, "/encounter/conditionchanged"),
        ({"encounter": {"events": {}}}, "/encounter/events"),
        ({"encounter": {"events": [{}]}}, "/encounter/events/0/type"),
        ({"encounter": {"events": [{"type": "surgery"}]}}, "/encounter/events/0/at"),
        ({"encounter": {"events": [{"type": "surgery", "at": "yesterday"}]}}, "/encounter/events/0/at"),
        ({"encounter": {"events": [{"type": "birthday", "at": "2026-11-10"}]}}, "/encounter/events/0/type"),
        ({"orderedAt": ""}, "/orderedAt"),
        ({"orderedAt": "2026-11-22"}, "/orderedAt"),
        ({"orderedAt": "2026-11-22T10:00:00"}, "/orderedAt"),
        ({"orderedAt": 1795312800}, "/orderedAt"),
    ],
)  # fmt: skip
def test_mistake_is_named_by_its_place(changes: dict[str, object], pointer: str):
    assert pointer in faults_of(**changes)


def test_all_mistakes_are_told_at_once():
    assert set(faults({"patient": {}, "orders": [{}], "orderedAt": "x"})) >= {
        "/patient/identifiers", "/orders/0/id", "/orders/0", "/orderedAt",
    }  # fmt: skip


def test_no_fault_repeats_what_was_given():
    told = str(
        faults_of(patient={"identifiers": [{"value": "11010519491231002X", "system": 1}], "name": 5, "sex": "李"})
    )
    assert "11010519491231002X" not in told
    assert "李" not in told


def test_small_letters_of_a_time_are_read():
    assert read(orderedAt="2026-01-01t10:00:00z").ordered_at.isoformat() == "2026-01-01T10:00:00+00:00"


@pytest.mark.parametrize(("ahead", "accepted"), [(0, True), (300, True), (301, False), (-(10**9), True)])
def test_order_may_lie_five_minutes_ahead_and_any_time_back(ahead: int, accepted: bool):
    text = (NOW + timedelta(seconds=ahead)).isoformat()
    if accepted:
        assert read(orderedAt=text).ordered_at == NOW + timedelta(seconds=ahead)
    else:
        assert "/orderedAt" in faults_of(orderedAt=text)
