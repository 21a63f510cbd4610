"""The listening side of pynetdicom, on guarded sockets."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any

from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from adapters.dimse.wire import GuardedEntity, GuardedSocket

_STOP_SECONDS = 5.0


class GuardedServer(ThreadedAssociationServer):
    """One thread for each connection, TLS included: a client that only connects keeps nobody waiting."""

    tls: ssl.SSLContext | None = None
    daemon_threads = True

    def start(self, name: str) -> None:
        """Listens on a thread of its own."""
        self.ae._servers.append(self)  # where it looks for itself when it is shut down
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listens no longer, and ends what is open; also what never said who it is."""
        running = self.active_associations
        self.shutdown()
        for one in running:
            if one.is_established:
                one.abort()
            one.dul.to_user_queue.put(None)  # pynetdicom's sign that nobody asked for an association in time
        for one in running:
            one.join(_STOP_SECONDS)
        self._thread.join(_STOP_SECONDS)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accepts a connection; the handshake is not made here, where it would hold up the others."""
        assert self.socket is not None
        accepted, address = self.socket.accept()
        accepted.settimeout(self.ae.connection_timeout)
        return accepted, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Refuses connections beyond those that may ask for an association."""
        return len(self.active_associations) < 2 * int(self.ae.maximum_associations)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a traceback may quote what came."""


class GuardedHandler(RequestHandler):
    """Makes associations over guarded sockets."""

    server: GuardedServer

    def handle(self) -> None:
        """The TLS handshake, where there is one, then the association."""
        if self.server.tls is not None:
            try:
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            except OSError:
                self.request.close()
                return
        super().handle()

    def _create_association(self) -> Any:
        assoc = super()._create_association()
        assoc.dul.event_queue.get_nowait()  # told by the plain socket, whose place ours takes and tells it again
        entity = self.ae
        assert isinstance(entity, GuardedEntity)
        assoc.dul.socket = GuardedSocket(assoc, entity.silence, entity.most, client_socket=self.request)
        return assoc
