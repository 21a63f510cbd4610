"""The TCP side of an association: guarded sockets under pynetdicom, and its silence.

pynetdicom leaves four things to whoever uses it: it reads as many bytes as a PDU claims to have (up to 4 GiB), it waits
for ever in the middle of one, it logs identifiers, and it leaves Nagle's algorithm and delayed acknowledgement to hold
each small message back for 40 ms. All four are mended here, in the one place where its sockets are made.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from pynetdicom import AE, _config
from pynetdicom.transport import AssociationSocket

MAX_PDU = 128 * 1024
"""The longest P-DATA-TF PDU we say we take (PS3.8 D.1)."""
_MOST_OF_PDU = 1024 * 1024  # what is read of a PDU that keeps to it, and of an A-ASSOCIATE that has no such limit
_AT_ONCE = 256 * 1024
_TURN = 0.0003  # seconds between two looks at the connection; pynetdicom's own 0.001 halves what comes a second
_IDLE, _IDLE_TURN = 1.0, 20  # after so many seconds without a word, milliseconds between two looks
_QUICK = getattr(socket, "TCP_QUICKACK", None)  # Linux

# pynetdicom and pydicom tell data sets, which are a patient's, in their logs. Silenced once, for the whole process;
# `_config` keeps them from being written out for nobody, which also costs time.
for _name in ("pynetdicom", "pydicom"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)
_config.LOG_HANDLER_LEVEL = "none"
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_RESPONSE_IDENTIFIERS = False


class GuardedSocket(AssociationSocket):
    """The connection of one association. `failure` tells why it ended, where that was the network's doing:
    `unreachable`, `tls`, `slow`, `cut-off`, `too-large`, `unreadable`."""

    def __init__(self, assoc: Any, silence: float, most: int, **more: Any) -> None:
        super().__init__(assoc, **more)
        self.failure = ""
        self._budget = self._left = most
        self._silence = silence
        self._heard = monotonic()
        self._is_awaiting = self._is_reading = False
        assoc.dul._run_loop_delay = _TURN
        self._act = assoc.dul.state_machine.do_action
        assoc.dul.state_machine.do_action = self._guarded_act
        if self._is_connected and self.socket is not None:
            self._tune(self.socket)

    def connect(self, primitive: Any) -> None:
        """Connects, with TLS where it is wanted; the handshake has the connection timeout too."""
        raw = self.socket
        assert raw is not None
        try:
            raw.settimeout(self.assoc.connection_timeout)
            raw.connect(primitive.address_info.as_tuple)
            if self.tls_args:
                context, name = self.tls_args
                raw = context.wrap_socket(raw, server_hostname=name)
        except OSError as error:
            self.failure = "tls" if isinstance(error, ssl.SSLError) else "unreachable"
            raw.close()
            self.socket = None
            primitive.result = "Evt17"
        else:
            self.socket = raw
            self._tune(raw)
            self._is_connected = True
            self.expect(True)  # an answer to our A-ASSOCIATE-RQ
            primitive.result = "Evt2"
        self.provider_queue.put(primitive)
        self._ready.set()

    def _guarded_act(self, event: str) -> None:
        """What pynetdicom does with what came. Where it cannot read it its thread would die with a traceback that may
        quote it, and the association would stand for ever."""
        try:
            self._act(event)
        except Exception:
            self.failure = "unreadable"
            assoc = self.assoc
            assoc.is_aborted, assoc.is_established = True, False
            assoc._kill = assoc.dul._kill_thread = True
            self.let_go()
            assoc.dul.to_user_queue.put(None)  # wakes whoever waits for an answer to an association
            assoc.dimse.msg_queue.put((None, None))  # or within one

    def _tune(self, raw: socket.socket) -> None:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(self._silence)

    def count_anew(self) -> None:
        """A new answer begins: it may have as many bytes as the one before."""
        self._left = self._budget

    def expect(self, awaiting: bool) -> None:
        """Says whether the peer owes us something: then silence ends the association, else it does not."""
        self._heard = monotonic()
        self._is_awaiting = awaiting

    @property
    def ready(self) -> bool:
        """Whether there is something to read; a peer that owes an answer and is silent for too long has gone."""
        if self.socket is None or not self._is_connected:
            return False
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return True
        waiting = select.poll()  # `select.select`, which pynetdicom uses, refuses descriptors above 1023
        try:
            waiting.register(self.socket, select.POLLIN)
            is_idle = not self._is_awaiting and monotonic() - self._heard > _IDLE
            if waiting.poll(_IDLE_TURN if is_idle else 0):
                return True
        except (OSError, ValueError):  # closed under our hands
            self._end(self.failure)
        if self._is_awaiting and monotonic() - self._heard > self._silence:
            self._end("slow")
        return False

    def recv(self, nr_bytes: int) -> bytearray:
        """Reads that many bytes; fewer where the connection ended. Raises OSError for a claim that is too large and
        for a peer that stops half way, which pynetdicom takes for a lost connection."""
        if nr_bytes > min(_MOST_OF_PDU, self._left):
            self.failure = "too-large"
            raise OSError("more bytes are announced than are taken")
        self._is_reading = True
        try:
            found = self._read(nr_bytes)
        finally:
            self._is_reading = False
        self._left -= len(found)
        self._heard = monotonic()
        return found

    def _read(self, nr_bytes: int) -> bytearray:
        found = bytearray()
        deadline = monotonic() + self._silence  # for a whole PDU: a drip of bytes ends here
        while len(found) < nr_bytes:
            if self.socket is None or monotonic() > deadline:
                self.failure = self.failure or "slow"
                raise OSError("a PDU did not come to its end in time")
            try:
                piece = self.socket.recv(min(nr_bytes - len(found), _AT_ONCE))
            except TimeoutError:
                self.failure = "slow"
                raise
            if not piece:
                self.failure = self.failure or ("cut-off" if found or nr_bytes > 6 else "")
                break
            found += piece
            if _QUICK is not None:
                # Peers send a command and its data set as two small segments, the second of which Nagle's algorithm
                # holds back until the first is acknowledged. The option lasts for one acknowledgement.
                self.socket.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)
        return found

    def let_go(self) -> None:
        """Closes the connection, also where the other end has gone, or never spoke DICOM: pynetdicom leaves it open."""
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                self.socket.close()

    _shutdown_socket = let_go

    def cut_if_reading(self) -> None:
        """Ends a read that waits in the middle of a PDU, so that the association can be ended without waiting too."""
        if self._is_reading and self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

    def _end(self, failure: str) -> None:
        self.failure = failure
        self._is_awaiting = False
        self.event_queue.put("Evt17")  # transport connection closed (PS3.8 9.2.2)


class GuardedEntity(AE):
    """An application entity whose associations use guarded sockets. `silence` is how many seconds a peer that owes an
    answer may say nothing, `most` how many bytes an answer, or an instance, may have."""

    def __init__(self, title: str, connect_seconds: float, silence: float, answer_seconds: float, most: int) -> None:
        super().__init__(ae_title=title)
        self.connection_timeout = connect_seconds
        self.acse_timeout = silence + 1.0  # our own comes first, and knows why
        self.dimse_timeout = answer_seconds
        self.network_timeout = None  # our own, in GuardedSocket: it tells waiting for a peer from waiting for us
        self.maximum_pdu_size = MAX_PDU
        self.silence, self.most = silence, most

    def _create_socket(self, assoc: Any, address: Any, tls_args: Any) -> GuardedSocket:
        made = GuardedSocket(assoc, self.silence, self.most, address=address)
        if tls_args is not None:
            made.tls_args = tls_args
        assoc.dimse.get_msg = _for_who_waits(assoc.dimse.get_msg)
        return made


def _for_who_waits(get_msg: Callable[[bool], Any]) -> Callable[[bool], Any]:
    """Answers go to whoever waits for them. pynetdicom's own loop looks for requests in the same queue without waiting,
    and on a busy machine is paused one turn too late: it would take an answer and lose it. Nobody sends requests to a
    requestor but within a C-GET, where they are waited for."""

    def get(block: bool = False) -> Any:
        return get_msg(True) if block else (None, None)

    return get
