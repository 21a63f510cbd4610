"""The match call from outside: what it answers, and how it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest

from service.security.caller import Role
from tests.support.serving import REQUESTER, RESIDENT, World, assert_problem, match_body


def test_panel_without_one_member_is_partial(world: World) -> None:
    answer = world.match("58410-2")
    (order,) = answer["orders"]
    assert answer["patient"]["match"] == "confirmed"
    assert order["decision"] == "partial"
    assert [one["item"] for one in order["repeat"]] == ["777-3"]
    assert order["candidates"][0]["mark"] == "吉林市HR"


def test_exam_with_images_is_reusable(world: World) -> None:
    (order,) = world.match("CT.CHEST")["orders"]
    assert order["decision"] == "reusable"
    (candidate,) = order["candidates"]
    assert candidate["retrieve"]["images"].startswith("https://pacs.example/")
    assert candidate["results"][0]["performedAt"] == candidate["performedAt"]


def test_answer_has_request_id_and_is_not_kept_by_caches(world: World) -> None:
    answer = world.client.post(
        "/api/v1/match", json=match_body(), headers=world.headers(**{"X-Request-Id": "order-77"})
    )
    assert answer.headers["x-request-id"] == "order-77"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("given", [None, "Basic abc", "Bearer", "Bearer x.y.z", "Bearer " + "a" * 5000])
def test_call_without_a_token_of_ours_is_401(world: World, given: str | None) -> None:
    answer = world.client.post("/api/v1/match", json=match_body(), headers={"Authorization": given} if given else {})
    assert_problem(answer, 401, "not-authenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_auditor_may_not_match(world: World) -> None:
    answer = world.client.post("/api/v1/match", json=match_body(), headers=world.headers(role=Role.AUDITOR))
    assert_problem(answer, 403, "not-permitted")


def test_institution_outside_the_network_may_not_match(world: World) -> None:
    answer = world.client.post("/api/v1/match", json=match_body(), headers=world.headers("nowhere"))
    assert_problem(answer, 403, "not-permitted")


DEEP = b'{"patient":' + b"[" * 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b"nonsense", b"[]", b"null", b"12", b'"text"', b"\xff\xfe{}", b'{"patient": NaN}',
        b'{"patient": 1e999}', b'{"patient":' + b"9" * 5000 + b"}", DEEP, DEEP + b"]" * 100_000 + b"}",
        b'{"orders":[{"id":"\\ud800"}]}', b'{"\\ud800": 1}', b'{"patient":{},"patient":{},"orders":[]}',
        b'{"patient":{"identifiers":[{"system":null,"value":123}]},"orders":[{"id":{},"code":[]}]}',
        b'{"patient":{"identifiers":[{"value":"\\u0000"}]},"orders":[{"id":"a\\u0000","code":{"code":"1"}}]}',
        b'{"orders":1.5}', b'{"orders":true}', b'{"orders":"o1"}', b'{"orders":{}}', b'{"orders":[1,null,[]]}',
    ],
    ids=range(24),
)  # fmt: skip
def test_body_that_cannot_be_used_is_400(world: World, body: bytes) -> None:
    answer = world.client.post(
        "/api/v1/match", content=body, headers=world.headers(**{"Content-Type": "application/json"})
    )
    assert_problem(answer, 400, "invalid-input")


@pytest.mark.parametrize("at", ["patient", "conditionChanged", "value"])
def test_key_given_twice_is_refused_though_the_last_one_would_do(world: World, at: str) -> None:
    text = json.dumps(match_body(encounter={"conditionChanged": False}))
    twice = re.sub(rf'"{at}": ', rf'"{at}": "another", "{at}": ', text, count=1).encode()
    headers = world.headers(**{"Content-Type": "application/json"})
    assert_problem(world.client.post("/api/v1/match", content=twice, headers=headers), 400, "invalid-input")


def test_every_fault_is_listed_with_its_place(world: World) -> None:
    body = {"patient": {"identifiers": []}, "orders": [{"id": "o1"}], "orderedAt": "yesterday"}
    answer = world.client.post("/api/v1/match", json=body, headers=world.headers())
    pointers = {one["pointer"] for one in assert_problem(answer, 400, "invalid-input")["errors"]}
    assert pointers == {"/patient/identifiers", "/orders/0", "/orderedAt"}


def test_body_larger_than_allowed_is_413_before_it_is_read(world: World) -> None:
    huge = b" " * (world.settings.max_body_bytes + 1)
    answer = world.client.post("/api/v1/match", content=huge, headers=world.headers())
    assert_problem(answer, 413, "too-large")


def test_body_sent_in_pieces_is_cut_off_at_the_limit(world: World) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(world.settings.max_body_bytes // 65536 + 2):
            yield b" " * 65536

    answer = world.client.post("/api/v1/match", content=pieces(), headers=world.headers())
    assert_problem(answer, 413, "too-large")


def test_body_of_another_media_type_is_415(world: World) -> None:
    answer = world.client.post("/api/v1/match", content=b"a=1", headers=world.headers(**{"Content-Type": "text/plain"}))
    assert_problem(answer, 415, "unsupported-media-type")


def test_wrong_method_and_unknown_path_are_problems_too(world: World) -> None:
    assert_problem(world.client.get("/api/v1/match", headers=world.headers()), 405, "method-not-allowed")
    assert_problem(world.client.get("/api/v1/nothing", headers=world.headers()), 404, "not-found")


def test_unknown_code_is_answered_not_refused(world: World) -> None:
    (order,) = world.match("NOBODY-KNOWS")["orders"]
    assert order["decision"] == "no-result"
    assert [one["code"] for one in order["reasons"]] == ["item-not-recognised"]


def test_answer_of_an_unknown_patient_says_no_result(world: World) -> None:
    body = match_body()
    body["patient"] = {"identifiers": [{"system": RESIDENT, "value": "440524188001010014"}]}
    answer = world.client.post("/api/v1/match", json=body, headers=world.headers()).json()
    assert answer["patient"]["match"] == "unknown"
    assert answer["orders"][0]["decision"] == "no-result"


def test_decision_can_be_read_and_replayed_by_its_institution_only(any_world: World) -> None:
    made = any_world.match("58410-2", "CT.CHEST")
    path = f"/api/v1/decisions/{made['decisionId']}"
    read = any_world.client.get(path, headers=any_world.headers())
    assert read.json()["answer"] == made
    replay = any_world.client.post(f"{path}/replay", headers=any_world.headers())
    assert replay.json()["same"] is True
    for call in (any_world.client.get(path, headers=any_world.headers("third-hospital")),
                 any_world.client.post(f"{path}/replay", headers=any_world.headers("third-hospital")),
                 any_world.client.get("/api/v1/decisions/..%00", headers=any_world.headers())):  # fmt: skip
        assert_problem(call, 404, "not-found")


def test_more_requests_than_allowed_at_once_are_503_before_any_work(world: World) -> None:
    world.client.app._in_flight = world.settings.max_in_flight  # type: ignore[attr-defined]
    answer = world.client.post("/api/v1/match", json=match_body(), headers=world.headers())
    assert_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert world.client.get("/healthz").status_code == 200


def test_token_of_another_installation_is_refused(world: World) -> None:
    from service.security.keys import KeyRing
    from service.security.tokens import Tokens

    token = Tokens(KeyRing.generate()).issue(REQUESTER, Role.ADMIN, "stranger", 5)
    answer = world.client.post("/api/v1/match", json=match_body(), headers={"Authorization": f"Bearer {token}"})
    assert_problem(answer, 401, "not-authenticated")
