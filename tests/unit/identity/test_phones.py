"""Telephone numbers in one form, and those that say nothing."""

from __future__ import annotations

import pytest

from service.identity.forms.phones import read_phone

MOBILE, LANDLINE = "13912345679", "043188765432"
NUMBERS = {
    MOBILE: ["13912345679", "139 1234 5679", "139-1234-5679", "+86 13912345679", "008613912345679", "8613912345679",
             "013912345679", "１３９１２３４５６７９", "13912345679（妻）", "13912345679 本人", "13912345679-2",
             "(+86)139.1234.5679"],
    LANDLINE: ["0431-88765432", "(0431) 8876 5432", "0431-88765432转801", "0431-88765432-801", "0431-88765432 ext. 12",
               "+86 431 88765432", "+86 0431 88765432", "0431—88765432#8"],
    "02087654322": ["020-87654322"],
    "14155552671": ["+1 415 555 2671"],
    "85291234567": ["+852 9123 4567"],
    "88765432": ["88765432", "8876-5432"],
}  # fmt: skip
FILLERS = [
    "", "无", "不详", "123456", "1234567", "12345678", "87654321", "13800138000", "13800000000", "13888888888",
    "13812345678",
    "11111111111", "00000000", "13800000001", "010-00000000", "021-12345678", "13987654321", "+86 13800138000",
    "400-812-3456",
    "13912345679/13955552671", "75512345678901234", "--", "转801",
]  # fmt: skip


@pytest.mark.parametrize(("number", "text"), [(number, text) for number, texts in NUMBERS.items() for text in texts])
def test_writings_of_one_number_have_one_form(number: str, text: str):
    assert read_phone(text) == number


@pytest.mark.parametrize("text", FILLERS)
def test_filler_or_two_numbers_are_none(text: str):
    assert read_phone(text) is None
