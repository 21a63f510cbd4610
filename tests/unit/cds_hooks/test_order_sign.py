"""Reading order-sign requests."""

from __future__ import annotations

from typing import Any

import pytest

from service.cds_hooks.order_sign import read_order_sign
from service.reference.catalogue_file import package_catalogue
from tests.support.cds import PATIENT, draft, order_sign


def body_of(request: dict[str, Any]) -> dict[str, Any]:
    asked = read_order_sign(request, package_catalogue())
    assert asked.body is not None
    return asked.body


def with_draft(**change: Any) -> dict[str, Any]:
    request = order_sign()
    request["context"]["draftOrders"]["entry"] = [{"resource": draft("MR.KNEE") | change}]
    return request


SNOMED = "http://snomed.info/sct"


@pytest.mark.parametrize(
    ("sites", "side"),
    [
        ([{"coding": [{"system": SNOMED, "code": "7771000"}]}], "L"),
        ([{"coding": [{"system": SNOMED, "code": "24028007"}]}], "R"),
        ([{"coding": [{"system": SNOMED, "code": "51440002"}]}], "B"),
        ([{"text": "左膝"}], "L"),
        ([{"coding": [{"display": "Right knee"}]}], "R"),
        ([{"text": "双膝"}], "B"),
        ([{"text": "left"}, {"text": "right"}], "B"),
        ([{"text": "膝关节"}], None),
        ([], None),
    ],
)
def test_side_is_read_from_body_site(sites: list[dict[str, Any]], side: str | None) -> None:
    assert body_of(with_draft(bodySite=sites))["orders"][0].get("laterality") == side


def test_coding_the_catalogue_knows_is_taken_among_several() -> None:
    codings = [{"system": "urn:his", "code": "X1"}, {"system": "http://loinc.org", "code": "718-7"}]
    order = body_of(with_draft(code={"coding": codings}))["orders"][0]
    assert order == {"id": "d1", "code": {"system": "http://loinc.org", "code": "718-7"}}


@pytest.mark.parametrize(
    ("names", "name"),
    [
        ([{"family": "李", "given": ["敏"]}], "李敏"),
        ([{"family": "Smith", "given": ["Ann", "B"]}], "Smith Ann B"),
        ([{"text": "旧", "use": "old"}, {"text": "常", "use": "usual"}, {"text": "正", "use": "official"}], "正"),
        ([{"use": "old", "text": "旧"}], None),
        ("text", None),
    ],
)
def test_name_in_use_is_read(names: Any, name: str | None) -> None:
    request = order_sign("718-7", prefetch={"patient": PATIENT | {"name": names}})
    assert body_of(request)["patient"].get("name") == name


def test_patient_id_with_its_type_before_it_is_understood() -> None:
    request = order_sign("718-7")
    request["context"]["patientId"] = "Patient/p1"
    assert body_of(request)["patient"]["birthDate"] == "1949-12-31"


def test_other_drafts_are_left_alone() -> None:
    request = order_sign("718-7")
    request["context"]["draftOrders"]["entry"].append({"resource": {"resourceType": "MedicationRequest", "id": "m"}})
    assert [one["id"] for one in body_of(request)["orders"]] == ["d1"]


def test_no_lab_or_imaging_drafts_means_nothing_to_ask() -> None:
    assert read_order_sign(order_sign(), package_catalogue()).body is None
