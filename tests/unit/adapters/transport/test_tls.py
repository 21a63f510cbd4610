"""Whom we talk to, and who we show ourselves to be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from adapters.transport import GuardedClient
from service.ingest.source import Fatal, Limits, SourceConfig, SourceError
from tests.support.certificates import Certificates, make_certificates
from tests.support.scripted_http import reply, scripted

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def ask(address: str, **files: Path | None) -> bytes:
    config = SourceConfig("lis", "fhir", "hosp-a", address, limits=Limits(retries=0))
    client = GuardedClient(dataclasses.replace(config, **files))  # type: ignore[arg-type]
    try:
        return client.get("metadata").body
    finally:
        client.close()


def test_server_is_trusted_by_its_authority_and_its_name_only(certificates: Certificates) -> None:
    with scripted(lambda _: [reply(body=b"{}")], certificates.server_context()) as own:
        assert ask(own.url, ca_file=certificates.ca) == b"{}"
        for address, ca, mend in (
            (own.url, None, "set ca_file"), (f"https://127.0.0.1:{own.port}", certificates.ca, "is for another name"),
        ):  # fmt: skip
            with pytest.raises(Fatal, match=mend) as caught:
                ask(address, ca_file=ca)
            assert caught.value.code == "certificate"
        assert len(own.received) == 1


def test_client_certificate_is_shown_where_it_is_asked_for(certificates: Certificates) -> None:
    with scripted(lambda _: [reply(body=b"{}")], certificates.server_context(ask_client=True)) as own:
        shown = {"client_certificate": certificates.client, "client_key": certificates.client_key}
        assert ask(own.url, ca_file=certificates.ca, **shown) == b"{}"
        with pytest.raises(SourceError):
            ask(own.url, ca_file=certificates.ca)
        assert len(own.received) == 1


def test_file_that_is_no_certificate_is_named_when_the_source_is_opened(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nothing")
    for files in (
        {"ca_file": tmp_path / "x.pem"},
        {"ca_file": tmp_path / "none"},
        {"client_certificate": tmp_path / "x.pem"},
    ):
        with pytest.raises(Fatal) as caught:
            ask("https://localhost", **files)
        assert caught.value.code == "tls-files"
