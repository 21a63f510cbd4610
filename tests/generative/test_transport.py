"""Whatever a server sends: links stay at home, parts and lines come out as they went in, all errors are ours."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from adapters.fhir_bulk.lines import Line, Taken, split_lines, take_line
from adapters.fhir_bulk.manifest import ExportFile, Section
from adapters.transport import GuardedClient, parse_multipart
from adapters.transport.inflate import capped
from service.ingest.source import Limits, Retriable, SourceConfig, SourceError

BASE = "https://lis.hospital:8443/fhir"
CLIENT = GuardedClient(
    SourceConfig("lis", "fhir", "hosp-a", BASE), network=httpx.MockTransport(lambda _: httpx.Response(200))
)
PIECES = st.sampled_from([
    "https:", "http:", "//", "/", "\\", "@", ":", "?", "#", "..", ".", "%2e", "%2F", "%5c", "lis.hospital", ":8443",
    "/fhir", "evil.example", "fhir", "[", "]", "::1", " ", "\t", "\n", "\x00", "张", "%", "&a=b|c", "Observation", ";",
    "user:pass", "。",
])  # fmt: skip
LINKS = st.one_of(st.lists(PIECES, max_size=9).map("".join), st.text(max_size=40), PIECES.map(lambda one: BASE + one))


def cut(body: bytes, sizes: list[int]) -> Iterator[bytes]:
    """The body in pieces of these sizes, again and again."""
    at = n = 0
    while at < len(body):
        yield body[at : at + sizes[n % len(sizes)]]
        at, n = at + sizes[n % len(sizes)], n + 1


SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@given(LINKS, st.sampled_from([BASE, f"{BASE}/Observation?page=1", f"{BASE}/", ""]))
@example("https://lis.hospital:8443\\@evil.example/fhir", BASE)
@example("https://lis.hospital:8443/fhir/%2e%2e/%2e%2e/admin", BASE)
def test_link_leads_below_the_base_as_the_sender_reads_it_or_nowhere(link: str, page: str) -> None:
    with suppress(SourceError):
        url = CLIENT.resolve_link(link, page)
        sent = httpx.Request("GET", url).url
        assert (sent.scheme, sent.host, sent.port, sent.userinfo) == ("https", "lis.hospital", 8443, b"")
        assert (sent.path + "/").startswith("/fhir/")
        assert ".." not in sent.path.split("/")
        assert CLIENT.resolve_link(url) == url
        assert CLIENT.is_own(url)


@given(st.text(max_size=30), st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=12)), max_size=3))
def test_path_asked_for_lies_below_the_base_and_parameters_arrive_as_given(
    path: str, params: list[tuple[str, str]]
) -> None:
    sent: list[httpx.URL] = []
    network = httpx.MockTransport(lambda request: sent.append(request.url) or httpx.Response(200))
    client = GuardedClient(SourceConfig("l", "fhir", "h", BASE, limits=Limits(requests_per_second=0)), network=network)
    assume("?" not in path)
    with suppress(SourceError):
        client.get(path, params=params)
    for url in sent:
        assert (url.host, (url.path + "/").startswith("/fhir/")) == ("lis.hospital", True)
        assert parse_qsl(url.query.decode(), keep_blank_values=True) == params


PARTS = st.lists(
    st.lists(st.sampled_from([b"\r\n", b"--", b"B", b"\r", b"\n", b"x", b"\r\n--", b"--BB"]), max_size=12).map(
        b"".join
    ),
    max_size=4,
)


def is_clean(content: bytes) -> bool:
    """A sender chooses a boundary that does not stand in what it sends (RFC 2046 5.1.1)."""
    return b"\r\n--BBB" not in b"\r\n" + content


@given(PARTS.filter(lambda parts: all(map(is_clean, parts))), SIZES, st.binary(max_size=10).filter(is_clean))
def test_parts_come_out_as_they_went_in(parts: list[bytes], sizes: list[int], epilogue: bytes) -> None:
    body = (
        b"".join(b"\r\n--BBB\r\nX-N: %d\r\n\r\n%b" % (n, one) for n, one in enumerate(parts))
        + b"\r\n--BBB--"
        + epilogue
    )
    found = parse_multipart(cut(body[2:], sizes), "multipart/related; boundary=BBB")
    assert [(part.headers["x-n"], b"".join(part.chunks)) for part in found] == [
        (str(n), one) for n, one in enumerate(parts)
    ]


@given(st.binary(max_size=200), SIZES)
def test_any_bytes_are_parts_or_an_error_of_ours(body: bytes, sizes: list[int]) -> None:
    with suppress(SourceError):
        for part in parse_multipart(cut(b"--B\r\n" + body, sizes), "multipart/related; boundary=B", max_parts=9):
            list(part.chunks)


@given(st.lists(st.binary(max_size=30).filter(lambda one: b"\n" not in one), max_size=8), SIZES, st.integers(0, 31))
def test_lines_are_those_between_the_line_ends_and_long_ones_are_marked(
    lines: list[bytes], sizes: list[int], most: int
) -> None:
    body = b"".join(one + b"\n" for one in lines)
    found = list(split_lines(cut(body, sizes), most))
    assert [one.size for one in found] == [len(one) for one in lines]
    for line, sent in zip(found, lines, strict=True):
        assert sent.startswith(line.body) if len(sent) > most else line.body == sent.strip(b" \t\r\xef\xbb\xbf")


NAMES = st.sampled_from(["resourceType", "id", "entry", "request", "url", "method", "issue", "severity"])
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["Bundle", "Observation", "DELETE"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=9,
)  # fmt: skip


@given(
    st.one_of(st.binary(max_size=40), JSON.map(lambda one: json.dumps(one).encode())),
    st.sampled_from(list(Section)),
)
def test_every_line_is_a_record_or_counted(body: bytes, section: Section) -> None:
    taken = Taken()
    count = take_line(taken, Line(1, body, len(body)), ExportFile(section, "Observation", "u"), 1000)
    assert count == len(taken.records) + sum(taken.ignored.values())
    assert count > 0 or (section is Section.DELETED and b"Bundle" in body)
    assert all(one.key and len(one.key) <= 500 for one in taken.records)


@given(st.binary(max_size=2000), SIZES, st.integers(0, 30))
def test_compressed_body_is_the_same_or_cut_off(body: bytes, sizes: list[int], missing: int) -> None:
    packed = gzip.compress(body, 1)
    sent = packed[: len(packed) - missing]
    if missing == 0:
        assert b"".join(capped(cut(sent, sizes), "gzip", 10_000)) == body
    elif sent:
        with pytest.raises(Retriable):
            list(capped(cut(sent, sizes), "gzip", 10_000))
