"""Nothing that names a patient comes out where it is not the answer about that patient: not in what commands and the
server say, not in errors of any kind, metrics, the audit log, columns, file names or the bytes of files."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.fhir_reports import mrn_of
from fixtures.people import ID_SYSTEM, Person
from fixtures.region import network_text
from fixtures.stories import REQUESTER, XIE, ZHOU, add_stories
from fixtures.world import Holdings, make_world, write_world
from tests.support.watching import Watch

pytestmark = pytest.mark.slow


def secrets_of(world: dict[str, Holdings]) -> dict[str, str]:
    """Everything that names one of the people, by kind and a running number."""
    found: dict[str, str] = {}
    for held in world.values():
        for person in held.people.values():
            for kind, value in (
                ("number", person.number), ("name", person.name), ("phone", person.phone),
                ("birth", person.birth_date.isoformat()), ("birth", f"{person.birth_date:%Y%m%d}"),
                ("local", mrn_of(person, held.hospital)),
            ):  # fmt: skip
                found[f"{kind} {len(found)}"] = value
    return found


def hostile(person: Person) -> list[dict[str, Any]]:
    """Resources that cannot be used, each with a patient's data where it is refused."""
    name, number, born = person.name, person.number, person.birth_date.isoformat()
    patient = {"resourceType": "Patient", "id": "bad1"}
    return [
        {**patient, "birthDate": f"{born} {name}"},
        {**patient, "birthDate": [born], "name": name, "gender": number},
        {**patient, "identifier": {"system": ID_SYSTEM, "value": number}},
        {**patient, "id": f"{number} {name}", "identifier": [{"system": ID_SYSTEM, "value": number}]},
        {"resourceType": "Observation", "id": "bad2", "status": name, "subject": {"reference": f"Patient/{number}"}},
        {"resourceType": "DiagnosticReport", "id": "bad3", "status": "final", "issued": number, "subject": name},
        {"resourceType": name, "id": number},
    ]


@pytest.fixture
def region(tmp_path: Path) -> tuple[Watch, Path]:
    """A home, the files of a region, and what to look for."""
    now = datetime.now(UTC) + timedelta(hours=8)
    world = make_world(6, 11, now)
    add_stories(world, now)
    files = tmp_path / "files"
    write_world(world, files, 11)
    (tmp_path / "network.toml").write_text(network_text(now.date()), "utf-8")
    bad = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in hostile(ZHOU)]}
    (files / REQUESTER).mkdir(exist_ok=True)
    (files / REQUESTER / f"{ZHOU.name}-{ZHOU.number}.json").write_text(json.dumps(bad, ensure_ascii=False), "utf-8")
    (files / REQUESTER / "cut.json").write_text(json.dumps(hostile(XIE), ensure_ascii=False)[:-9], "utf-8")
    (files / REQUESTER / "lines.ndjson").write_text(f'{{"resourceType":"Patient","id":"{XIE.number}\n', "utf-8")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TESTONCE_")}
    return Watch(secrets_of(world), clean | {"TESTONCE_HOME": str(tmp_path / "home"), "COLUMNS": "200"}), files


def patient_of(person: Person, **more: Any) -> dict[str, Any]:
    identifier = {"system": ID_SYSTEM, "value": person.number}
    birth_date = person.birth_date.isoformat()
    return {"identifiers": [identifier], "name": person.name, "birthDate": birth_date, "sex": person.sex, **more}


def order(code: str = "58410-2", **more: Any) -> dict[str, Any]:
    return {"id": "o1", "code": {"system": "http://loinc.org", "code": code}, **more}


def refused(person: Person) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Calls that must fail, with a patient's data at the place of the fault."""
    number, name, born = person.number, person.name, person.birth_date.isoformat()
    match, given = "/api/v1/match", patient_of(person)
    for patient in (
        {**given, "birthDate": f"{born}T{number}"}, {**given, "sex": name}, {**given, "name": [name]},
        {**given, "identifiers": number}, {**given, "identifiers": [number]},
        {**given, "identifiers": [{"system": name, "value": [number]}]},
    ):  # fmt: skip
        yield "POST", match, {"json": {"patient": patient, "orders": [order()]}}
    yield "POST", match, {"json": {"patient": given, "orders": [order(laterality=name)]}}
    yield "POST", match, {"json": {"patient": given, "orders": [order()], "orderedAt": f"{born} {name}"}}
    yield "POST", match, {"json": {"patient": given, "orders": name}}
    yield "POST", match, {"content": json.dumps({"patient": given}, ensure_ascii=False).encode()[:-7]}
    yield "POST", match, {"content": name.encode("gb18030"), "headers": {"Content-Type": "text/plain"}}
    yield "POST", match, {"content": (name * 2_000_000).encode()}
    yield "DELETE", f"/api/v1/decisions/{number}", {}
    for path in (
        f"decisions/{number}",
        f"decisions/{name}/replay",
        f"reports/{number}",
        f"patients/{number}?name={name}",
    ):
        yield "GET", f"/api/v1/{path}", {}
    choice = {"decisionId": number, "orderId": name, "action": born, "items": [name], "note": number}
    yield "POST", "/api/v1/recognitions", {"json": choice}
    yield "POST", "/api/v1/recognitions", {"json": {**choice, "action": "repeated", "items": None}}
    yield "GET", f"/api/v1/statistics?from={born}&by={name}", {}
    hook = {"hook": "order-sign", "hookInstance": number, "context": {"userId": name, "patientId": number}}
    yield "POST", "/cds-services/testonce-order-sign", {"json": hook}
    prefetch = {"patient": {"resourceType": "Patient", "name": name, "birthDate": born, "identifier": number}}
    yield "POST", "/cds-services/testonce-order-sign", {"json": {**hook, "prefetch": prefetch}}


