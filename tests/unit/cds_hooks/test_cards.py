"""Cards, from a decision's JSON alone."""

from __future__ import annotations

from typing import Any

from service.cds_hooks.cards import make_cards
from service.reference.catalogue_file import package_catalogue
from tests.support.cds import check_response, draft, order_sign

DECISION = "019aa000-0000-7000-8000-000000000000"


def answer(decision: str = "reusable", repeat: tuple[str, ...] = (), **candidate: Any) -> dict[str, Any]:
    """A decision on a blood count with haemoglobin on offer."""
    result = {"item": "718-7", "value": 132, "unit": "g/L", "interpretation": "N", "referenceRange": "115-150",
              "mark": "全国HR", "performedAt": "2026-11-20T08:00:00+08:00"}  # fmt: skip
    found = {
        "report": "DiagnosticReport/1", "institutionName": "市医院", "mark": "全国HR", "ageHours": 49.5,
        "performedAt": "2026-11-20T08:00:00+08:00", "results": [result],
        "retrieve": {"report": "https://t/api/v1/reports/1", "images": None}, **candidate,
    }  # fmt: skip
    order = {
        "id": "d1", "decision": decision, "summary": {"zh": "可复用" * 80, "en": "Reuse"}, "candidates": [found],
        "reuse": [{"item": "718-7", "decision": decision if decision != "partial" else "reusable", "candidate": 0}],
        "repeat": [{"item": one, "reasons": []} for one in repeat], "reasons": [],
    }  # fmt: skip
    return {"decisionId": DECISION, "orders": [order]}


def cards(given: dict[str, Any], lang: str = "zh", **more: Any) -> list[dict[str, Any]]:
    """Its cards, checked against the specification."""
    made = make_cards(given, {"d1": draft("58410-2") | more}, package_catalogue(), lang)
    check_response({"cards": made}, order_sign("58410-2"))
    return made


def test_card_says_value_unit_range_date_age_hospital_and_mark() -> None:
    (card,) = cards(answer())
    row = card["detail"].splitlines()[2].replace("\\", "")
    assert row == "| 血红蛋白 | 132 g/L (N, 参考 115-150) | 2026-11-20 08:00 (2 天前) | 市医院 | 全国HR |"


def test_long_summary_is_cut_below_the_limit() -> None:
    assert len(cards(answer())[0]["summary"]) == 139


def test_several_items_left_become_one_order_each() -> None:
    (card,) = cards(answer("partial", ("777-3", "6690-2")), "en")
    kinds = [(one["type"], one["resource"]["code"]["coding"][0]["code"]) for one in card["suggestions"][0]["actions"]]
    assert kinds == [("update", "777-3"), ("create", "6690-2")]


def test_nothing_disclosed_shows_no_value_and_no_link() -> None:
    (card,) = cards(answer("review", report=None, retrieve={"report": None, "images": None}))
    assert "132" not in card["detail"]
    assert "links" not in card
    assert card["suggestions"][0]["isRecommended"] is False


def test_draft_without_an_id_gets_no_suggestion() -> None:
    drafts = draft("58410-2")
    del drafts["id"]
    (card,) = make_cards(answer(), {"d1": drafts}, package_catalogue(), "zh")
    assert "suggestions" not in card
    assert "selectionBehavior" not in card


def test_link_of_another_kind_is_left_out() -> None:
    (card,) = cards(answer(retrieve={"report": "javascript:alert(1)", "images": "https://pacs/1"}))
    assert [one["url"] for one in card["links"]] == ["https://pacs/1"]


def test_name_of_a_hospital_cannot_become_markup() -> None:
    (card,) = cards(answer(institutionName="a|b <img src=x> [x](y)"))
    assert "<img" not in card["detail"]
    assert "a\\|b" in card["detail"]
