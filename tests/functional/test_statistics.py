"""Counts from outside: they reconcile, and say who asked."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from service.security.caller import Role
from tests.support.serving import World, assert_problem, match_body

PATH = "/api/v1/statistics"


def answered(world: World, code: str, **choice: Any) -> None:
    decision = world.match(code)
    if choice:
        body = {"decisionId": decision["decisionId"], "orderId": "o1"} | choice
        assert world.client.post("/api/v1/recognitions", json=body, headers=world.headers()).status_code == 201


@pytest.fixture
def counted(any_world: World) -> World:
    answered(any_world, "718-7", action="recognised")
    answered(any_world, "58410-2", action="recognised", items=["718-7", "6690-2"])
    answered(any_world, "CT.CHEST", action="repeated", reasons=["images-not-available"])
    answered(any_world, "CT.CHEST", action="recognised")
    answered(any_world, "CT.CHEST", action="repeated", reasons=["quality-doubt"])
    answered(any_world, "CT.CHEST")
    answered(any_world, "777-3")  # no result: no prompt
    stranger = match_body("718-7") | {"patient": match_body()["patient"] | {"birthDate": "1949-12-30"}}
    conflict = any_world.client.post("/api/v1/match", json=stranger, headers=any_world.headers()).json()
    assert conflict["orders"][0]["decision"] == "review"  # nothing offered: no prompt
    return any_world


def ask(world: World, by: str = "", role: Role = Role.AUDITOR, **more: str) -> dict[str, Any]:
    params = {"by": by, **{key.rstrip("_"): value for key, value in more.items()}}
    answer = world.client.get(PATH, params=params, headers=world.headers(role=role))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_counts_reconcile_and_leave_excluded_reasons_out_of_the_rate(counted: World) -> None:
    total = ask(counted)["total"]
    assert (total["prompts"], total["recognised"], total["repeated"], total["unanswered"]) == (6, 3, 2, 1)
    assert total["reasons"] == {"images-not-available": 1, "quality-doubt": 1}
    panel_items = total["itemsOffered"] - 5
    assert total["itemsRecognised"] == 4
    assert total["itemsAnswered"] == 1 + panel_items + 2
    assert total["rate"] == round(4 / total["itemsAnswered"], 4)
    assert total["amount"] == 180.0
    assert total["doseMSv"] > 0


@pytest.mark.parametrize("by", ["issuer", "requester", "item", "kind", "month", "day", "reason", "mark", "kind,mark"])
def test_every_group_adds_up(counted: World, by: str) -> None:
    answer = ask(counted, by)
    assert answer["rows"]
    for row in answer["rows"]:
        assert row["recognised"] + row["repeated"] + row["unanswered"] == row["prompts"]
    whole = ("prompts", "unanswered") if by not in ("item", "reason") else ()
    for key in ("itemsOffered", "itemsRecognised", "amount", *whole):
        if by != "reason":
            assert sum(row[key] for row in answer["rows"]) == pytest.approx(answer["total"][key])


def test_period_counts_days_of_the_network_zone(counted: World) -> None:
    (day,) = {row["day"] for row in ask(counted, "day")["rows"]}
    assert ask(counted, from_=day, to=day)["total"]["prompts"] == 6
    assert ask(counted, from_=f"{day}T00:00:00+08:00")["total"]["prompts"] == 6
    bare = counted.client.get(f"{PATH}?from={day}T00:00:00+08:00", headers=counted.headers(role=Role.AUDITOR))
    assert bare.json()["total"]["prompts"] == 6  # a plus that was not escaped arrives as a blank
    assert ask(counted, from_="2001-01-01", to="2001-01-02")["total"]["prompts"] == 0


def test_csv_has_the_same_rows(counted: World) -> None:
    headers = counted.headers(role=Role.AUDITOR, Accept="text/csv")
    answer = counted.client.get(PATH, params={"by": "kind"}, headers=headers)
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["kind"], row["prompts"]) for row in rows] == [("imaging", "4"), ("lab", "2")]
    assert rows[0]["reasons"] == "images-not-available=1;quality-doubt=1"


def test_clinician_sees_the_own_institution_only(counted: World) -> None:
    assert ask(counted, role=Role.CLINICIAN)["total"]["prompts"] == 6
    answer = counted.client.get(PATH, headers=counted.headers("third-hospital"))
    assert answer.json()["total"]["prompts"] == 0


@pytest.mark.parametrize("params", [{"by": "patient"}, {"from": "soon"}, {"from": "2026-02-01", "to": "2026-01-01"}])
def test_faulty_question_is_400(world: World, params: dict[str, str]) -> None:
    answer = world.client.get(PATH, params=params, headers=world.headers(role=Role.AUDITOR))
    assert_problem(answer, 400, "invalid-input")
