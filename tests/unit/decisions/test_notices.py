"""Who is told what of a decision that no longer stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from service.decisions.notices import _TEXTS, CHANGED, WRONG_PERSON, Replaced, Shown, notice_rows

BLOOD = [
    {"item": "718-7", "issuer": "city", "report": "DiagnosticReport/1", "reportId": 1, "amount": "3"},
    {"item": "777-3", "issuer": "county", "report": None, "reportId": 2},
]
OLD = Replaced("d1", "req", 7, True, [Shown("o1", msgspec.json.encode(BLOOD).decode())], "d2", {"o1": "[]"})


def told(old: Replaced) -> dict[str, dict[str, Any]]:
    return {row["institution"]: row | {"body": msgspec.json.decode(row["body"])} for row in notice_rows(old)}


def recognising(*items: str, **more: Any) -> Replaced:
    return replace(OLD, shown=[replace(OLD.shown[0], recognised=frozenset(items))], **more)


def test_requester_sees_all_items_and_each_issuer_its_own() -> None:
    rows = told(OLD)
    assert {who: [one["item"] for one in row["body"]["items"]] for who, row in rows.items()} == {
        "req": ["718-7", "777-3"], "city": ["718-7"], "county": ["777-3"],
    }  # fmt: skip
    assert {who: row["body"]["as"] for who, row in rows.items()} == {
        "req": "requester", "city": "issuer", "county": "issuer",
    }  # fmt: skip


def test_issuer_learns_neither_the_order_nor_who_else_issued() -> None:
    assert told(OLD)["city"]["body"]["items"][0].keys() == {"item", "report", "recognised", "stillOffered"}


def test_only_whose_result_was_recognised_is_told_of_a_wrong_person() -> None:
    rows = told(recognising("718-7"))
    assert {who: row["kind"] for who, row in rows.items()} == {
        "req": WRONG_PERSON, "city": WRONG_PERSON, "county": CHANGED,
    }  # fmt: skip


def test_recognition_on_a_decision_that_was_not_wrong_is_no_harm() -> None:
    assert {row["kind"] for row in told(recognising("718-7", was_wrong=False)).values()} == {CHANGED}


def test_own_result_makes_one_notice() -> None:
    own = [one | {"issuer": "req"} for one in BLOOD]
    rows = notice_rows(replace(OLD, shown=[Shown("o1", msgspec.json.encode(own).decode())]))
    assert [row["institution"] for row in rows] == ["req"]


def test_requester_is_told_even_where_nothing_was_offered() -> None:
    assert [row["institution"] for row in notice_rows(replace(OLD, shown=[]))] == ["req"]


@pytest.mark.parametrize(("offers", "expected"), [
    (None, None), ({}, False), ({"o1": "[]"}, False), ({"o1": '[{"item":"718-7","reportId":1}]'}, True),
    ({"o1": '[{"item":"718-7","reportId":9}]'}, False), ({"o2": '[{"item":"718-7","reportId":1}]'}, False),
])  # fmt: skip
def test_still_offered_means_the_same_report_for_the_same_item_of_the_order(offers: Any, expected: Any) -> None:
    assert told(replace(OLD, offers=offers))["city"]["body"]["items"][0]["stillOffered"] is expected


def test_every_kind_has_words_for_every_reader_in_both_languages() -> None:
    assert set(_TEXTS) == {(kind, reader) for kind in (WRONG_PERSON, CHANGED) for reader in ("requester", "issuer")}
    assert all(zh and en for zh, en in _TEXTS.values())
