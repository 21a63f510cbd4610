"""What comes back: an answer read whole, one that streams, and the error each status or failure means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpcore
import httpx

from adapters.transport.patience import read_date, read_retry_after
from service.ingest.source import Fatal, Retriable, Skippable, SourceError

MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 200
OVERLOADED = frozenset({408, 425, 429})
PARTIAL, NOT_MODIFIED = 206, 304
_NOT_TEMPORARY = frozenset({501, 505})
_AWAY = frozenset({502, 503, 504, *OVERLOADED})

FAILURES = (httpx.TransportError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
"""What a transport raises when an exchange fails."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer read whole. `headers` are found in any case; `server_time` is the server's own clock (Date)."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    server_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer that is read while it comes. `chunks()` may be called once; it raises Retriable `cut-off` or `slow`,
    Fatal `too-large`."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    chunks: Callable[[], Iterator[bytes]] = field(repr=False)
    server_time: datetime | None = None


def check_headers(headers: httpx.Headers) -> None:
    """Raises Fatal `too-large` for a flood of headers."""
    size = sum(len(name) + len(value) for name, value in headers.raw)
    if len(headers.raw) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise Fatal("too-large", f"the answer has {len(headers.raw)} headers of {size} bytes together")


def check_status(
    status: int, headers: Mapping[str, str], asked: str, expect: Collection[int], leads_to: Callable[[str], str]
) -> None:
    """Returns where the status is 2xx or expected. Raises what it means otherwise; the text names the status only,
    never what the body says. `leads_to` says where a Location leads, without what may be secret in it."""
    if (200 <= status < 300 and not (status == PARTIAL and "content-range" in headers)) or status in expect:
        return
    told = f"{asked} was answered {status}"
    if status == NOT_MODIFIED:
        raise Retriable("incomplete-answer", f"{told}, as if it had been given before; look for a cache in between")
    if status == PARTIAL:
        raise Retriable("incomplete-answer", f"{told}: a part came of what was asked for whole; look for a proxy")
    if status < 400:
        where = leads_to(headers.get("location", ""))
        raise Fatal("redirected", f"{told}; redirects are not followed: it leads to {where}, mend the address")
    if status == 401:
        raise Fatal("unauthorised", f"{told}; check the credentials of the source")
    if status == 403:
        raise Fatal("forbidden", f"{told}; the account of the source lacks a right")
    if status in (404, 410):
        raise Skippable("not-found" if status == 404 else "gone", told)
    wait = read_retry_after(headers.get("retry-after"), read_date(headers.get("date")) or datetime.now(UTC))
    if status in _AWAY:
        raise Retriable("unavailable", f"{told}; it is overloaded or being maintained", wait)
    if status >= 500 and status not in _NOT_TEMPORARY:
        raise Retriable("server-error", f"{told}; its own log says why", wait)
    raise Fatal("refused", f"{told}; it does not accept the question: compare with its documentation")


def error_of(error: Exception, asked: str) -> SourceError:
    """What a failed exchange means; the library's own text, which may hold addresses, is left out."""
    cause = error.__context__  # the pool hides __cause__
    if isinstance(error, (httpcore.PoolTimeout, httpx.PoolTimeout)):
        return Retriable("busy", f"{asked}: all connections to the source are in use")
    if isinstance(error, (httpcore.ConnectError, httpx.ConnectError, httpcore.ConnectTimeout, httpx.ConnectTimeout)):
        return _not_connected(cause, asked)
    if isinstance(error, (httpcore.TimeoutException, httpx.TimeoutException)):
        return Retriable("slow", f"{asked}: the answer took longer than the limits of the source allow")
    if getattr(cause, "error_status_hint", None) == 431:  # h11, of what it cannot keep
        return Fatal("too-large", f"{asked}: the headers of the answer do not end")
    if isinstance(error, (httpcore.LocalProtocolError, httpx.LocalProtocolError)):
        return Fatal("refused", f"{asked} cannot be sent: a header or the address holds characters HTTP forbids")
    return Retriable("cut-off", f"{asked}: the connection broke, or what came is not HTTP")


_CERTIFICATE = {  # X509_V_ERR_* of OpenSSL
    9: "is not valid yet: compare the clocks",
    10: "has expired: its owner must renew it",
    62: "is for another name: set the address to a name that stands in it",
    64: "is for another name: set the address to a name that stands in it",
}


def _not_connected(cause: BaseException | None, asked: str) -> SourceError:
    name = type(cause).__name__
    if name == "SSLCertVerificationError":
        wrong = _CERTIFICATE.get(getattr(cause, "verify_code", 0), "is trusted by no authority we know: set ca_file")
        return Fatal("certificate", f"{asked}: its certificate {wrong}")
    if name.startswith("SSL"):
        return Retriable("tls", f"{asked}: no TLS connection could be made; check protocol, port and certificates")
    return Retriable("unreachable", f"{asked}: no connection could be made; check that it runs and the way to it")
