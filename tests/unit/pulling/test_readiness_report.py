"""What of a patient stands in a readiness report: next to nothing."""

from __future__ import annotations

import pytest

from service.domain.person import PatientFacts
from service.domain.report import ItemResult, LabReport, Measured, ReportHead, Status
from service.ingest.port import IndexedReport
from service.pulling.readiness_report import mask_name, mask_number, patient_words, report_row


@pytest.mark.parametrize(("name", "masked"), [
    ("李敏", "李*"), ("欧阳娜娜", "欧*"), ("李", "*"), ("", "*"), (" Smith, John ", "S*"),
])  # fmt: skip
def test_of_a_name_its_first_character_stays(name: str, masked: str) -> None:
    assert mask_name(name) == masked


@pytest.mark.parametrize(("number", "masked"), [
    ("11010519491231002X", "****002X"), ("12345678", "****5678"), ("1234567", "****"), ("", "****"),
])  # fmt: skip
def test_of_a_number_its_last_four_stay_where_as_many_are_hidden(number: str, masked: str) -> None:
    assert mask_number(number) == masked


def test_a_patient_without_a_name_or_unknown_is_masked_too() -> None:
    assert patient_words(PatientFacts("Patient/1", "000123456")) == "* ****3456"
    assert patient_words(None) == "?"


def lab(measured: Measured) -> IndexedReport:
    head = ReportHead("h", "1", "DiagnosticReport/1", Status.FINAL, "h")
    result = ItemResult("718-7", Status.FINAL, None, measured, codes=(("s", "HGB"),))
    return IndexedReport("DiagnosticReport/1", "Patient/1", LabReport(head, (result,)))


@pytest.mark.parametrize(("measured", "shown"), [
    (Measured("13.2", "g/dL"), "HGB → 718-7 (13.2 g/dL)"), (Measured("<0.5", None), "HGB → 718-7 (<0.5)"),
    (Measured("李敏 13.2", "g/dL"), "HGB → 718-7 (text)"), (Measured(), "HGB → 718-7 (no value)"),
    (Measured("110105194912310021", None), "HGB → 718-7 (text)"),
])  # fmt: skip
def test_only_numbers_of_a_result_are_shown(measured: Measured, shown: str) -> None:
    assert report_row(lab(measured), None, None)[-1] == shown
