"""What a hostile or broken server may do to us, on real sockets: each ends, says what it was, gets no token."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import logging
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.transport import GuardedClient
from service.ingest.source import Fatal, Limits, Retriable, SourceConfig, SourceError
from tests.support.scripted_http import Received, reply, scripted

pytestmark = pytest.mark.slow

TOKEN = "tok-do-not-tell-anyone"
PATIENT = "name=Zhang&identifier=110101199003078515"
QUICK = Limits(requests_per_second=10_000, connect_seconds=1, read_seconds=1, retries=0)


@contextlib.contextmanager
def asking(address: str, limits: Limits = QUICK, **options: Any) -> Iterator[GuardedClient]:
    """A client with a token whose pauses take no time."""
    allow_private = options.pop("allow_private", True)
    resolve = options.pop("resolve", None)
    config = SourceConfig(
        "lis", "fhir", "hosp-a", address, limits=limits, credentials="bearer", secrets={"token": TOKEN},
        options=options, allow_private=allow_private,
    )  # fmt: skip
    client = GuardedClient(config, resolve=resolve, sleep=lambda seconds: None)
    try:
        yield client
    finally:
        client.close()


def refusal(action: Callable[[], object]) -> SourceError:
    """The error the action ends with: it tells neither the token nor the query, nor does what it came from."""
    with pytest.raises(SourceError) as caught:
        action()
    assert caught.value.__cause__ is None
    shown = f"{caught.value} {caught.value.message} {caught.value!r}"
    assert TOKEN not in shown
    assert "Zhang" not in shown
    assert "110101" not in shown
    return caught.value


def test_next_link_to_another_server_is_refused_and_that_server_hears_nothing() -> None:
    with scripted(lambda _: [reply()]) as foreign, scripted(lambda _: [reply()]) as own, asking(own.url) as client:
        paging = client.paging()
        error = refusal(lambda: client.get(paging.follow(f"{foreign.url}/fhir?page=2&{PATIENT}", own.url)))
        assert (type(error), error.code) == (Fatal, "foreign-address")
        assert refusal(lambda: client.get(f"{foreign.url}/fhir?{PATIENT}")).code == "foreign-address"
        assert foreign.received == own.received == []


def test_redirect_is_not_followed_and_its_target_hears_nothing() -> None:
    with scripted(lambda _: [reply()]) as foreign:
        with (
            scripted(lambda _: [reply(302, location=f"{foreign.url}/steal?{PATIENT}")]) as own,
            asking(own.url) as client,
        ):
            error = refusal(lambda: client.get("Patient"))
        assert (type(error), error.code) == (Fatal, "redirected")
        assert foreign.url in error.message
        assert "steal" not in error.message
        assert foreign.received == []


def test_file_on_a_listed_host_comes_without_the_token_even_after_a_redirect() -> None:
    with scripted(lambda _: [reply(body=b"{}\n")]) as files:

        def respond(request: Received) -> Iterable[bytes]:
            return [reply(307, location=f"{files.url}/bulk/1.ndjson?sig=1")]

        with scripted(respond) as own, asking(own.url + "/fhir", file_hosts=[f"{files.url}/bulk"]) as client:
            with client.get_file(own.url + "/fhir/file/1", authorised=True) as answer:
                assert b"".join(answer.chunks()) == b"{}\n"
            with client.get_file(f"{files.url}/bulk/2.ndjson", authorised=True) as answer:
                assert b"".join(answer.chunks()) == b"{}\n"
        assert own.received[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert [("authorization" in one.headers) for one in files.received] == [False, False]


def test_file_on_a_host_that_is_not_listed_is_refused_directly_and_by_redirect() -> None:
    with scripted(lambda _: [reply()]) as foreign:

        def respond(request: Received) -> Iterable[bytes]:
            return [reply(307, location=f"{foreign.url}/1.ndjson?{PATIENT}")]

        with scripted(respond) as own, asking(own.url) as client:
            for url in (f"{own.url}/file", f"{foreign.url}/file"):
                error = refusal(lambda url=url: client.get_file(url, authorised=True).__enter__())  # type: ignore[misc]
                assert (type(error), error.code) == (Fatal, "foreign-address")
        assert foreign.received == []


def test_endless_paging_ends_at_the_limit_and_at_a_repeated_link() -> None:
    numbers = itertools.count()

    def respond(request: Received) -> Iterable[bytes]:
        return [reply(body=f"{request.target.partition('?')[0]}?page={next(numbers)}".encode())]

    def read_all(client: GuardedClient) -> None:
        paging, url = client.paging(), client.base.url + "/Observation"
        for _ in range(100):
            url = paging.follow(client.get(url).body.decode(), url)

    limits = Limits(requests_per_second=10_000, retries=0, pages=7)
    with scripted(respond) as own, asking(own.url + "/fhir", limits) as client:
        assert refusal(lambda: read_all(client)).code == "too-many-pages"
        assert len(own.received) == 8
        own.respond = lambda request: [reply(body=b"Observation?page=1")]
        assert refusal(lambda: read_all(client)).code == "repeated-link"


def drip(request: Received) -> Iterable[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    for _ in range(200):
        yield b" "
        time.sleep(0.05)


def header_drip(request: Received) -> Iterable[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX-Slow: "
    for _ in range(200):
        yield b"a"
        time.sleep(0.05)


@pytest.mark.parametrize("respond", [drip, header_drip])
def test_slow_drip_ends_with_the_time_for_one_answer_though_every_byte_is_in_time(respond: Any) -> None:
    limits = Limits(read_seconds=5, answer_seconds=0.4, retries=0)
    with scripted(respond) as own, asking(own.url, limits) as client:
        started = time.monotonic()
        error = refusal(lambda: client.get("Patient", raw_query=PATIENT))
        assert time.monotonic() - started < 2
    assert (type(error), error.code) == (Retriable, "slow")


def test_silent_server_ends_with_the_time_between_two_pieces() -> None:
    def respond(request: Received) -> Iterable[bytes]:
        time.sleep(0.5)
        yield b""

    with scripted(respond) as own, asking(own.url, Limits(read_seconds=0.1, retries=0)) as client:
        assert refusal(lambda: client.get("Patient")).code == "slow"


def test_slow_reader_costs_the_server_nothing() -> None:
    """Only waiting for the server counts: whoever stores a batch between two pieces is not punished."""
    body = b"x" * 3_000_000
    with (
        scripted(lambda _: [reply(body=body)]) as own,
        asking(own.url, Limits(answer_seconds=0.3, retries=0)) as client,
        client.stream("file") as answer,
    ):
        total = 0
        for n, chunk in enumerate(answer.chunks()):
            total += len(chunk)
            if n < 3:
                time.sleep(0.15)
    assert total == len(body)


def test_file_may_take_its_time_as_long_as_it_comes() -> None:
    """`answer_seconds` is for answers; what is streamed for an hour at some speed is no drip."""

    def slowly(piece: bytes) -> Callable[[Received], Iterable[bytes]]:
        def respond(request: Received) -> Iterable[bytes]:
            yield b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (len(piece) * 8)
            for _ in range(8):
                yield piece
                time.sleep(0.05)

        return respond

    with scripted(slowly(b"x" * 32768)) as own, asking(own.url, Limits(answer_seconds=0.15, retries=0)) as client:
        with client.get_file(f"{own.url}/file") as answer:
            assert sum(map(len, answer.chunks())) == 8 * 32768
        own.respond = slowly(b"x")
        with client.get_file(f"{own.url}/file") as answer:
            assert refusal(lambda: list(answer.chunks())).code == "slow"


def test_gigantic_body_ends_at_the_limit_whether_its_size_is_told_or_not() -> None:
    def endless(request: Received) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        yield from itertools.repeat(b"10000\r\n" + b"x" * 65536 + b"\r\n", 10_000)

    limits = Limits(answer_bytes=1_000_000, retries=0)
    with scripted(endless) as own, asking(own.url, limits) as client:
        error = refusal(lambda: client.get("Patient", raw_query=PATIENT))
        assert (type(error), error.code) == (Fatal, "too-large")
        with client.stream("Patient") as answer:
            assert refusal(lambda: sum(map(len, answer.chunks()))).code == "too-large"
        assert refusal(lambda: client.get("Patient", max_bytes=10)).code == "too-large"


def test_gzip_bomb_ends_by_size_and_by_ratio() -> None:
    bomb = gzip.compress(b"\0" * 40_000_000)
    assert len(bomb) < 50_000
    with scripted(lambda _: [reply(body=bomb, content_encoding="gzip")]) as own:
        for limits in (Limits(retries=0), Limits(answer_bytes=1_000_000, retries=0)):
            with asking(own.url, limits) as client:
                error = refusal(lambda client=client: client.get("Patient"))  # type: ignore[misc]
                assert (type(error), error.code) == (Fatal, "too-large")


def test_header_flood_ends() -> None:
    def endless(request: Received) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        yield from itertools.repeat(b"X-Flood: " + b"y" * 8000 + b"\r\n", 1000)

    with scripted(endless) as own, asking(own.url) as client:
        assert refusal(lambda: client.get("Patient")).code == "too-large"
        own.respond = lambda request: [reply(**{f"x{n}": "y" for n in range(300)})]
        assert refusal(lambda: client.get("Patient")).code == "too-large"


@pytest.mark.parametrize("size", [0, 1, 999])
def test_connection_cut_within_the_body_is_no_answer_and_is_tried_again(size: int) -> None:
    whole = reply(body=b"z" * 1000)
    answers = iter([[whole[: size - 1000]], [whole[: size - 1000]], [whole]])
    limits = Limits(retries=2, requests_per_second=10_000)
    with scripted(lambda _: next(answers)) as own, asking(own.url, limits) as client:
        assert client.get("Patient").body == b"z" * 1000
        assert len(own.received) == 3


def test_connection_cut_within_a_stream_or_its_compression_is_an_error() -> None:
    packed = gzip.compress(bytes(range(256)) * 40)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"  # no length: the end of the connection ends it
    with scripted(lambda _: [reply(body=b"z" * 1000)[:-1]]) as own, asking(own.url) as client:
        with client.stream("Patient") as answer:
            assert refusal(lambda: list(answer.chunks())).code == "cut-off"
        own.respond = lambda request: [head + packed[:-9]]
        assert refusal(lambda: client.get("Patient")).code == "cut-off"
        own.respond = lambda request: [head + packed + packed]
        assert client.get("Patient").body == bytes(range(256)) * 80


def test_what_is_not_http_or_nobody_is_an_error_that_may_pass() -> None:
    with scripted(lambda _: [b"SSH-2.0-OpenSSH_9.2\r\n"]) as own, asking(own.url) as client:
        assert refusal(lambda: client.get("Patient")).code == "cut-off"
    with asking(own.url) as client:
        error = refusal(lambda: client.get("Patient", raw_query=PATIENT))
        assert (type(error), error.code) == (Retriable, "unreachable")


def test_private_address_is_refused_where_the_source_is_public() -> None:
    with scripted(lambda _: [reply()]) as own:
        for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"):
            with asking(f"http://{host}:{own.port}", allow_private=False) as client:
                error = refusal(lambda client=client: client.get("Patient"))  # type: ignore[misc]
                assert (type(error), error.code) == (Fatal, "private-address")
        assert own.received == []


def test_metadata_and_link_local_addresses_are_refused_even_where_private_ones_are_not() -> None:
    for address in ("169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "100.100.100.200", "0.0.0.0", "224.0.0.1"):
        with asking("http://pacs.hospital", resolve=lambda host, port, address=address: [address]) as client:
            assert refusal(lambda client=client: client.get("x")).code == "private-address"  # type: ignore[misc]


def test_of_several_addresses_only_those_allowed_are_tried() -> None:
    with scripted(lambda _: [reply(body=b"x")]) as own:
        tried: list[Any] = []
        connect = socket.create_connection

        def watched(address: Any, *args: Any, **kwargs: Any) -> socket.socket:
            tried.append(address[0])
            return connect(address, *args, **kwargs)

        def resolve(host: str, port: int) -> list[str]:
            return ["169.254.169.254", "127.0.0.2", "127.0.0.1"]

        with pytest.MonkeyPatch.context() as patch, asking(f"http://lis:{own.port}", resolve=resolve) as client:
            patch.setattr(socket, "create_connection", watched)
            assert client.get("x").body == b"x"
        assert tried == ["127.0.0.2", "127.0.0.1"]


def test_name_that_changes_its_address_between_check_and_connection_gains_nothing() -> None:
    """DNS rebinding: the name is asked once, and the connection goes to the address that was checked."""
    asked: list[str] = []
    connected: list[Any] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["8.8.8.8"] if len(asked) == 1 else ["127.0.0.1"]

    def connect(address: Any, *args: Any, **kwargs: Any) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    with (
        pytest.MonkeyPatch.context() as patch,
        asking("http://rebind.example", resolve=resolve, allow_private=False) as client,
    ):
        patch.setattr(socket, "create_connection", connect)
        assert refusal(lambda: client.get("x")).code == "unreachable"
        assert (asked, connected) == (["rebind.example"], [("8.8.8.8", 80)])
        assert refusal(lambda: client.get("x")).code == "private-address"


def test_nothing_of_a_request_is_logged_even_where_everything_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(lambda _: [reply(body=b"{}", set_cookie="c=1")]) as own, asking(own.url) as client:
        client.get("Patient", raw_query=PATIENT)
        client.get("Patient")
    assert [one for one in caplog.records if one.name.startswith(("http", "adapters"))] == []
    assert "cookie" not in own.received[1].headers


def test_proxies_and_passwords_of_the_environment_play_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(lambda _: [reply()]) as proxy, scripted(lambda _: [reply()]) as own, asking(own.url) as client:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert client.get("Patient").status == 200
        assert proxy.received == []


def test_servers_own_clock_is_read() -> None:
    with scripted(lambda _: [reply(date="Fri, 06 Nov 2026 08:49:37 GMT")]) as own, asking(own.url) as client:
        assert client.get("Patient").server_time == datetime(2026, 11, 6, 8, 49, 37, tzinfo=UTC)


def test_waiting_for_a_free_connection_ends() -> None:
    limits = Limits(connections=1, read_seconds=0.1, retries=0)
    with scripted(lambda _: [reply(body=b"x" * 100)]) as own, asking(own.url, limits) as client:
        with client.stream("a"):
            assert refusal(lambda: client.get("b")).code == "busy"
        assert client.get("b").status == 200


def test_body_that_was_read_is_not_read_again_as_an_empty_one() -> None:
    with scripted(lambda _: [reply(body=b"x" * 10)]) as own, asking(own.url) as client, client.stream("a") as answer:
        assert b"".join(answer.chunks()) == b"x" * 10
        with pytest.raises(RuntimeError, match="once"):
            list(answer.chunks())


def test_body_in_crumbs_costs_no_more_time_than_one_answer_may() -> None:
    """Every chunk of one byte is an event of its own: what takes the time is taking it apart, not waiting for it."""

    def crumbs(request: Received) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        yield from itertools.repeat(b"1\r\nx\r\n" * 10_000, 1000)

    with scripted(crumbs) as own, asking(own.url, Limits(answer_seconds=0.3, retries=0)) as client:
        started = time.monotonic()
        assert refusal(lambda: client.get("x")).code == "slow"
        assert time.monotonic() - started < 3
