"""A canonical record as bytes and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from service.domain.report import ExamPart, ImagingExam, ItemResult, LabReport, Measured, ReportHead, Status
from service.domain.times import moment, parse_when
from service.registry import canonical

HEAD = ReportHead(
    "h1", "N1", "DiagnosticReport/1", Status.CORRECTED, "h2", "h3",
    parse_when("2026-11", UTC), moment(datetime(2026, 11, 20, 4, tzinfo=UTC)),
)  # fmt: skip
VALUES = st.one_of(
    st.none(), st.text(st.characters(exclude_categories=["Cs"])), st.decimals(allow_nan=False, allow_infinity=False)
)


@given(VALUES)
def test_value_comes_back_with_its_kind_and_digits(value: Decimal | str | None) -> None:
    result = ItemResult(
        "718-7", Status.FINAL, parse_when("2026-11-20", UTC), Measured("6.30", "g/L", value, "<"), ("H",), "3-6",
        ("haemolysed",), ("e801",), (("http://loinc.org", "718-7"),), "血红蛋白", "Observation/1",
    )  # fmt: skip
    report = LabReport(HEAD, (result, replace(result, performed=None, item=None)))
    back = canonical.decode(False, canonical.encode(report), 7)
    assert back == replace(report, head=replace(HEAD, id=7))
    assert isinstance(back, LabReport)
    found = back.results[0].measured.value
    assert type(found) is type(value)
    assert not isinstance(value, Decimal) or value.is_zero() or str(found) == str(value)


def test_exam_comes_back() -> None:
    exam = ImagingExam(HEAD, None, (ExamPart("CT", "CHEST", "L", "with"),), "1.2", "A1", "胸部", images=("https://a",))
    assert canonical.decode(True, canonical.encode(exam), 0) == exam
    assert canonical.decode_exam(canonical.encode_exam(exam)) == exam
    assert canonical.decode_head(canonical.encode_head(HEAD)) == HEAD


def test_key_of_the_registry_is_no_part_of_the_content() -> None:
    report = LabReport(HEAD, ())
    assert canonical.encode(replace(report, head=replace(HEAD, id=7))) == canonical.encode(report)
