"""The line to an archive: TLS, addresses, and peers that hold it."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import build_context

from adapters.dimse import open_receiver, open_source
from adapters.dimse.wire import GuardedEntity
from service.ingest.source import Fatal, Limits, Retriable, SourceConfig, SourceError
from tests.support.archives import ct
from tests.support.certificates import Certificates, make_certificates
from tests.support.dimse_peer import AET, DimsePeer

pytestmark = pytest.mark.slow
LIMITS = Limits(connect_seconds=1.0, read_seconds=0.4, answer_seconds=2.0, requests_per_second=1000.0)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def probe(address: str, limits: Limits = LIMITS, **more: Any) -> None:
    config = dataclasses.replace(SourceConfig("pacs", "dimse", "h1", address, limits=limits), **more)
    with closing(open_source(config)) as source:
        source.probe()


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does with each connection what it is told."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with suppress(OSError):
                    accepted, _ = listener.accept()
                    with closing(accepted), suppress(OSError):
                        answer(accepted)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        with suppress(OSError), socket.create_connection(listener.getsockname(), 1):
            pass
        thread.join(5)


def _huge(line: socket.socket) -> None:
    line.recv(10_000)
    line.sendall(b"\x02\x00\xff\xff\xff\xf0" + b"\0" * 1000)
    line.recv(1000)


def _drip(line: socket.socket) -> None:
    line.recv(10_000)
    line.sendall(b"\x02\x00\x00\x00\x20\x00")
    for _ in range(100):
        line.sendall(b"\0")
        time.sleep(0.05)


def _nothing(line: socket.socket) -> None:
    while line.recv(10_000):
        pass


def _http(line: socket.socket) -> None:
    line.recv(10_000)
    line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def _odd_refusal(line: socket.socket) -> None:
    line.recv(10_000)
    line.sendall(b"\x03\x00\x00\x00\x00\x04\x00\x09\x09\x09")
    line.recv(1000)


@pytest.mark.parametrize("answer", [_huge, _drip, _nothing, _http, _odd_refusal])
def test_peer_that_is_no_archive_is_left_in_time(answer: Callable[[socket.socket], None]) -> None:
    started = time.monotonic()
    with answering(answer) as port, pytest.raises(Retriable) as told:
        probe(f"dicom://{AET}@127.0.0.1:{port}")
    assert time.monotonic() - started < 4
    assert told.value.code in ("too-large", "slow", "aborted", "cut-off", "unreadable")


NO_COMMAND = b"\x04\x00\x00\x00\x01\x32\x00\x00\x01\x2e\x01\x03" + b"\xff" * 300
"""A P-DATA-TF whose command set is none (PS3.8 9.3.5)."""


def test_archive_that_answers_with_no_command_is_left_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_peer: DimsePeer, event: Any) -> Iterator[Any]:
        event.assoc.dul.socket.socket.sendall(NO_COMMAND)
        time.sleep(0.2)
        yield 0x0000, None

    monkeypatch.setattr(DimsePeer, "_find", answer)
    limits = dataclasses.replace(LIMITS, read_seconds=5.0, answer_seconds=20.0)
    with (
        DimsePeer() as peer,
        closing(
            open_source(SourceConfig("pacs", "dimse", "h1", f"dicom://{AET}@127.0.0.1:{peer.port}", limits=limits))
        ) as source,
    ):
        started = time.monotonic()
        with pytest.raises(Retriable) as told:
            list(source.pull(None))
    assert time.monotonic() - started < 4
    assert told.value.code == "unreadable"


def test_whoever_pushes_no_commands_keeps_no_place() -> None:
    entity = GuardedEntity("PUSHER", 1.0, 5.0, 5.0, 1 << 20)
    with DimsePeer() as peer:
        assoc = entity.associate("127.0.0.1", peer.port, [build_context("1.2.840.10008.1.1")], AET)
        assert assoc.is_established
        assoc.dul.socket.socket.sendall(NO_COMMAND)
        deadline = time.monotonic() + 3
        while peer._server.active_associations and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not peer._server.active_associations
        assoc.abort()
        assoc.dul.socket.let_go()


def test_too_many_associations_are_worth_another_try() -> None:
    with DimsePeer(associations=1) as peer, closing(socket.create_connection(("127.0.0.1", peer.port))):
        deadline = time.monotonic() + 2
        while len(peer._server.active_associations) < 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(Retriable) as told:
            probe(f"dicom://{AET}@127.0.0.1:{peer.port}")
    assert told.value.code == "busy"


@pytest.mark.parametrize(("host", "allow"), [("127.0.0.1", False), ("169.254.169.254", True), ("0.0.0.0", True)])
def test_addresses_that_are_not_allowed_are_not_connected_to(host: str, allow: bool) -> None:
    with pytest.raises(Fatal) as told:
        probe(f"dicom://{AET}@{host}:104", allow_private=allow)
    assert told.value.code == "private-address"


def test_archive_is_trusted_by_its_authority_and_its_name_only(certificates: Certificates) -> None:
    shown = {"client_certificate": certificates.client, "client_key": certificates.client_key}
    with DimsePeer(tls=certificates.server_context(ask_client=True)) as peer:
        probe(f"dicoms://{AET}@localhost:{peer.port}", ca_file=certificates.ca, **shown)
        for host, ca in (("localhost", None), ("127.0.0.1", certificates.ca)):
            with pytest.raises(Fatal) as told:
                probe(f"dicoms://{AET}@{host}:{peer.port}", ca_file=ca, **shown)
            assert told.value.code == "tls"
        with pytest.raises(SourceError):
            probe(f"dicoms://{AET}@localhost:{peer.port}", ca_file=certificates.ca)
        with pytest.raises(SourceError):
            probe(f"dicom://{AET}@localhost:{peer.port}")


def test_plain_archive_is_not_taken_for_a_secure_one(certificates: Certificates) -> None:
    with DimsePeer() as peer, pytest.raises(SourceError):
        probe(f"dicoms://{AET}@localhost:{peer.port}", ca_file=certificates.ca)


def test_receiver_asks_for_the_certificate_of_whoever_pushes(certificates: Certificates) -> None:
    config = SourceConfig(
        "pacs", "dimse", "h1", "dicoms://HOSPA@localhost:104", limits=LIMITS, ca_file=certificates.ca,
        client_certificate=certificates.server, client_key=certificates.server_key,
        options={"receive_port": _free(), "receive_host": "127.0.0.1"},
    )  # fmt: skip
    kept: list[object] = []
    with open_receiver(config, kept.append) as receiver:
        context = ssl.create_default_context(cafile=certificates.ca)
        context.load_cert_chain(certificates.client, certificates.client_key)
        assert DimsePeer().send(ct("A1", 1), receiver.port, "TESTONCE", tls=(context, "localhost")) == [0]
        assert DimsePeer().send(ct("A1", 1), receiver.port, "TESTONCE") == []
    assert len(kept) == 1


def test_files_that_are_no_certificates_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nothing")
    with pytest.raises(Fatal) as told:
        probe(f"dicoms://{AET}@localhost:104", ca_file=tmp_path / "x.pem")
    assert told.value.code == "tls-files"


def _free() -> int:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
