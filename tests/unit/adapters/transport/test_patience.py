"""When a source is asked again, when it is left in peace, and what each answer means."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from adapters.transport import GuardedClient
from adapters.transport.network import is_allowed
from adapters.transport.patience import Breaker, Pace, backoff, read_date, read_retry_after
from service.ingest.source import Fatal, Limits, Retriable, Skippable, SourceConfig, SourceError


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Peer(httpx.BaseTransport):
    """Answers or fails as told, one after another; the last for ever."""

    def __init__(self, *told: httpx.Response | Exception) -> None:
        self.told = list(told)
        self.count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.count += 1
        one = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        if isinstance(one, Exception):
            raise one
        return one


def asking(peer: Peer, time: Time, retries: int = 4, **options: Any) -> GuardedClient:
    limits = Limits(retries=retries, requests_per_second=0)
    config = SourceConfig("lis", "fhir", "hosp-a", "http://lis/fhir", limits=limits, **options)
    return GuardedClient(config, network=peer, clock=time, sleep=time.sleep)


@pytest.mark.parametrize(("status", "kind", "code", "count"), [
    (301, Fatal, "redirected", 1), (304, Retriable, "incomplete-answer", 5), (400, Fatal, "refused", 1),
    (401, Fatal, "unauthorised", 1), (403, Fatal, "forbidden", 1), (404, Skippable, "not-found", 1),
    (406, Fatal, "refused", 1), (408, Retriable, "unavailable", 5), (409, Fatal, "refused", 1),
    (410, Skippable, "gone", 1), (422, Fatal, "refused", 1), (425, Retriable, "unavailable", 5),
    (429, Retriable, "unavailable", 5), (500, Retriable, "server-error", 5), (501, Fatal, "refused", 1),
    (502, Retriable, "unavailable", 5), (503, Retriable, "unavailable", 5), (504, Retriable, "unavailable", 5),
])  # fmt: skip
def test_status_has_its_class_and_only_what_may_pass_is_asked_again(
    status: int, kind: type[SourceError], code: str, count: int
) -> None:
    peer, time = Peer(httpx.Response(status, content=b"patient content")), Time()
    with pytest.raises(kind) as caught:
        asking(peer, time).get("Patient", params=[("name", "Zhang")])
    assert (caught.value.code, peer.count) == (code, count)
    assert str(status) in caught.value.message
    assert "Zhang" not in caught.value.message
    assert "content" not in caught.value.message
    peer.count = 0
    assert asking(peer, time).get("Patient", expect={status}).body == b"patient content"
    assert peer.count == 1


@pytest.mark.parametrize(("failure", "code"), [
    (httpx.ConnectError("x"), "unreachable"), (httpx.ConnectTimeout("x"), "unreachable"),
    (httpx.ReadTimeout("x"), "slow"), (httpx.WriteTimeout("x"), "slow"), (httpx.ReadError("x"), "cut-off"),
    (httpx.RemoteProtocolError("x"), "cut-off"), (httpx.PoolTimeout("x"), "busy"),
])  # fmt: skip
def test_failed_exchange_is_tried_again_and_then_says_what_it_was(failure: Exception, code: str) -> None:
    time, peer = Time(), Peer(failure)
    with pytest.raises(Retriable) as caught:
        asking(peer, time).get("Patient")
    assert (caught.value.code, peer.count, len(time.slept)) == (code, 5, 4)
    assert asking(Peer(failure, failure, httpx.Response(200)), Time()).get("Patient").status == 200


def test_post_that_may_have_arrived_is_not_sent_twice() -> None:
    for failure, count in ((httpx.ReadTimeout("x"), 1), (httpx.ConnectError("x"), 5), (httpx.Response(500), 1)):
        peer = Peer(failure)
        with pytest.raises(Retriable):
            asking(peer, Time()).send("POST", "x", content=b"{}")
        assert peer.count == count
    peer = Peer(httpx.ReadTimeout("x"))
    with pytest.raises(Retriable):
        asking(peer, Time()).send("DELETE", "x")
    assert peer.count == 5


def test_wait_follows_what_the_server_asks_for() -> None:
    time = Time()
    asking(Peer(httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(200)), time).get("x")
    assert 7 <= time.slept[0] <= 7.5


def test_wait_may_be_given_as_a_date_of_the_servers_own_clock() -> None:
    headers = {"Date": "Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After": "Sun, 06 Nov 1994 08:49:50 GMT"}
    time = Time()
    asking(Peer(httpx.Response(503, headers=headers), httpx.Response(200)), time).get("x")
    assert 13 <= time.slept[0] <= 13.5


def test_wait_longer_than_a_call_may_last_ends_the_call_and_is_told() -> None:
    peer, time = Peer(httpx.Response(503, headers={"Retry-After": "3600"})), Time()
    with pytest.raises(Retriable) as caught:
        asking(peer, time).get("x")
    assert (caught.value.retry_after, peer.count, time.slept) == (3600, 1, [])


def test_waits_double_at_most_and_differ() -> None:
    for attempt, most in enumerate((0.5, 1, 2, 4, 8, 16, 30, 30)):
        waits = {backoff(attempt, None) for _ in range(20)}
        assert len(waits) > 10
        assert all(wait is not None and 0 <= wait <= most for wait in waits)
    assert backoff(0, 61) is None


@pytest.mark.parametrize(("text", "seconds"), [
    ("0", 0), ("120", 120), (" 3 ", 3), ("1.5", 1.5), ("99999999", 86400), ("-1", None), ("soon", None), ("", None),
    (None, None), ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("9" * 400, None),
])  # fmt: skip
def test_retry_after_is_read_within_bounds(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


def test_date_without_a_zone_counts_as_utc_and_nonsense_as_none() -> None:
    assert read_date("Sun, 06 Nov 1994 08:49:37 -0000") == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert [read_date(one) for one in (None, "", "yesterday", "Sun, 99 Nov 99999 08:49:37 GMT")] == [None] * 4


def test_breaker_opens_after_failures_in_a_row_lets_one_try_and_closes() -> None:
    time, peer = Time(), Peer(httpx.ConnectError("x"))
    client = asking(peer, time, retries=0)
    for _ in range(5):
        with pytest.raises(Retriable, match="no connection"):
            client.get("x")
    with pytest.raises(Retriable) as caught:
        client.get("x")
    assert (caught.value.code, peer.count) == ("breaker-open", 5)
    time.now += 31
    with pytest.raises(Retriable, match="no connection"):
        client.get("x")
    with pytest.raises(Retriable, match="asked again in 30 s"):
        client.get("x")
    time.now += 31
    peer.told = [httpx.Response(200)]
    assert client.get("x").status == client.get("x").status == 200


def test_breaker_lets_only_one_of_several_try() -> None:
    time = Time()
    breaker = Breaker(time, limit=1)
    breaker.failed()
    time.now += 31
    assert breaker.enter() is True
    with pytest.raises(Retriable, match="asked again"):
        breaker.enter()
    breaker.succeeded()
    assert breaker.enter() is False


def test_breaker_does_not_mind_refusals_and_questions_a_server_stumbles_over() -> None:
    for status in (400, 404, 500):
        client = asking(Peer(httpx.Response(status)), Time(), retries=0)
        for _ in range(9):
            with pytest.raises(SourceError) as caught:
                client.get("x")
            assert caught.value.code != "breaker-open"


def test_question_a_server_stumbles_over_does_not_make_it_healthy_either() -> None:
    down = httpx.ConnectError("x")
    peer = Peer(*[down] * 4, httpx.Response(500), down, httpx.Response(200))
    client = asking(peer, Time(), retries=0)
    for _ in range(6):
        with pytest.raises(Retriable):
            client.get("x")
    with pytest.raises(Retriable) as caught:
        client.get("x")
    assert caught.value.code == "breaker-open"


def test_requests_keep_the_pace_of_the_source() -> None:
    time = Time()
    limits = Limits(requests_per_second=2)
    config = SourceConfig("lis", "fhir", "hosp-a", "http://lis/fhir", limits=limits)
    client = GuardedClient(config, network=Peer(httpx.Response(200)), clock=time, sleep=time.sleep)
    for _ in range(16):
        client.get("x")
    assert time.now == pytest.approx(1005.0)


def test_pace_lets_a_handful_go_at_once_and_then_the_rate() -> None:
    time = Time()
    pace = Pace(10, time, time.sleep)
    for _ in range(26):
        pace.wait()
    assert time.now == pytest.approx(1002.0)
    time.now += 60  # a rest earns a handful, not a flood
    for _ in range(16):
        pace.wait()
    assert time.now == pytest.approx(1063.0)


@pytest.mark.parametrize(("address", "public", "private"), [
    ("8.8.8.8", True, True), ("2001:4860:4860::8888", True, True), ("10.0.0.1", False, True),
    ("192.168.1.1", False, True),
    ("172.16.0.1", False, True), ("127.0.0.1", False, True), ("::1", False, True), ("fd12::1", False, True),
    ("100.64.0.1", False, True), ("::ffff:10.0.0.1", False, True), ("64:ff9b::7f00:1", False, True),
    ("2002:7f00:1::", False, True), ("::7f00:1", False, True), ("240.0.0.1", False, True),
    ("169.254.169.254", False, False), ("fe80::1%eth0", False, False), ("::ffff:169.254.169.254", False, False),
    ("64:ff9b::a9fe:a9fe", False, False), ("2002:a9fe:a9fe::", False, False), ("fd00:ec2::254", False, False),
    ("100.100.100.200", False, False), ("0.0.0.0", False, False), ("::", False, False), ("224.0.0.1", False, False),
    ("ff02::1", False, False), ("nonsense", False, False), ("", False, False),
])  # fmt: skip
def test_address_may_be_connected_to(address: str, public: bool, private: bool) -> None:
    assert (is_allowed(address, False), is_allowed(address, True)) == (public, private)


def test_stream_that_breaks_is_not_begun_anew() -> None:
    def body() -> Iterator[bytes]:
        yield b"a"
        raise httpx.ReadError("x")

    peer = Peer(httpx.Response(200, content=body()))
    with asking(peer, Time()).stream("x") as answer, pytest.raises(Retriable, match="broke"):
        list(answer.chunks())
    assert peer.count == 1


@pytest.mark.parametrize("query", ["a=b c", "a=张", "a#b", "a\nb", "a=<"])
def test_raw_query_that_no_url_may_hold_is_refused(query: str) -> None:
    with pytest.raises(Fatal, match="query"):
        asking(Peer(httpx.Response(200)), Time()).get("x", raw_query=query)


@pytest.mark.parametrize("date", ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"])
def test_clock_that_cannot_be_right_is_none(date: str) -> None:
    peer, time = Peer(httpx.Response(200, headers={"Date": date})), Time()
    assert asking(peer, time).get("Patient").server_time is None
