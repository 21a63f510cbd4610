"""The archive as the configuration names it: its address and AE title, and how to get there."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.dimse.options import AE_TITLE, Options, is_ae_title, read_options
from adapters.transport.lookups import look_up
from adapters.transport.network import is_allowed, tls_context
from service.ingest.source import Fatal, SourceConfig


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
        for one in look_up(self.host, self.port, self.config.limits.connect_seconds):
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
    if not is_ae_title(aet := aet.strip()):
        raise Fatal("bad-address", f"the address names no AE title: {AE_TITLE}")
    return Peer(config, aet, host, port, parts.scheme == "dicoms", read_options(config))
