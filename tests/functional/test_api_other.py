"""Reference data, reports, health, metrics, OpenAPI from outside."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import text

from service.ingest.port import ConsentFacts
from service.registry.ingest_store import SqlIngestStore
from service.security.caller import Role
from tests.support.serving import ISSUER, REPORT_BYTES, World, assert_problem


def link(world: World) -> str:
    """The path of the laboratory report as the decision links it."""
    (order,) = world.match("58410-2")["orders"]
    url: str = order["candidates"][0]["retrieve"]["report"]
    return url.removeprefix(world.settings.public_url)


def test_report_is_served_byte_for_byte_and_audited(any_world: World) -> None:
    answer = any_world.client.get(link(any_world), headers=any_world.headers())
    assert answer.status_code == 200
    assert answer.content == REPORT_BYTES
    assert answer.headers["content-type"] == "application/fhir+json"
    with any_world.parts.database.read() as conn:
        last = conn.execute(text("SELECT action, subject FROM audit ORDER BY seq DESC LIMIT 1")).one()
    assert tuple(last) == ("report:content:read", "Report/1")


def test_report_needs_a_decision_of_the_own_institution(world: World) -> None:
    path = link(world)
    bare, _, _ = path.partition("?")
    other = world.match("CT.CHEST")["decisionId"]
    assert_problem(world.client.get(path, headers=world.headers("third-hospital")), 404, "not-found")
    assert_problem(world.client.get(path, headers=world.headers(role=Role.AUDITOR)), 403, "not-permitted")
    assert_problem(world.client.get(bare, headers=world.headers()), 404, "not-found")
    assert_problem(world.client.get(f"{bare}?decision={other}", headers=world.headers()), 404, "not-found")
    assert_problem(world.client.get(path), 401, "not-authenticated")


def test_report_replaced_since_is_not_served(world: World) -> None:
    path = link(world)
    with world.parts.database.write() as conn:
        conn.execute(text("UPDATE report SET state = 'superseded' WHERE id = 1"))
    assert_problem(world.client.get(path, headers=world.headers()), 409, "contradiction")


def test_report_of_a_patient_who_has_refused_sharing_since_is_not_served(any_world: World) -> None:
    path = link(any_world)
    consent = ConsentFacts("Consent/1", "Patient/1", denies=True)
    for denies, status in ((False, 200), (True, 409)):
        with SqlIngestStore(any_world.parts.database, any_world.parts.keys).batch(ISSUER) as batch:
            batch.put_consents([replace(consent, denies=denies)])
        assert any_world.client.get(path, headers=any_world.headers()).status_code == status


def test_report_of_a_decision_that_no_longer_stands_is_not_served(world: World) -> None:
    path = link(world)
    with world.parts.database.write() as conn:
        conn.execute(text("UPDATE decision SET state = 'identity-invalidated'"))
    assert_problem(world.client.get(path, headers=world.headers()), 404, "not-found")


def test_catalogue_lists_items_and_panels(world: World) -> None:
    body = world.client.get("/api/v1/catalogue", headers=world.headers(role=Role.AUDITOR)).json()
    items = {one["id"]: one for one in body["items"]}
    assert items["718-7"]["unit"] == "g/L"
    assert items["CT.CHEST"]["modality"] == "CT"
    assert "718-7" in next(one for one in body["panels"] if one["id"] == "58410-2")["required"]
    one = world.client.get("/api/v1/catalogue/718-7", headers=world.headers()).json()
    assert one == items["718-7"]
    assert_problem(world.client.get("/api/v1/catalogue/none", headers=world.headers()), 404, "not-found")
    assert_problem(world.client.get("/api/v1/catalogue"), 401, "not-authenticated")


def test_institutions_say_what_certifies_them(world: World) -> None:
    body = world.client.get("/api/v1/institutions", headers=world.headers()).json()
    city = next(one for one in body["institutions"] if one["id"] == "city-hospital")
    assert (city["name"], city["regionName"]) == ("市医院", "吉林市")
    assert city["certificates"][0]["mark"] == "吉林市HR"


def test_ready_when_database_and_reference_are(any_world: World) -> None:
    assert any_world.client.get("/healthz").json() == {"status": "ok"}
    answer = any_world.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


def test_not_ready_without_a_network(world: World) -> None:
    with world.parts.database.write() as conn:
        conn.execute(text("DELETE FROM reference_file WHERE kind = 'network'"))
    world.parts.reference.forget()
    answer = world.client.get("/readyz")
    assert answer.status_code == 503
    assert "testonce network load" in answer.json()["checks"]["reference"]
    call = world.client.get("/api/v1/institutions", headers=world.headers())
    assert_problem(call, 503, "unavailable")


def test_metrics_count_routes_and_outcomes_without_ids(world: World) -> None:
    decision = world.match("58410-2")["decisionId"]
    world.client.get(f"/api/v1/decisions/{decision}", headers=world.headers())
    world.client.get("/api/v1/11010519491231002X", headers=world.headers())
    shown = world.client.get("/metrics").text
    assert 'testonce_requests_total{method="POST",route="/api/v1/match",status="200"}' in shown
    assert 'route="/api/v1/decisions/{decision_id}"' in shown
    assert 'route="unmatched",status="404"' in shown
    assert 'testonce_decisions_total{outcome="partial"}' in shown
    assert decision not in shown
    assert "11010519491231002X" not in shown


def test_openapi_describes_every_call_with_its_problems_and_an_example(world: World) -> None:
    schema = world.client.get("/openapi.json").json()
    match = schema["paths"]["/api/v1/match"]["post"]
    assert match["requestBody"]["content"]["application/json"]["example"]["orders"]
    assert match["security"] == [{"bearer": []}]
    assert {"200", "400", "401", "403", "413", "415", "503"} <= match["responses"].keys()
    assert {
        "/api/v1/decisions/{decision_id}", "/api/v1/decisions/{decision_id}/replay", "/api/v1/recognitions",
        "/api/v1/decisions/{decision_id}/events", "/api/v1/statistics", "/api/v1/catalogue", "/api/v1/institutions",
        "/api/v1/reports/{report_id}", "/healthz", "/readyz", "/cds-services", "/cds-services/testonce-order-sign",
    } <= schema["paths"].keys()  # fmt: skip
    assert "security" not in schema["paths"]["/healthz"]["get"]


def test_every_call_but_the_open_ones_needs_a_token(world: World) -> None:
    schema = world.client.get("/openapi.json").json()
    open_to_all = {"/healthz", "/readyz", "/cds-services"}
    closed = [(path, one) for path, methods in schema["paths"].items() for one in methods if path not in open_to_all]
    assert len(closed) >= 13
    for path, method in closed:
        assert_problem(world.client.request(method.upper(), path, json={}), 401, "not-authenticated")


def test_example_of_openapi_is_a_request_that_is_answered(world: World) -> None:
    schema = world.client.get("/openapi.json").json()
    example = schema["paths"]["/api/v1/match"]["post"]["requestBody"]["content"]["application/json"]["example"]
    answer = world.client.post("/api/v1/match", json=example, headers=world.headers())
    assert answer.status_code == 200, answer.text


def test_unforeseen_error_says_nothing_of_its_inside(world: World, caplog: object) -> None:
    class Broken:
        def prepare(self, *_: object) -> None:
            raise RuntimeError("11010519491231002X")

    import dataclasses

    from service.api.app import create_app
    from tests.support.serving import Client, match_body

    parts = dataclasses.replace(world.parts, desk=Broken())  # type: ignore[arg-type]
    client = Client(create_app(parts))
    answer = client.post("/api/v1/match", json=match_body(), headers=world.headers())
    client.close()
    assert_problem(answer, 500, "internal")
    assert "11010519491231002X" not in answer.text
    assert "11010519491231002X" not in caplog.text  # type: ignore[attr-defined]
    assert "RuntimeError" in caplog.text  # type: ignore[attr-defined]


def test_pace_of_the_settings_answers_429_with_retry_after(sqlite_url: str, tmp_path: object) -> None:
    from tests.support.serving import match_body, serve

    with serve(tmp_path / "home", sqlite_url, rate_limit=2) as world:  # type: ignore[operator]
        answers = [world.client.post("/api/v1/match", json=match_body(), headers=world.headers()) for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
        assert int(assert_problem(answers[2], 429, "too-many-requests")["status"]) == 429
        assert int(answers[2].headers["retry-after"]) >= 1