@contextmanager
def without(database: Path, table: str) -> Iterator[None]:
    """The database broken: a table is gone."""
    with sqlite3.connect(database, timeout=30) as conn:
        conn.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    try:
        yield
    finally:
        with sqlite3.connect(database, timeout=30) as conn:
            conn.execute(f"ALTER TABLE elsewhere RENAME TO {table}")


@contextmanager
def damaged(database: Path) -> Iterator[None]:
    """The database damaged: what is sealed of patients does not open, which nobody foresees."""
    with sqlite3.connect(database, timeout=30) as conn:
        conn.execute("CREATE TABLE kept AS SELECT id, facts FROM patient_record")
        conn.execute("UPDATE patient_record SET facts = x'0001'")
    try:
        yield
    finally:
        with sqlite3.connect(database, timeout=30) as conn:
            conn.execute(
                "UPDATE patient_record SET facts = (SELECT kept.facts FROM kept WHERE kept.id = patient_record.id)"
            )
            conn.execute("DROP TABLE kept")


def ask(watch: Watch, client: httpx.Client, person: Person) -> list[Any]:
    """Right questions and a choice; the answers name nobody either. Gives what was answered."""
    said = []
    for code in ("58410-2", "718-7", "1742-6"):
        answer = client.post("/api/v1/match", json={"patient": patient_of(person), "orders": [order(code)]})
        assert answer.status_code == 200
        watch.hear("answer", answer.content)
        found = answer.json()
        said.append((found["patient"], [(one["decision"], len(one["candidates"])) for one in found["orders"]]))
    choice = {"decisionId": answer.json()["decisionId"], "orderId": "o1", "action": "repeated", "reasons": ["other"]}
    note = f"{person.name} {person.phone} {person.number}"
    for _ in range(2):
        recorded = client.post("/api/v1/recognitions", json={**choice, "note": note})
        assert recorded.status_code in (200, 201)
        watch.hear("choice", recorded.content)
    return said


def break_and_ask(watch: Watch, client: httpx.Client, database: Path, person: Person) -> set[int]:
    """What a broken database makes of a right question."""
    statuses = set()
    for table in ("identifier", "patient_record", "result", "decision", "audit", "resource"):
        with without(database, table):
            answer = client.post("/api/v1/match", json={"patient": patient_of(person), "orders": [order()]})
        watch.hear("answer of a broken database", answer.content)
        statuses.add(answer.status_code)
    with damaged(database):
        answer = client.post("/api/v1/match", json={"patient": patient_of(person), "orders": [order()]})
    watch.hear("answer of a damaged database", answer.content)
    statuses.add(answer.status_code)
    return statuses


def test_no_patient_is_named_anywhere(region: tuple[Watch, Path], tmp_path: Path) -> None:
    watch, files = region
    home = tmp_path / "home"
    watch.run("init")
    watch.run("network", "load", str(tmp_path / "network.toml"))
    for folder in sorted(files.iterdir()):
        watch.run("load", "--institution", folder.name, str(folder), status=3 if folder.name == REQUESTER else None)
    watch.run("doctor")
    watch.run("match", "--institution", REQUESTER, "--patient-id", f"{ID_SYSTEM}|{ZHOU.number}", "--order", "58410-2")
    for wrong in ("x", f"{ZHOU.name}|{ZHOU.number}|", f"{ID_SYSTEM}|{ZHOU.number[:-1]}"):
        watch.run("match", "--institution", REQUESTER, "--patient-id", wrong, "--order", "9", status=None)
    token = watch.run("token", "--institution", REQUESTER).strip()
    auditor = watch.run("token", "--institution", REQUESTER, "--role", "auditor").strip()
    with watch.serving(tmp_path) as client:
        for headers in ({}, {"Authorization": f"Bearer {ZHOU.number}"}, {"Authorization": f"Bearer {auditor}"}):
            body = {"patient": patient_of(ZHOU), "orders": [order()]}
            watch.hear("answer to a stranger", client.post("/api/v1/match", json=body, headers=headers).content)
        client.headers["Authorization"] = f"Bearer {token}"
        before = ask(watch, client, ZHOU)
        statuses = set()
        for method, path, more in refused(XIE):
            answer = client.request(method, path, **more)
            statuses.add(answer.status_code)
            watch.hear(f"error {answer.status_code}", answer.content + str(answer.headers).encode())
        assert {400, 404, 405, 413} <= statuses
        assert not {200, 500} & statuses
        assert {500, 503} <= break_and_ask(watch, client, home / "testonce.db", XIE)
        with without(home / "testonce.db", "decision"):
            watch.run("load", "--institution", REQUESTER, str(files / REQUESTER), status=None)
        watch.run("keys", "rotate", "--settle", "0")
        assert ask(watch, client, ZHOU) == before
        assert before[0][0] == {"match": "confirmed"}
        watch.hear("metrics", client.get("/metrics").content)
        watch.hear(
            "recognitions", client.get("/api/v1/recognitions", headers={"Authorization": f"Bearer {auditor}"}).content
        )
    assert any(where == "server log" and b"unforeseen error" in said for where, said in watch.heard)
    watch.run("identity", "export", str(tmp_path / "persons.csv"), "--review", str(tmp_path / "pairs.csv"))
    watch.run("stats")
    watch.run("audit", "verify")
    assert watch.look_into_tables(f"sqlite:///{home / 'testonce.db'}") > 500
    watch.look_into(home)
    assert watch.found() == set()
    watch.hear("a proof that one would be seen", f"x{ZHOU.name}x {ZHOU.number} {ZHOU.phone} {ZHOU.birth_date}")
    assert {kind for _, kind in watch.found()} == {"number", "name", "phone", "birth"}
