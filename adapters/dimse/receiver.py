"""A C-STORE receiver (storage SCP, PS3.4 annex B): for archives that push, and for C-MOVE.

An instance is acknowledged with 0x0000 after whoever listens has kept it, never before; where that fails the answer is
0xA700 and the archive sends again. Nothing is named after what a peer says, and no unknown AE title gets in.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection
from contextlib import suppress
from types import TracebackType
from typing import Any

from pynetdicom import AllStoragePresentationContexts, build_context, evt

from adapters.dimse.contexts import ORIGINALS, PLAIN, VERIFICATION
from adapters.dimse.headers import header_of
from adapters.dimse.listening import GuardedHandler, GuardedServer
from adapters.dimse.peer import Peer, read_peer
from adapters.dimse.statuses import MISMATCH, OUT_OF_RESOURCES, SUCCESS
from adapters.dimse.transfer import Received, received_of
from adapters.dimse.wire import GuardedEntity
from service.ingest.dicom.elements import UnreadableDicom
from service.ingest.source import DICOM, Fatal, RawRecord, SourceConfig

_IDLE_SECONDS = 60.0
_KEPT_OF_BROKEN = 64 * 1024

Take = Callable[[Any], int]
"""Handles one C-STORE event; gives the status to answer with."""


class Receiver:
    """Listens while it is entered. `port` is where; `peer.options.receive_port` 0: any free one."""

    def __init__(self, peer: Peer, take: Take, callers: Collection[str]) -> None:
        options, limits = peer.options, peer.config.limits
        self.aet = options.receive_aet or options.calling_aet
        self._take, self._address = take, (options.receive_host or "0.0.0.0", options.receive_port)  # noqa: S104
        self._entity = GuardedEntity(
            self.aet, limits.connect_seconds, limits.read_seconds, limits.answer_seconds, limits.answer_bytes
        )
        self._entity.network_timeout = _IDLE_SECONDS
        self._entity.maximum_associations = limits.connections
        self._entity.require_called_aet = True
        self._entity.require_calling_aet = sorted(callers)
        self._tls = _server_tls(peer)
        self._server: Any = None

    def __enter__(self) -> Receiver:
        contexts = [build_context(VERIFICATION, list(PLAIN))]
        contexts += [
            build_context(str(one.abstract_syntax), [str(ts) for ts in ORIGINALS])
            for one in AllStoragePresentationContexts
        ]
        try:
            self._server = GuardedServer(
                self._entity, self._address, self.aet, contexts, evt_handlers=[(evt.EVT_C_STORE, self._store)],
                request_handler=GuardedHandler,
            )  # fmt: skip
        except OSError:
            host, port = self._address
            raise Fatal("cannot-listen", f"{host} port {port} is taken or not ours; see options.receive_port") from None
        self._server.tls = self._tls
        self._server.start("c-store")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def _store(self, event: Any) -> int:
        event.assoc.dul.socket.count_anew()
        try:
            return self._take(event)
        except Exception:  # whatever the listener failed with: what was not kept is not acknowledged
            return OUT_OF_RESOURCES


def pushed_record(one: Received) -> RawRecord:
    """An instance that was pushed, as a record: the file as far as its pixels. One that cannot be read is kept with
    its beginning and the reason."""
    key = f"instance/{one.sop_uid}"
    try:
        header = header_of(one)
    except UnreadableDicom as error:
        beginning = Received(one.sop_class, one.sop_uid, one.transfer_syntax, one.data[:_KEPT_OF_BROKEN]).file()
        return RawRecord(key, DICOM, beginning, problem=(error.reason_code, error.message))
    return RawRecord(key, DICOM, one.file()[: header.end])


def open_receiver(config: SourceConfig, keep: Callable[[RawRecord], None]) -> Receiver:
    """A receiver for the archive of `config` (and `options.allowed_aets`), to be entered.

    `keep` is called with each instance's record, on a thread of its association, and returns once it is stored; where
    it raises, the instance is not acknowledged. Raises SourceError.
    """
    peer = read_peer(config)

    def take(event: Any) -> int:
        try:
            found = received_of(event)
        except ValueError:
            return MISMATCH
        keep(pushed_record(found))
        return SUCCESS

    return Receiver(peer, take, {peer.aet, *peer.options.allowed_aets})


def _server_tls(peer: Peer) -> ssl.SSLContext | None:
    """TLS as a server, for `dicoms`: with our certificate, and asking for the archive's (PS3.15 B.9)."""
    if not peer.tls:
        return None
    config = peer.config
    if config.client_certificate is None:
        raise Fatal("tls-files", "a receiver of dicoms:// needs client_certificate and client_key, which it shows")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=config.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    with suppress(FileNotFoundError):
        context.load_cert_chain(config.client_certificate, config.client_key)
        return context
    raise Fatal("tls-files", "client_certificate or client_key cannot be read; PEM without a password is expected")
