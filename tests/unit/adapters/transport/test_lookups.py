"""Names whose look-up hangs: nobody waits longer than the source allows, and no threads pile up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from adapters.dimse.peer import read_peer
from adapters.transport import GuardedClient, lookups
from service.ingest.source import Limits, Retriable, SourceConfig


class HangingDns:
    """Answers when it is told to, and counts who asks."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        self.go.wait(20)
        return ["127.0.0.1"]


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[HangingDns]:
    found = HangingDns()
    yield found
    found.go.set()
    until = time.monotonic() + 5
    while any(one.name.startswith("look-up") for one in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.005)


def config(address: str) -> SourceConfig:
    return SourceConfig("a", "fhir", "h1", address, limits=Limits(connect_seconds=0.05, retries=0))


def test_a_look_up_that_hangs_ends_with_connect_seconds_and_is_asked_once(dns: HangingDns) -> None:
    client = GuardedClient(config("http://lis.hospital/fhir"), resolve=dns)
    started = time.monotonic()
    for _ in range(4):
        with pytest.raises(Retriable, match=r"lis\.hospital was not resolved within") as caught:
            client.get("metadata")
        assert caught.value.code == "unreachable"
    assert time.monotonic() - started < 2
    assert dns.asked == 1
    client.close()


def test_an_archive_by_dimse_is_looked_up_with_the_same_limit(dns: HangingDns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "resolve_host", dns)
    with pytest.raises(Retriable, match=r"pacs\.hospital was not resolved within"):
        read_peer(config("dicom://PACS@pacs.hospital:104")).address()


def test_so_many_look_ups_hang_at_most(dns: HangingDns) -> None:
    for n in range(lookups.MOST + 5):
        with pytest.raises(Retriable, match="not resolved"):
            lookups.look_up(f"h{n}.hospital", 80, 0.001, dns)
    assert sum(one.name.startswith("look-up") for one in threading.enumerate()) == lookups.MOST


def test_who_waits_for_the_same_name_gets_the_same_answer_and_the_next_asks_anew(dns: HangingDns) -> None:
    with pytest.raises(Retriable):
        lookups.look_up("pacs.hospital", 104, 0.01, dns)
    dns.go.set()
    assert lookups.look_up("pacs.hospital", 104, 5, dns) == ["127.0.0.1"]
    while any(one.name.startswith("look-up") for one in threading.enumerate()):
        time.sleep(0.001)
    before = dns.asked
    assert lookups.look_up("pacs.hospital", 104, 5, dns) == ["127.0.0.1"]
    assert dns.asked == before + 1


def test_a_name_that_nobody_knows_is_said_so_and_an_address_needs_no_dns() -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise OSError("no such host")

    with pytest.raises(Retriable, match=r"the host nowhere\.hospital cannot be resolved"):
        lookups.look_up("nowhere.hospital", 80, 5, nobody)
    assert lookups.look_up("127.0.0.1", 80, 5) == ["127.0.0.1"]
