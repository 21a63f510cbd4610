"""Connections to checked addresses only, and reading that ends.

A host is resolved here, its addresses are checked, and the connection is made to the very address that was checked: a
second answer of the DNS (rebinding) is never asked for. `httpx.Client` is left out on purpose: redirects, cookies,
proxies of the environment, netrc and a log line with every URL are its business, and none of them is wanted.
"""

from __future__ import annotations

import ipaddress
import logging
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpcore
import httpx

from adapters.transport.lookups import Resolve, look_up
from service.ingest.source import Fatal, SourceConfig

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MOST_ADDRESSES = 4  # tried one after another, each for connect_seconds
_IDLE_SECONDS = 15.0  # a connection kept for the next request; shorter than servers usually keep theirs
_METADATA = frozenset(  # where clouds hand out credentials, outside the link-local range
    ipaddress.ip_address(one) for one in ("100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052

for _name in ("httpx", "httpcore"):  # they log URLs and headers: identifiers, tokens
    logging.getLogger(_name).setLevel(logging.WARNING)


def is_allowed(text: str, allow_private: bool) -> bool:
    """Whether a connection to this address may be made. Never to link-local, multicast, unspecified and metadata
    addresses; to private, loopback, shared and reserved ones only where the source allows it. An IPv4 address inside
    an IPv6 one (mapped, 6to4, Teredo, NAT64) counts as what it is."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_is_allowed(one, allow_private) for one in (address, *_inner(address)))


def _is_allowed(one: Address, allow_private: bool) -> bool:
    if one.is_link_local or one.is_multicast or one.is_unspecified or one in _METADATA:
        return False
    return allow_private or (one.is_global and not one.is_reserved)


def _inner(address: Address) -> Iterator[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield address.teredo[1]
    if address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


class Allowance:
    """How long one whole answer may take, in seconds: waiting for it and taking it apart, not what the reader does with
    its pieces meanwhile."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds


_now_reading = threading.local()


@contextmanager
def reading(allowance: Allowance) -> Iterator[None]:
    """What this thread does in the block is taken from `allowance`: a server that sends a byte every second would
    otherwise never meet the timeout, which starts anew with every byte."""
    before = getattr(_now_reading, "until", None)
    started = time.monotonic()
    _now_reading.until = started + allowance.left
    try:
        yield
    finally:
        allowance.left -= time.monotonic() - started
        _now_reading.until = before


def _within_allowance(timeout: float | None) -> float | None:
    """The shorter of the timeout and what is left of the allowance."""
    until: float | None = getattr(_now_reading, "until", None)
    if until is None:
        return timeout
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the whole answer took too long")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    """A connection whose waiting is taken from the allowance of the answer that is read."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _within_allowance(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _within_allowance(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _within_allowance(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Resolves, checks, and connects to what it checked."""

    def __init__(self, allow_private: bool, lookup_seconds: float, resolve: Resolve | None) -> None:
        self._allow_private = allow_private
        self._lookup_seconds = lookup_seconds
        self._resolve = resolve
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:  # fmt: skip
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._checked(host, port):
            try:
                return _Stream(self._plain.connect_tcp(address, port, timeout, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _checked(self, host: str, port: int) -> list[str]:
        found = look_up(host, port, self._lookup_seconds, self._resolve)
        allowed = [one for one in found if is_allowed(one, self._allow_private)]
        if not allowed:
            hint = "" if self._allow_private else "; a source in a private network needs allow_private = true"
            raise Fatal("private-address", f"the host {host} has no address that may be connected to{hint}")
        return allowed[:_MOST_ADDRESSES]


class _Body(httpx.SyncByteStream):
    """The body as it comes, unchanged, once."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._is_taken = False

    def __iter__(self) -> Iterator[bytes]:
        if self._is_taken:
            raise RuntimeError("the body of an answer is read once")
        self._is_taken = True
        yield from self._inner

    def close(self) -> None:
        self._inner.close()


class GuardedTransport(httpx.BaseTransport):
    """HTTP/1.1 over connections to checked addresses, at most `limits.connections` at once."""

    def __init__(self, config: SourceConfig, resolve: Resolve | None) -> None:
        count = config.limits.connections
        backend = _Backend(config.allow_private, config.limits.connect_seconds, resolve)
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls_context(config), max_connections=count, max_keepalive_connections=count,
            keepalive_expiry=_IDLE_SECONDS, network_backend=backend,
        )  # fmt: skip

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request, once. Raises httpcore's exceptions and SourceError."""
        url = request.url
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        headers, content = request.headers.raw, request.read()
        answer = self._pool.handle_request(
            httpcore.Request(request.method, target, headers=headers, content=content, extensions=request.extensions)
        )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer.stream), extensions=answer.extensions
        )

    def close(self) -> None:
        """Closes all connections."""
        self._pool.close()


def tls_context(config: SourceConfig) -> ssl.SSLContext:
    """Verifies the server against the source's `ca_file`, else the system's store; shows the client certificate where
    one is configured. Raises Fatal `tls-files`."""
    if config.ca_file is None and config.client_certificate is None:
        return _system_context()
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        if config.client_certificate:
            context.load_cert_chain(config.client_certificate, config.client_key)
    except (OSError, ssl.SSLError):
        raise Fatal(
            "tls-files",
            "ca_file, client_certificate or client_key cannot be read; PEM without a password is expected",
        ) from None
    return context


@cache
def _system_context() -> ssl.SSLContext:
    """Reading the system's store takes longer than many a request."""
    return ssl.create_default_context()
