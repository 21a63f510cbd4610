"""Audit or no answer: what cannot be written down is not said."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from service.security.caller import Role
from tests.support.cds import order_sign
from tests.support.serving import World, assert_problem, match_body


def break_audit(world: World) -> None:
    with world.parts.database.write() as conn:
        if world.parts.database.is_sqlite:
            conn.execute(text("CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"))
        else:
            conn.execute(
                text(
                    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
                )
            )
            conn.execute(text("CREATE TRIGGER no_audit BEFORE INSERT ON audit EXECUTE FUNCTION refuse()"))


def test_no_endpoint_discloses_anything_while_the_audit_log_cannot_be_written(any_world: World) -> None:
    world = any_world
    made = world.match("58410-2", "CT.CHEST")
    path = f"/api/v1/decisions/{made['decisionId']}"
    choice = {"decisionId": made["decisionId"], "orderId": "o1", "action": "recognised"}
    report = made["orders"][0]["candidates"][0]["retrieve"]["report"].partition("/api")[2]
    auditor = world.headers(role=Role.AUDITOR)
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/api/v1/match", {"json": match_body()}),
        ("GET", path, {}),
        ("POST", f"{path}/replay", {}),
        ("POST", f"{path}/events", {"json": {"orderId": "o1", "event": "shown"}}),
        ("POST", "/api/v1/recognitions", {"json": choice}),
        ("GET", "/api/v1/recognitions", {"headers": auditor}),
        ("GET", "/api/v1/statistics", {"headers": auditor}),
        ("GET", f"/api{report}", {}),
        ("POST", "/cds-services/testonce-order-sign", {"json": order_sign("58410-2")}),
    ]
    for method, where, more in calls:
        answer = world.client.request(method, where, **{"headers": world.headers(), **more})
        assert answer.status_code < 300, (where, answer.text)
    break_audit(world)
    for method, where, more in calls:
        if where == "/api/v1/recognitions" and method == "POST":  # the order above is recorded: take the other
            more = {"json": choice | {"orderId": "o2"}}
        answer = world.client.request(method, where, **{"headers": world.headers(), **more})
        body = assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert set(body) == {"type", "title", "status", "detail"}
        assert "6.30" not in answer.text


def test_nothing_is_stored_of_a_call_that_could_not_be_audited(any_world: World) -> None:
    break_audit(any_world)
    answer = any_world.client.post("/api/v1/match", json=match_body(), headers=any_world.headers())
    assert_problem(answer, 503, "unavailable")
    with any_world.parts.database.read() as conn:
        for table in ("decision", "prompt", "audit", "audit_head"):
            assert conn.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0


@pytest.mark.parametrize("table", ["decision", "prompt", "recognition", "audit", "order_event"])
def test_no_table_holds_the_patient_in_plain(world: World, table: str) -> None:
    made = world.match("58410-2")
    choice = {"decisionId": made["decisionId"], "orderId": "o1", "action": "recognised", "note": "李敏 再查"}
    world.client.post("/api/v1/recognitions", json=choice, headers=world.headers())
    with world.parts.database.read() as conn:
        stored = repr([tuple(row) for row in conn.execute(text(f"SELECT * FROM {table}"))])
    assert "11010519491231002X" not in stored
    assert "李敏" not in stored
