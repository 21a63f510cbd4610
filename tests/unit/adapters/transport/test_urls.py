"""Which links are followed, and where to."""

from __future__ import annotations

import pytest

from adapters.transport import GuardedClient
from adapters.transport.urls import parse_base
from service.ingest.source import Fatal, SourceConfig

BASE = "https://lis.hospital:8443/fhir"
PAGE = f"{BASE}/Observation?_count=50"


def client(**options: object) -> GuardedClient:
    return GuardedClient(SourceConfig("lis", "fhir", "hosp-a", BASE, options=options))


@pytest.mark.parametrize(("link", "expected"), [
    (f"{BASE}/Observation?page=2", f"{BASE}/Observation?page=2"),
    (f"{BASE}?_getpages=a-b&_getpagesoffset=50", f"{BASE}?_getpages=a-b&_getpagesoffset=50"),
    ("?page=2", f"{BASE}/Observation?page=2"),
    ("Observation?page=2", f"{BASE}/Observation?page=2"),
    ("/fhir/Observation?page=2", f"{BASE}/Observation?page=2"),
    ("../fhir/Observation?page=2", f"{BASE}/Observation?page=2"),
    ("//lis.hospital:8443/fhir/x", f"{BASE}/x"),
    ("HTTPS://LIS.Hospital:8443/fhir/Observation", f"{BASE}/Observation"),
    ("https://lis.hospital:8443:8443/fhir/x?y", f"{BASE}/x?y"),
    ("https://lis.hospital:8443:8443:8443/fhir", BASE),
    (f"{BASE}/Observation?code=http://loinc.org|718-7&name=张 三", f"{BASE}/Observation?code=http://loinc.org%7C718-7&name=%E5%BC%A0%20%E4%B8%89"),
    (f"{BASE}/Observation?a=%7C&b=100%", f"{BASE}/Observation?a=%7C&b=100%"),
])  # fmt: skip
def test_link_below_the_base_is_followed(link: str, expected: str) -> None:
    assert client().resolve_link(link, PAGE) == expected


@pytest.mark.parametrize(("link", "code"), [
    ("https://evil.example/fhir/Observation", "foreign-address"),
    ("//evil.example/fhir", "foreign-address"),
    ("http://lis.hospital:8443/fhir/Observation", "foreign-address"),
    ("https://lis.hospital/fhir/Observation", "foreign-address"),
    ("https://lis.hospital:443:443/fhir/Observation", "foreign-address"),
    ("https://lis.hospital.:8443/fhir/Observation", "foreign-address"),
    ("https://lis.hospital:8443.evil.example/fhir", "bad-address"),
    ("https://lis.hospital:8443@evil.example/fhir", "bad-address"),
    ("https://user:pass@lis.hospital:8443/fhir", "bad-address"),
    ("https://lis.hospital:8443/fhirx", "foreign-address"),
    ("https://lis.hospital:8443/", "foreign-address"),
    ("../admin", "foreign-address"),
    (f"{BASE}/../admin", "bad-address"),
    (f"{BASE}/%2e%2e/admin", "bad-address"),
    (f"{BASE}/..%2fadmin", "bad-address"),
    (f"{BASE}/..;/admin", "bad-address"),
    (f"{BASE}/%2e%2E%3bx/admin", "bad-address"),
    (f"{BASE}/%5c..%5cadmin", "bad-address"),
    (f"{BASE}\\@evil.example/", "bad-address"),
    (f"{BASE}/x#y", "bad-address"),
    (f"{BASE}/x\r\nHost: evil", "bad-address"),
    (f"{BASE}/x\ty", "bad-address"),
    ("file:///etc/passwd", "bad-address"),
    ("gopher://lis.hospital:8443/fhir", "bad-address"),
    ("javascript:alert(1)", "bad-address"),
    ("https://lis.hospital:99999/fhir", "bad-address"),
    ("https://[::1/fhir", "bad-address"),
    ("https://李.hospital/fhir", "bad-address"),
    (f"{BASE}/x?{'y' * 9000}", "too-large"),
])  # fmt: skip
def test_link_to_anything_else_is_refused(link: str, code: str) -> None:
    with pytest.raises(Fatal) as caught:
        client().resolve_link(link, PAGE)
    assert caught.value.code == code


def test_servers_own_wrong_idea_of_its_address_is_moved_where_it_is_listed() -> None:
    known = client(also_known_as=["http://10.1.2.3:8080/hapi/fhir", "https://lis.hospital/fhir"])
    assert known.resolve_link("http://10.1.2.3:8080/hapi/fhir?_getpages=7", PAGE) == f"{BASE}?_getpages=7"
    assert known.resolve_link("https://lis.hospital:443:443/fhir/x", PAGE) == f"{BASE}/x"
    for link in ("http://10.1.2.3:8080/hapi/fhirx", "http://10.1.2.3/hapi/fhir", "http://10.1.2.3:8080/hapi"):
        with pytest.raises(Fatal, match="also_known_as"):
            known.resolve_link(link, PAGE)


def test_file_lies_below_the_base_or_a_listed_address() -> None:
    known = client(file_hosts=["https://files.hospital/bulk", "https://lis.hospital:8443/exports"])
    assert known.resolve_file("https://files.hospital/bulk/1?sig=a") == "https://files.hospital/bulk/1?sig=a"
    assert known.resolve_file("/exports/1", PAGE) == "https://lis.hospital:8443/exports/1"
    for link in ("https://files.hospital/1", "https://lis.hospital:8443/x", "http://files.hospital/bulk/1"):
        with pytest.raises(Fatal, match="file_hosts"):
            known.resolve_file(link, PAGE)
    with pytest.raises(Fatal, match="also_known_as"):
        known.resolve_link("https://files.hospital/bulk/1", PAGE)


@pytest.mark.parametrize("address", [
    "ftp://h/fhir", "h/fhir", "https://", "https://u:p@h/fhir", "https://h/fhir?x=1", "https://h/a/../b", "https://h:0/",
    "https://h/fhir#x", "https://h\n/fhir", "",
])  # fmt: skip
def test_address_that_is_no_base_url_is_refused_when_the_source_is_opened(address: str) -> None:
    with pytest.raises(Fatal) as caught:
        parse_base(address)
    assert caught.value.code == "bad-address"
    assert "u:p" not in caught.value.message


@pytest.mark.parametrize(("address", "expected"), [
    ("HTTPS://Host:443/fhir/", "https://host/fhir"), ("http://host:80", "http://host"), ("http://[::1]:8080/", "http://[::1]:8080"),
])  # fmt: skip
def test_base_is_written_in_one_way(address: str, expected: str) -> None:
    assert parse_base(address).url == expected


def test_option_that_is_no_list_of_addresses_is_refused() -> None:
    for wrong in ("https://h", [1], ["h"], 3):
        with pytest.raises(Fatal, match="file_hosts"):
            client(file_hosts=wrong)
