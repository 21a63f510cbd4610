"""What may explain that two birth dates differ."""

from __future__ import annotations

import pytest

from service.identity.forms.birth_dates import DateDifference, explain_difference, is_default_date

DIFFERENCES = {
    DateDifference.LUNAR: [("1985-11-23", "1985-10-12"), ("1986-01-14", "1985-12-05"), ("2020-06-01", "2020-04-10")],
    DateDifference.SWAPPED: [("1985-03-04", "1985-04-03")],
    DateDifference.NEAR: [("1985-11-23", "1985-11-24"), ("1985-12-31", "1986-01-02")],
    DateDifference.TRANSPOSED: [("1985-11-12", "1985-11-21"), ("1985-11-21", "1958-11-21")],
    DateDifference.YEAR: [("1985-11-21", "1986-11-21"), ("1985-11-21", "1971-11-21")],
    DateDifference.ONE_DIGIT: [("1985-11-23", "1985-11-13"), ("1985-02-23", "1985-12-23")],
    DateDifference.DEFAULT_DAY: [("1985-01-01", "1985-11-23"), ("1900-01-01", "1985-11-23"), ("9999-12-31",
    "1985-11-23")],
    None: [("1985-11-23", "1973-02-08"), ("1985-01-12", "1985-11-02"), ("1985-11-23", "1985-11-23"), ("1985",
           "1985-11-23"),
           ("", "1985-11-23"), ("1985-02-30", "1985-02-28"), ("1986-01-01", "1985-11-23"), ("1890-05-05",
           "1890-03-20")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "a", "b"), [(expected, a, b) for expected, pairs in DIFFERENCES.items() for a, b in pairs]
)
def test_difference_is_explained_either_way_round(expected: DateDifference | None, a: str, b: str):
    assert explain_difference(a, b) is explain_difference(b, a) is expected


@pytest.mark.parametrize("text", ["1900-01-01", "1899-12-30", "1970-01-01", "1800-05-05", "9999-12-31", "1111-11-11"])
def test_date_that_software_writes_for_want_of_one_is_a_placeholder(text: str):
    assert is_default_date(text)


@pytest.mark.parametrize("text", ["1985-01-01", "1985-11-23", "1970-01-02", "1985", "", "soon", "1985-00-00"])
def test_birth_date_of_a_person_is_no_placeholder(text: str):
    assert not is_default_date(text)
