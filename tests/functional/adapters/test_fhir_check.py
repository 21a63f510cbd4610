"""What `check` finds out about a FHIR server, and the ways in: SMART Backend Services, client credentials, headers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.ingest.source import Fatal, Level, Readiness, SourceConfig, SourceError
from tests.support.fhir_pulling import config_of, fill, pull, result, source_of
from tests.support.fhir_server import FhirServer

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with FhirServer() as started:
        yield started


def checked(config: SourceConfig) -> Readiness:
    source = source_of(config)
    try:
        return source.check()
    finally:
        source.close()


def level_of(readiness: Readiness, name: str) -> Level:
    return max((one.level for one in readiness.findings if one.name == name), key=list(Level).index)


def test_sound_server_is_ready_and_shows_its_newest_reports_with_their_parts(server: FhirServer) -> None:
    fill(server, 9)
    found = checked(config_of(server.url))
    assert found.is_ready
    assert found.software == "Fake FHIR 1"
    assert {"DiagnosticReport/r1", "Patient/p1", "Observation/o8"} <= {one.key for one in found.sample}
    assert found.capabilities["Observation"] == ["history-type", "read", "search-type"]
    assert level_of(found, "transport") is Level.WARNING  # no TLS
    assert {level_of(found, name) for name in ("version", "types", "clock", "changes", "sample")} == {Level.OK}


def test_sample_is_never_more_than_twenty_records(server: FhirServer) -> None:
    fill(server, 40)
    assert len(checked(config_of(server.url, {"page": 100})).sample) == 20


def test_server_without_reports_is_not_ready(server: FhirServer) -> None:
    server.faults.undeclared = {"DiagnosticReport"}
    found = checked(config_of(server.url))
    assert not found.is_ready
    assert any("DiagnosticReport" in one.text for one in found.findings if one.level is Level.PROBLEM)


@pytest.mark.parametrize(
    ("fault", "value", "name"),
    [
        ("without_last_updated", True, "lastUpdated"),
        ("unordered", True, "order"),
        ("passed_over", {"_lastUpdated"}, "changes"),
    ],
)
def test_what_makes_pulling_dear_is_a_warning(server: FhirServer, fault: str, value: Any, name: str) -> None:
    fill(server, 6)
    server.put(result(0), server.store.get("Patient/p1").at)  # type: ignore[union-attr]
    setattr(server.faults, fault, value)
    found = checked(config_of(server.url, {"page": 50}))
    assert found.is_ready
    assert level_of(found, name) is Level.WARNING


def test_search_that_is_refused_is_a_problem_with_its_remedy(server: FhirServer) -> None:
    fill(server, 2)
    server.faults.refused = {"_lastUpdated"}
    found = checked(config_of(server.url))
    assert not found.is_ready


def test_server_that_is_not_there_is_said(server: FhirServer) -> None:
    with pytest.raises(SourceError) as caught:
        checked(config_of("http://127.0.0.1:9/fhir"))
    assert caught.value.code == "unreachable"


def test_smart_backend_client_signs_for_itself_and_renews_what_was_revoked(server: FhirServer) -> None:
    fill(server, 6)
    key = ec.generate_private_key(ec.SECP384R1())
    server.tokens.keys["testonce"] = key.public_key()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    secrets = {"client_id": "testonce", "private_key": private}
    options = {"token_hosts": [server.origin], "scope": "system/*.rs"}
    config = config_of(server.url, options, credentials="smart-backend", secrets=secrets)
    source = source_of(config)
    keys = []
    for n, batch in enumerate(source.pull(None)):
        keys += [one.key for one in batch.records]
        if n == 1:
            server.tokens.revoke()
    source.close()
    assert len(set(keys)) == 8
    assert len(server.tokens.granted) == 2


def test_client_that_knows_its_secret_is_let_in_and_another_is_not(server: FhirServer) -> None:
    fill(server, 2)
    server.tokens.passwords["testonce"] = "correct horse"
    options = {"token_url": server.tokens.url, "token_hosts": [server.origin]}
    for password, is_right in (("correct horse", True), ("wrong", False)):
        secrets = {"client_id": "testonce", "client_secret": password}
        config = config_of(server.url, options, credentials="client-credentials", secrets=secrets)
        if is_right:
            assert len(pull(config).keys) == 4
        else:
            with pytest.raises(Fatal) as caught:
                pull(config)
            assert password not in str(caught.value)


def test_account_without_rights_is_told_so(server: FhirServer) -> None:
    server.tokens.header = "Bearer right"
    with pytest.raises(Fatal) as caught:
        pull(config_of(server.url, credentials="bearer", secrets={"token": "wrong"}))
    assert caught.value.code == "unauthorised"
    assert "wrong" not in str(caught.value)
