"""Parts come out whole, in order, whatever the pieces in which they came."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from adapters.transport import parse_multipart
from service.ingest.source import Fatal, Retriable

KIND = 'multipart/related; type="application/dicom"; boundary=B'
BODY = (
    b"preamble\r\n--B\r\nContent-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1\r\n"
    b"X-Long: a\r\n b\r\n\r\nabc\r\n--Bx is content\r\n\r\n--B \t\r\n\r\nwithout headers\r\n--B\r\nX: 1\r\n\r\n--B\r\n"
    b"X: 2\r\n\r\n\r\n--B\r\n\r\n\r\n-\r\n--\r\n--B--\r\nepilogue --B\r\n"
)


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    return iter([body[at : at + size] for at in range(0, len(body), size)])


def read(body: bytes, size: int = 65536, kind: str = KIND) -> list[tuple[dict[str, str], bytes]]:
    return [(dict(part.headers), b"".join(part.chunks)) for part in parse_multipart(pieces(body, size), kind)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16, 61, 10_000])
def test_parts_are_the_same_however_the_body_is_cut(size: int) -> None:
    assert read(BODY, size) == [
        ({"content-type": "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1", "x-long": "a b"},
         b"abc\r\n--Bx is content\r\n"),
        ({}, b"without headers"), ({"x": "1"}, b""), ({"x": "2"}, b""), ({}, b"\r\n-\r\n--"),
    ]  # fmt: skip


def test_part_tells_its_media_type_and_parameters() -> None:
    part = next(parse_multipart(pieces(BODY, 50), KIND))
    assert (part.media, part.parameter("transfer-syntax")) == ("application/octet-stream", "1.2.840.10008.1.2.1")
    assert part.parameter("charset") == ""


def test_body_cut_anywhere_is_never_taken_for_a_whole_one() -> None:
    end = BODY.index(b"\r\nepilogue")
    for at in range(end):
        with pytest.raises(Retriable) as caught:
            read(BODY[:at], 7)
        assert caught.value.code == "cut-off"
    assert len(read(BODY[:end])) == 5


def test_what_was_not_taken_of_a_part_is_passed_over_and_never_given_later() -> None:
    parts = parse_multipart(pieces(BODY, 3), KIND)
    first = next(parts)
    assert next(first.chunks) == b"a"
    second = next(parts)
    assert list(first.chunks) == []
    assert b"".join(second.chunks) == b"without headers"


@pytest.mark.parametrize("kind", [
    "multipart/related; boundary=\"B\"", "Multipart/Related;boundary=B", "multipart/mixed; type=x; boundary=B",
])  # fmt: skip
def test_boundary_is_read_quoted_or_not(kind: str) -> None:
    assert read(b"--B\r\n\r\nx\r\n--B--", kind=kind) == [({}, b"x")]


@pytest.mark.parametrize(
    "kind", ["", "application/dicom", "multipart/related", "multipart/related; boundary=", "text/x; boundary=B"]
)
def test_answer_that_is_not_multipart_is_refused(kind: str) -> None:
    with pytest.raises(Fatal) as caught:
        read(BODY, kind=kind)
    assert caught.value.code == "not-multipart"


def test_flood_of_headers_or_parts_ends() -> None:
    with pytest.raises(Fatal, match="headers"):
        read(b"--B\r\n" + b"X: y\r\n" * 10_000)
    with pytest.raises(Fatal, match="headers"):
        read(b"--B\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", 1_000_000)
    with pytest.raises(Fatal, match="parts"):
        list(parse_multipart(iter([b"--B\r\n\r\n\r\n" * 50]), KIND, max_parts=10))


def test_body_full_of_what_almost_is_a_delimiter_takes_linear_time() -> None:
    def seconds(count: int) -> float:
        body = b"--B\r\n\r\n" + b"\r\n--Ba\r\n--" * count + b"\r\n--B--"
        started = time.perf_counter()
        assert len(read(body)[0][1]) == 10 * count
        return time.perf_counter() - started

    seconds(1000)
    assert seconds(80_000) < 40 * max(seconds(10_000), 0.005)
