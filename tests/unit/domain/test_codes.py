"""Codes are checked when made: LOINC, 统一社会信用代码, GB/T 2260."""

from __future__ import annotations

import pytest

from service.domain.codes import is_gb_region, is_loinc, is_uscc, region_covers


@pytest.mark.parametrize("code", ["718-7", "58410-2", "2160-0", "14682-9", "56888-1", "2039-6", "10000-8"])
def test_loinc_code_with_its_check_digit(code: str):
    assert is_loinc(code)


@pytest.mark.parametrize("code", ["718-8", "7187", "718-", "-7", "718-77", "71a-7", "718–7", "７１８-7", "", "CN.HBV5"])
def test_what_is_no_loinc_code(code: str):
    assert not is_loinc(code)


def test_uscc_with_its_check_character():
    assert is_uscc("91350100M000100Y43")


@pytest.mark.parametrize(
    "code", ["91350100M000100Y44", "91350100M000100Y4", "91350100m000100y43", "91350100I000100Y43", "", "1" * 19]
)
def test_what_is_no_uscc(code: str):
    assert not is_uscc(code)


@pytest.mark.parametrize("code", ["110000", "220200", "220281", "820000"])
def test_region_code(code: str):
    assert is_gb_region(code)


@pytest.mark.parametrize("code", ["000000", "100000", "830000", "22020", "2202000", "22020a", "２２０２００", ""])
def test_what_is_no_region_code(code: str):
    assert not is_gb_region(code)


@pytest.mark.parametrize(
    ("scope", "code", "covered"),
    [
        ("220000", "220281", True), ("220000", "220000", True), ("220000", "210000", False),
        ("220200", "220281", True), ("220200", "220200", True), ("220200", "220181", False),
        ("220200", "220000", False), ("220211", "220211", True), ("220211", "220212", False),
        ("220211", "220200", False), ("110000", "110101", True),
    ],
)  # fmt: skip
def test_scope_covers_what_lies_under_it(scope: str, code: str, covered: bool):
    assert region_covers(scope, code) is covered
