"""The demo's hospital serves FHIR R4 that a pull takes whole, and keeps its reports to who bears its token."""

from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fixtures.hospital.archive import NotStored, upload
from fixtures.hospital.records import Records, holdings_of
from fixtures.hospital.server import Hospital
from fixtures.imaging import dicom_files
from fixtures.region import network_text
from service import cli
from tests.support.orthanc import PASSWORD, USER, Orthanc, free_port

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
HELD = holdings_of("changhe-central", 12, 1, NOW)


@pytest.fixture(scope="module")
def hospital() -> Iterator[Hospital]:
    """A hospital that asks for the token `word`, on a free port."""
    with Hospital(("127.0.0.1", 0), Records(HELD, 1, NOW), "word") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(hospital: Hospital, path: str, token: str = "word") -> tuple[int, Any]:
    """Status and JSON of a GET below the FHIR base."""
    url = urlsplit(hospital.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
    try:
        connection.request("GET", f"{url.path}/{path}", headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_pages_give_every_resource_once_in_the_order_of_change(hospital: Hospital) -> None:
    found: list[tuple[str, str]] = []
    path = "Observation?_sort=_lastUpdated&_count=7"
    for _ in range(200):
        status, page = ask(hospital, path)
        assert status == 200
        found += [(one["resource"]["meta"]["lastUpdated"], one["resource"]["id"]) for one in page.get("entry", ())]
        links = {one["relation"]: one["url"] for one in page["link"]}
        if "next" not in links:
            break
        path = links["next"].removeprefix(f"{hospital.url}/")
    assert len(found) == len(set(found)) == page["total"] > 14
    times = [datetime.fromisoformat(at) for at, _ in found]
    assert times == sorted(times)


def test_search_by_last_updated_gives_only_that_window(hospital: Hospital) -> None:
    since, until = NOW - timedelta(days=30), NOW - timedelta(days=10)
    query = f"_lastUpdated=ge{since:%Y-%m-%dT%H:%M:%SZ}&_lastUpdated=lt{until:%Y-%m-%dT%H:%M:%SZ}&_count=500"
    _, page = ask(hospital, f"DiagnosticReport?{query}")
    times = [datetime.fromisoformat(one["resource"]["meta"]["lastUpdated"]) for one in page["entry"]]
    assert times
    assert all(since <= one < until for one in times)


@pytest.mark.parametrize(
    ("path", "status"),
    [("Patient/nobody", 404), ("Medication", 404), ("Patient?_lastUpdated=yesterday", 400), ("Patient?_count=x", 400)],
)
def test_what_it_cannot_answer_is_an_operation_outcome(hospital: Hospital, path: str, status: int) -> None:
    answered, body = ask(hospital, path)
    assert (answered, body["resourceType"]) == (status, "OperationOutcome")


def test_without_the_token_nothing_is_told(hospital: Hospital) -> None:
    status, body = ask(hospital, "Patient", token="guess")
    assert (status, body["resourceType"]) == (401, "OperationOutcome")


def test_correction_appears_when_its_time_has_come() -> None:
    records = Records(HELD, 1, NOW)
    first = records.by_type["DiagnosticReport"][0]
    later = type(first)(first.updated + timedelta(days=1), first.id, b"{}")
    records.by_type["DiagnosticReport"] = sorted([first, later])
    assert records.read("DiagnosticReport", first.id, first.updated) is first
    assert records.changed("DiagnosticReport", None, later.updated) == [first]
    assert records.changed("DiagnosticReport", None, later.updated + timedelta(seconds=1)) == [later]


@pytest.mark.slow
def test_pull_takes_all_of_it_and_a_second_one_nothing_new(
    hospital: Hospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("word\n")
    (tmp_path / "network.toml").write_text(network_text(NOW.date()), "utf-8")
    (tmp_path / "testonce.toml").write_text(
        'home = "home"\n[[source]]\nname = "central"\nkind = "fhir"\ninstitution = "changhe-central"\n'
        f'address = "{hospital.url}"\n'
        f'credentials = {{ kind = "bearer", secrets = {{ token = {{ file = "{tmp_path / "token"}" }} }} }}\n'
    )
    for name in [one for one in os.environ if one.startswith("TESTONCE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TESTONCE_CONFIG", str(tmp_path / "testonce.toml"))
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        told = capsys.readouterr()
        assert not ended.value.code, told.err
        return told.out

    run("init")
    run("network", "load", str(tmp_path / "network.toml"))
    held = sum(len({one.id for one in versions if one.updated < NOW}) for versions in hospital.records.by_type.values())
    first, second = (dict(zip(*(line.split() for line in run("pull").splitlines()[:2]), strict=True)) for _ in range(2))
    assert int(first["received"]) == int(first["new"]) == held
    assert (second["new"], second["updated"], second["rejected"]) == ("0", "0", "0")


@pytest.mark.slow
def test_images_come_into_the_archive_and_stay_one_each_when_sent_again(empty_orthanc: Orthanc) -> None:
    exams = [files for case in HELD.exams if (files := list(dicom_files(case)))]
    assert exams
    for _ in range(2):
        assert upload(HELD, empty_orthanc.rest, USER, PASSWORD) == sum(map(len, exams))
    with empty_orthanc.client() as client:
        assert client.get("/statistics").json()["CountStudies"] == len(exams)
        assert client.get("/statistics").json()["CountInstances"] == sum(map(len, exams))


@pytest.mark.slow
def test_archive_that_refuses_or_is_not_there_is_named(empty_orthanc: Orthanc) -> None:
    with pytest.raises(NotStored, match="wrong user or password"):
        upload(HELD, empty_orthanc.rest, USER, "guess")
    with pytest.raises(NotStored, match="cannot be reached"):
        upload(HELD, f"http://127.0.0.1:{free_port()}", patience=0)
