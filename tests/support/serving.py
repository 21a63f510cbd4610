"""A small world served in-process: two hospitals, a patient with a blood count and a chest CT at the other one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.types import ASGIApp

from service.api.app import create_app
from service.bootstrap import open_parts
from service.cds_hooks.routes import routes
from service.domain.person import PatientFacts, PatientIdentifier
from service.domain.report import ExamPart, ImagingExam, ItemResult, LabReport, Measured, ReportHead, Status
from service.domain.times import moment
from service.edge.parts import Parts
from service.ingest.port import ConsentFacts, IndexedReport, StoredResource
from service.reference.catalogue_file import package_catalogue, package_files
from service.registry import reference_store
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.security.caller import Role
from service.security.keys import KeyRing
from service.settings import Settings

RESIDENT = "urn:oid:2.16.156.10011.1.3"
NUMBER = "11010519491231002X"
ISSUER, REQUESTER, OTHER = "city-hospital", "county-hospital", "third-hospital"
REPORT_BYTES = b'{"resourceType":"DiagnosticReport","id":"1","status":"final","note":"6.30"}'
NETWORK = """
[network]
name = "测试网"
timezone = "Asia/Shanghai"
[[region]]
code = "220200"
name = "吉林市"
[[institution]]
id = "city-hospital"
name = "市医院"
region = "220200"
[[institution]]
id = "county-hospital"
name = "县医院"
region = "220200"
[[institution]]
id = "third-hospital"
name = "第三医院"
region = "220200"
[[certificate]]
institution = "city-hospital"
items = ["*"]
scope = "region:220200"
valid_from = 2020-01-01
valid_to = 2099-12-31
[[price]]
institution = "county-hospital"
item = "58410-2"
amount = 20.0
[[price]]
institution = "county-hospital"
item = "CT.CHEST"
amount = 180.0
[[repeat_reason]]
code = "98"
maps_to = "images-not-available"
"""


class Client:
    """Asks an ASGI application without a socket."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://test")

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One call; `httpx.AsyncClient.request` says what `more` may be."""
        return self._runner.run(self._client.request(method, path, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **more)

    def get_all(self, paths: Iterable[str], **more: Any) -> list[httpx.Response]:
        """GETs at the same time."""

        async def ask() -> list[httpx.Response]:
            return await asyncio.gather(*(self._client.get(one, **more) for one in paths))

        return self._runner.run(ask())

    def post(self, path: str, **more: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **more)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Something else on the event loop of the application."""
        self._runner.run(work)

    def close(self) -> None:
        """Ends the event loop."""
        self._runner.run(self._client.aclose())
        self._runner.close()


@dataclass
class World:
    """What a functional test works with."""

    parts: Parts
    client: Client
    settings: Settings

    def headers(self, institution: str = REQUESTER, role: Role = Role.CLINICIAN, **more: str) -> dict[str, str]:
        """Headers with a fresh token."""
        return {"Authorization": f"Bearer {self.parts.tokens.issue(institution, role, 'dr-wang', 5)}", **more}

    def match(self, *codes: str, **more: Any) -> dict[str, Any]:
        """The answer for these orders, which must be given."""
        answer = self.client.post("/api/v1/match", json=match_body(*codes, **more), headers=self.headers())
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def match_body(*codes: str, **more: Any) -> dict[str, Any]:
    """A match request of the county hospital for the one patient."""
    patient = {
        "identifiers": [{"system": RESIDENT, "value": NUMBER}], "name": "李敏", "birthDate": "1949-12-31",
        "sex": "female",
    }  # fmt: skip
    orders = [
        {"id": f"o{n}", "code": {"system": "urn:testonce:item", "code": code}}
        for n, code in enumerate(codes or ("58410-2",), 1)
    ]
    return {"patient": patient, "orders": orders, **more}


