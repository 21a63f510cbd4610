"""The archive as the configuration names it: address, AE titles, the adapter's own options."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from adapters.transport.network import is_allowed, resolve_host, tls_context
from service.ingest.source import Fatal, Retriable, SourceConfig

_AET = frozenset(chr(code) for code in range(0x20, 0x7F)) - {"\\"}  # PS3.5 6.2, AE
ROUND = (100, 200, 250, 256, 300, 400, 500, 1000, 1024, 2000, 2500, 4096, 5000, 10000)


@dataclass(frozen=True, slots=True)
class Options:
    """The `options` of the source; the package's README describes them."""

    calling_aet: str = "TESTONCE"
    since: date | None = None
    days_back: int = 3
    retrieve: str = "get"  # get | move | none
    receive_host: str = ""
    receive_port: int = 0
    receive_aet: str = ""
    allowed_aets: tuple[str, ...] = ()
    headers_per_series: int = 32
    batch_records: int = 200
    round_limits: tuple[int, ...] = ROUND
    default_charset: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom we speak to, and as whom."""

    config: SourceConfig
    aet: str
    host: str
    port: int
    tls: bool
    options: Options

    def address(self) -> str:
        """The address to connect to: the host's first that may be connected to. Raises Retriable `unreachable`, Fatal
        `private-address`."""
        try:
            found = resolve_host(self.host, self.port)
        except (OSError, UnicodeError):
            raise Retriable(
                "unreachable", f"the host {self.host} cannot be resolved; check its name and the DNS"
            ) from None
        for one in found:
            if is_allowed(one, self.config.allow_private):
                return one
        raise Fatal("private-address", f"the host {self.host} has no address that this source may connect to")

    def tls_args(self) -> tuple[ssl.SSLContext, str] | None:
        """For `dicoms`: TLS 1.2 or later (PS3.15 B.9 and B.12, after BCP 195), and the name the certificate must
        bear. Raises Fatal `tls-files`."""
        if not self.tls:
            return None
        context = tls_context(self.config)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context, self.host


def read_peer(config: SourceConfig) -> Peer:
    """The peer of a source. Raises Fatal `bad-address` or `bad-option`."""
    try:
        parts = urlsplit(config.address)
        aet, host, port = parts.username or "", parts.hostname or "", parts.port or 0
    except ValueError:
        aet, host, port = "", "", 0
    if not (host and port and parts.scheme in ("dicom", "dicoms")):
        raise Fatal("bad-address", "the address of a dimse source is dicom://AET@host:port, or dicoms:// for TLS")
    return Peer(
        config, read_aet(aet, "the address"), host, port, parts.scheme == "dicoms", read_options(config.options)
    )


def read_options(given: Mapping[str, Any]) -> Options:
    """The options, checked. Raises Fatal `bad-option` naming the key, what is expected and what came."""
    unknown = sorted(set(given) - set(_READERS))
    if unknown:
        raise Fatal("bad-option", f"options.{unknown[0]} is not known; known are {', '.join(sorted(_READERS))}")
    found = {}
    for key, value in given.items():
        try:
            found[key] = _READERS[key](value)
        except (ValueError, TypeError):
            raise Fatal("bad-option", f"options.{key}: {_EXPECTED[key]} is expected") from None
    options = Options(**found)
    if options.retrieve == "move" and not options.receive_port:
        raise Fatal("bad-option", 'options.receive_port is needed with retrieve = "move": the archive sends to it')
    return options


def read_aet(value: object, where: str = "an option") -> str:
    """An AE title (PS3.5 6.2): 1 to 16 printable ASCII characters, no backslash, blanks around it mean nothing.

    Raises Fatal `bad-address`."""
    text = value.strip() if isinstance(value, str) else ""
    if not 1 <= len(text) <= 16 or not _AET.issuperset(text):
        raise Fatal("bad-address", f"an AE title in {where} has 1 to 16 printable ASCII characters and no backslash")
    return text


def _whole(low: int, high: int) -> Any:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError
        return value

    return read


def _one_of(*words: str) -> Any:
    def read(value: object) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    return read


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isascii():
        raise ValueError
    return value


def _day(value: object) -> date:
    return value if type(value) is date else date.fromisoformat(str(value))


_READERS: dict[str, Any] = {
    "calling_aet": read_aet,
    "since": _day,
    "days_back": _whole(0, 366),
    "retrieve": _one_of("get", "move", "none"),
    "receive_host": _text,
    "receive_port": _whole(1, 65535),
    "receive_aet": read_aet,
    "allowed_aets": lambda value: tuple(read_aet(one) for one in value),
    "headers_per_series": _whole(1, 1000),
    "batch_records": _whole(1, 500),
    "round_limits": lambda value: tuple(_whole(1, 1_000_000)(one) for one in value),
    "default_charset": _text,
}
_EXPECTED = {
    "calling_aet": "an AE title", "since": "a date such as 2026-11-01", "days_back": "0 to 366 days",
    "retrieve": '"get", "move" or "none"', "receive_host": "the address to listen on",
    "receive_port": "a port of 1 to 65535", "receive_aet": "an AE title", "allowed_aets": "a list of AE titles",
    "headers_per_series": "1 to 1000", "batch_records": "1 to 500", "round_limits": "a list of numbers",
    "default_charset": "a defined term of PS3.3 C.12.1.1.2 such as GB18030",
}  # fmt: skip
