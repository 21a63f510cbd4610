"""The answer as the contract writes it (section 4)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from service.decisions.render import render_decision, render_value, render_when
from service.domain.decision import Decision
from service.domain.report import ExamPart, Measured
from tests.support.matching import (
    NETWORK,
    NOW,
    ZONE,
    ago,
    chest,
    decide,
    exam,
    head,
    lab,
    order,
    parse_when,
    policy,
)  # fmt: skip

URL = "https://registry.example/"


def render(decision: Decision) -> dict[str, Any]:
    return render_decision(decision, policy(), decision_id="d1", decided_at=NOW, ordered_at=NOW, public_url=URL)


def candidate(decision: Decision) -> dict[str, Any]:
    return render(decision)["orders"][0]["candidates"][0]


def test_answer_has_the_contract_s_fields():
    answer = render(decide(lab()))
    assert answer.keys() == {"decisionId", "decidedAt", "policyVersion", "patient", "orders", "savings"}
    assert answer["decidedAt"] == "2026-11-22T10:00:00.000+08:00"
    assert answer["patient"] == {"match": "confirmed"}
    assert answer["savings"] == {"amount": 5, "currency": "CNY", "doseMSv": 0}
    (one,) = answer["orders"]
    assert one.keys() >= {"id", "decision", "summary", "reuse", "repeat", "reasons", "candidates"}
    assert one["reuse"] == [{"item": "718-7", "decision": "reusable", "candidate": 0}]
    assert one["candidates"][0].keys() >= {
        "report", "institution", "institutionName", "mark", "performedAt", "ageHours", "windowHours", "verdict",
        "reasons", "results", "retrieve",
    }  # fmt: skip


def test_candidate_tells_hospital_mark_age_and_window():
    shown = candidate(decide(lab(performed=ago(hours=53.2))))
    assert (shown["institution"], shown["institutionName"], shown["mark"]) == ("city-hospital", "市医院", "全国HR")
    assert (shown["ageHours"], shown["windowHours"], shown["verdict"]) == (53.2, 168, "reusable")


def test_value_is_in_the_item_s_unit_and_reported_as_written():
    result = lab(value=Decimal("132.0"), reported="13.20", unit="g/dL", interpretation=("N",), reference_range="1-9")
    shown = candidate(decide(result))["results"][0]
    assert (shown["value"], shown["unit"]) == (132, "g/L")
    assert shown["reported"] == {"value": "13.20", "unit": "g/dL"}
    assert (shown["interpretation"], shown["referenceRange"]) == ("N", "1-9")


def test_value_of_an_unknown_unit_is_shown_only_as_reported():
    shown = candidate(decide(lab(value=None, reported="13.2", unit="个")))["results"][0]
    assert (shown["value"], shown["unit"], shown["reported"]) == (None, None, {"value": "13.2", "unit": "个"})


@pytest.mark.parametrize(
    ("measured", "shown"),
    [
        (Measured("6.30", "mmol/L", Decimal("6.30")), 6.3), (Measured("132", "g/L", Decimal(132)), 132),
        (Measured("<0.5", "ng/mL", Decimal("0.5"), "<"), "<0.5"),
        (Measured(">=1000", "", Decimal(1000), ">="), ">=1000"),
        (Measured("阴性", None, "阴性"), "阴性"), (Measured("5", "?"), None), (Measured(), None),
    ],
)  # fmt: skip
def test_censored_value_is_never_a_bare_number(measured: Measured, shown: object):
    assert render_value(measured) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-20T02:00:00Z", "2026-11-20T10:00:00+08:00"), ("2026-11-20", "2026-11-20"), ("2026-11", "2026-11"),
        ("2026", "2026"), ("9999-12-31T20:00:00Z", "9999-12-31T20:00:00+00:00"),
    ],
)  # fmt: skip
def test_time_is_told_no_more_exactly_than_it_is_known(text: str, shown: str):
    assert render_when(parse_when(text, ZONE), NETWORK) == shown


def test_date_without_a_day_has_no_age():
    assert candidate(decide(lab(performed="2026-11")))["ageHours"] is None


def test_links_lead_to_report_and_images():
    shown = candidate(decide(chest(study_uid="1.2.3", report=head(number="R1")), orders=(order("CT.CHEST"),)))
    assert shown["retrieve"]["report"].startswith("https://registry.example/api/v1/reports/")
    assert shown["retrieve"]["images"] == "https://pacs.example/wado/studies/1.2.3"


def test_exam_without_images_has_no_link_to_them():
    shown = candidate(decide(exam(ExamPart("CT", "CHEST", None, "without"), images=()), orders=(order("CT.CHEST"),)))
    assert shown["retrieve"]["images"] is None


def test_probable_record_shows_institution_item_and_date_only():
    known = lab(identity="probable", interpretation=("HH",), specimen_issues=("clotted",), reference_range="115-150")
    shown = candidate(decide(known))
    assert (shown["institution"], shown["results"][0]["item"]) == ("city-hospital", "718-7")
    assert shown["performedAt"] == "2026-11-20T10:00:00+08:00"
    assert (shown["report"], shown["retrieve"]) == (None, {"report": None, "images": None})
    assert [shown["results"][0][one] for one in ("value", "unit", "reported", "interpretation", "referenceRange")] == [
        None
    ] * 5
    assert [reason["code"] for reason in shown["reasons"]] == ["identity-probable"]


def test_reason_is_told_in_both_languages_with_rule_and_source():
    (reason,) = candidate(decide(lab(performed=ago(days=8))))["reasons"]
    assert (reason["code"], reason["severity"], reason["item"]) == ("outside-window", "block", "718-7")
    assert reason["text"].keys() == {"zh", "en"}
    assert (reason["rule"], bool(reason["source"])) == ("outside-window/1", True)