def assert_problem(answer: Any, status: int, name: str) -> dict[str, Any]:
    """The one shape of an error (RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:testonce:problem:{name}"
    assert body["status"] == status
    assert body["title"]
    return body


def make_home(home: Path, url: str, **more: Any) -> Settings:
    """Settings, keys and reference data, as `testonce init` and `testonce network load` leave them."""
    settings = Settings(home=home, database_url=url, **more)
    KeyRing.generate().save(settings.resolved_keys_file)
    database = Database.open(url)
    with database.write() as conn:
        files = msgspec.json.encode(dict(package_files())).decode()
        reference_store.save(conn, "catalogue", package_catalogue().version, files)
        reference_store.save(conn, "network", hashlib.sha256(NETWORK.encode()).hexdigest()[:16], NETWORK)
    database.close()
    return settings


def load_reports(parts: Parts, now: datetime) -> None:
    """The blood count without platelets, two days old, and a chest CT, five days old, of the city hospital."""
    lab_at, exam_at = moment(now - timedelta(days=2)), moment(now - timedelta(days=5))
    members = [one for one in package_catalogue().panels["58410-2"].members if one != "777-3"]
    results = tuple(
        ItemResult(item, Status.FINAL, lab_at, Measured("6.30", "u", Decimal("6.30")), ("N",), "1-9")
        for item in members
    )
    head = ReportHead(ISSUER, "L1", "DiagnosticReport/1", Status.FINAL, ISSUER, None, lab_at, lab_at)
    exam_head = ReportHead(ISSUER, "E1", "DiagnosticReport/2", Status.FINAL, ISSUER, None, exam_at, exam_at)
    exam = ImagingExam(
        exam_head,
        exam_at,
        (ExamPart("CT", "CHEST", None, "without"),),
        "1.2.3",
        images=("https://pacs.example/dicomweb",),
    )
    with SqlIngestStore(parts.database, parts.keys).batch(ISSUER) as batch:
        document = batch.add_document("application/fhir+json", "report.json", REPORT_BYTES)
        source = StoredResource(
            "DiagnosticReport/1", hashlib.sha256(REPORT_BYTES).digest(), lab_at.start, 1, document, 0, len(REPORT_BYTES)
        )
        batch.put_resources([source])
        identifiers = (PatientIdentifier(RESIDENT, NUMBER, "RI"), PatientIdentifier("urn:city", "C1", "MR"))
        batch.put_patients([PatientFacts("Patient/1", "C1", ("李敏",), "1949-12-31", "female", identifiers)])
        batch.index_reports(
            [
                IndexedReport("DiagnosticReport/1", "Patient/1", LabReport(head, results), source),
                IndexedReport("DiagnosticReport/2", "Patient/1", exam, None),
            ]
        )


def refuse_at(parts: Parts, institution: str) -> None:
    """The patient registers at this hospital, and refuses sharing there."""
    identifiers = (PatientIdentifier(RESIDENT, NUMBER, "RI"),)
    with SqlIngestStore(parts.database, parts.keys, persons=parts.linker).batch(institution) as batch:
        batch.put_patients([PatientFacts("Patient/r", "R1", ("李敏",), "1949-12-31", "female", identifiers)])
        batch.put_consents([ConsentFacts("Consent/r", "Patient/r", denies=True)])


@contextmanager
def serve(home: Path, url: str, **more: Any) -> Iterator[World]:
    """The world, served."""
    settings = make_home(home, url, **more)
    parts = open_parts(settings)
    load_reports(parts, datetime.now(UTC))
    client = Client(create_app(parts, [routes(parts)]))
    try:
        yield World(parts, client, settings)
    finally:
        client.close()
        parts.close()


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    """The world on SQLite."""
    with serve(tmp_path / "home", sqlite_url) as served:
        yield served


@pytest.fixture
def any_world(database_url: str, tmp_path: Path) -> Iterator[World]:
    """The world, once on each database."""
    with serve(tmp_path / "home", database_url) as served:
        yield served
