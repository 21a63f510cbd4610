"""What the options of `testonce match` stand for."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.cli.match import build_body, choose_language, hints, read_order, with_offset
from service.domain.errors import InvalidInput
from service.reference.catalogue_file import package_catalogue

ITEM, LOINC = "urn:testonce:item", "http://loinc.org"


@pytest.mark.parametrize(("text", "system", "code", "side"), [
    ("58410-2", LOINC, "58410-2", None),
    ("58410-3", ITEM, "58410-3", None),  # wrong check digit: no LOINC code
    ("CT.CHEST", ITEM, "CT.CHEST", None),
    ("MR.KNEE:L", ITEM, "MR.KNEE", "L"),
    ("MR.KNEE:r", ITEM, "MR.KNEE", "R"),
    ("CN.HBV5", ITEM, "CN.HBV5", None),
    ("http://loinc.org|2160-0", LOINC, "2160-0", None),
    ("urn:oid:1.2|A:B", "urn:oid:1.2", "A", "B"),
    ("urn:oid:1.2|A:X", "urn:oid:1.2", "A:X", None),
])  # fmt: skip
def test_order_forms(text: str, system: str, code: str, side: str | None) -> None:
    expected: dict[str, Any] = {"id": "o1", "code": {"system": system, "code": code}}
    assert read_order("o1", text) == expected | ({"laterality": side} if side else {})


@pytest.mark.parametrize("text", ["", "  ", "http://loinc.org|", ":L"])
def test_order_without_a_code_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_order("o1", text)
    assert caught.value.faults[0].pointer == "--order"


@pytest.mark.parametrize(
    "text", ["MR.KNEE:X", "MR.KNEE:", "MR.KNEE:LEFT", "2160-0:x", "urn:testonce:item|MR.KNEE:X", "MR.KNEE:X:L"]
)
def test_side_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_order("o1", text)
    assert "the side must be L, R or B" in caught.value.faults[0].message


@pytest.mark.parametrize(("text", "meant"), [
    ("ct.chest", "CT.CHEST"), ("58410-3", "58410-2"), ("MR.KNE:L", "MR.KNEE"),
    ("CT.CHEST", None), ("58410-2", None), ("xyz", None),
    ("2161-8", None),  # a valid LOINC code (creatinine in urine) beside 2160-0
    ("urn:oid:1.2|ct.chest", None),
])  # fmt: skip
def test_misspelled_id_gets_a_hint(text: str, meant: str | None) -> None:
    lines = list(hints([read_order("o1", text)], package_catalogue()))
    assert [line.rpartition("did you mean ")[2] for line in lines] == ([f"{meant}?"] if meant else [])


def test_body_holds_only_what_was_given() -> None:
    body = build_body("urn:a|b|1", ["718-7", "777-3"], at=None, name="张三", birth_date=None, sex=None)
    assert body["patient"] == {"identifiers": [{"system": "urn:a|b", "value": "1"}], "name": "张三"}
    assert [one["id"] for one in body["orders"]] == ["o1", "o2"]
    assert "orderedAt" not in body


@pytest.mark.parametrize("text", ["229903198511231024", "|", "urn:x| "])
def test_patient_without_system_or_value_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        build_body(text, ["718-7"], at=None, name=None, birth_date=None, sex=None)
    assert caught.value.faults[0].pointer == "--patient-id"
    assert "229903198511231024" not in caught.value.faults[0].message


@pytest.mark.parametrize(("asked", "environment", "expected"), [
    ("en", {"LANG": "zh_CN.UTF-8"}, "en"), (None, {"LANG": "zh_CN.UTF-8"}, "zh"), (None, {"LANG": "en_US.UTF-8"}, "en"),
    (None, {"LC_ALL": "en_GB", "LANG": "zh_CN"}, "en"), (None, {"LC_ALL": "", "LANG": "zh_CN"}, "zh"),
    (None, {"LANG": "C.UTF-8"}, "zh"), (None, {}, "zh"),
])  # fmt: skip
def test_language(asked: str | None, environment: dict[str, str], expected: str) -> None:
    assert choose_language(asked, environment, "zh") == expected


def test_unknown_language_is_refused() -> None:
    with pytest.raises(InvalidInput):
        choose_language("fr", {}, "zh")


@pytest.mark.parametrize(("text", "expected"), [
    ("2026-11-22T10:00:00", "2026-11-22T02:00:00+00:00"),
    ("2026-11-22T10:00:00+09:00", "2026-11-22T01:00:00+00:00"),
    ("2026-11-22t10:00:00z", "2026-11-22T10:00:00+00:00"),
])  # fmt: skip
def test_time_without_an_offset_counts_in_the_zone_of_the_network(text: str, expected: str) -> None:
    assert with_offset(text, ZoneInfo("Asia/Shanghai")) == expected


@pytest.mark.parametrize("text", ["2026-11-22", "2026-11", "yesterday", "", "2026-02-30T10:00:00"])
def test_time_that_is_none_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        with_offset(text, ZoneInfo("Asia/Shanghai"))
    assert caught.value.faults[0].pointer == "--at"
