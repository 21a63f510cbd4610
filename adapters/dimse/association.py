"""One association with an archive: echo, find, and the way to close it whatever happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from types import TracebackType
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import evt

from adapters.dimse.contexts import FIND, foreign
from adapters.dimse.peer import Peer
from adapters.dimse.statuses import NOT_SUPPORTED, PENDING, SUCCESS, lost, refusal, rejection
from adapters.dimse.wire import MAX_PDU, GuardedEntity, GuardedSocket
from service.ingest.source import Fatal, Retriable

_MOST_ROWS = 50_000
_RELEASE_SECONDS = 2.0
_BUSY_SECONDS = 0.05  # before the first of `limits.retries`; each waits twice as long
OnStore = Callable[[Any], int]
Answers = Iterator[tuple[Dataset, Dataset | None]]


class Link:
    """An association, made when it is entered. Use by one thread at a time. Raises SourceError."""

    def __init__(
        self, peer: Peer, contexts: Sequence[Any], roles: Sequence[Any] = (), on_store: OnStore | None = None
    ) -> None:
        self.peer = peer
        self._contexts, self._roles = list(contexts), list(roles)
        self._handlers: list[Any] = [] if on_store is None else [(evt.EVT_C_STORE, on_store)]
        self.assoc: Any = None
        self._is_clean = False

    def __enter__(self) -> Link:
        for attempt in range(self.peer.config.limits.retries + 1):
            try:
                return self._associate()
            except Retriable as error:
                if error.code != "busy" or attempt == self.peer.config.limits.retries:
                    raise
                time.sleep(_BUSY_SECONDS * 2**attempt)  # archives count an association for a while after its end
        raise AssertionError

    def _associate(self) -> Link:
        limits, options = self.peer.config.limits, self.peer.options
        entity = GuardedEntity(
            options.calling_aet, limits.connect_seconds, limits.read_seconds, limits.answer_seconds, limits.answer_bytes
        )
        self.assoc = entity.associate(
            self.peer.address(), self.peer.port, self._contexts, self.peer.aet, MAX_PDU, self._roles,
            tls_args=self.peer.tls_args(), evt_handlers=self._handlers,
        )  # fmt: skip
        if not self.assoc.is_established:
            error = self._not_established()
            self.abort()
            raise error
        if foreign(self.assoc):
            self.abort()
            raise Retriable("foreign-syntax", f"the archive {self.peer.aet} chose a transfer syntax nobody offered")
        self.socket.expect(False)
        self._is_clean = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def socket(self) -> GuardedSocket:
        """The connection under it."""
        found: GuardedSocket = self.assoc.dul.socket
        return found

    @property
    def is_open(self) -> bool:
        """Whether it can be used for a further operation."""
        return self._is_clean and bool(self.assoc.is_established)

    def close(self) -> None:
        """Releases it, or aborts it where an operation is not at its end."""
        if self.is_open:
            self.assoc.acse_timeout = _RELEASE_SECONDS
            self.assoc.release()
        self.abort()

    def abort(self) -> None:
        """Ends it at once, also from another thread."""
        self._is_clean = False
        if self.assoc is not None:
            self.socket.cut_if_reading()
            self.assoc.abort()
            self.socket.let_go()
            self.assoc.dimse.msg_queue.put((None, None))  # wakes whoever waits for an answer that will not come

    def echo(self) -> None:
        """C-ECHO (PS3.4 annex A)."""
        with self._asking():
            answer = self.assoc.send_c_echo()
        if "Status" not in answer:
            raise self.gone("C-ECHO")
        if answer.Status != SUCCESS:
            raise refusal(answer.Status, "C-ECHO")

    def require(self, service: str) -> None:
        """Raises Fatal `not-offered` where the archive did not accept this service (its SOP class UID)."""
        if not any(one.abstract_syntax == service for one in self.assoc.accepted_contexts):
            raise refusal(NOT_SUPPORTED, UID(service).name)

    def find(self, keys: Dataset, asked: str) -> list[Dataset]:
        """The matches of one C-FIND (PS3.4 C.4.1), Study Root; all of them or an error: half a list is none.

        Raises Retriable `unreadable` for a match that is no data set."""
        self.require(FIND)
        rows: list[Dataset] = []
        until = monotonic() + self.peer.config.limits.answer_seconds
        self.socket.count_anew()
        for status, row in self.answers(self.assoc.send_c_find(keys, FIND)):
            if "Status" not in status:
                raise self.gone(asked)
            if status.Status == SUCCESS:
                return rows
            if status.Status not in PENDING:
                raise refusal(status.Status, asked)
            if row is None:
                raise self._broken("unreadable", f"{asked}: a match is no DICOM data set; look at the archive's log")
            rows.append(row)
            if len(rows) > _MOST_ROWS:
                raise self._broken("too-large", f"{asked}: more than {_MOST_ROWS} matches")
            if monotonic() > until:
                raise self._broken("slow", f"{asked} was not answered to its end in time")
        raise self.gone(asked)

    def answers(self, given: Answers) -> Answers:
        """The answers of an operation as they come; while one is waited for, the archive's silence counts."""
        while True:
            with self._asking():
                found = next(given, None)
            if found is None:
                return
            yield found

    def _asking(self) -> _Asking:
        return _Asking(self.socket, True)

    def resting(self) -> _Asking:
        """A block in which the archive waits for us, so that its silence does not count."""
        return _Asking(self.socket, False)

    def gone(self, asked: str) -> Exception:
        """The error of an association that ended by itself during `asked`."""
        self._is_clean = False
        return lost(self.socket.failure, self.peer.aet, asked)

    def _broken(self, code: str, text: str) -> Retriable:
        self.abort()
        return Retriable(code, text)

    def _not_established(self) -> Exception:
        assoc, peer = self.assoc, self.peer
        if assoc.is_rejected:
            told = assoc.acceptor.primitive
            return rejection(told.result, told.result_source, told.diagnostic, peer.options.calling_aet, peer.aet)
        failure = self.socket.failure
        if not failure and assoc.acceptor.primitive is not None and not assoc.accepted_contexts:
            offered = "the archive accepts none of the services we ask for (C-FIND, C-GET, Study Root)"
            return Fatal("not-offered", f"association: {offered}")
        return lost(failure, peer.aet, "association")


class _Asking:
    """A block in which an answer is owed, or is not."""

    def __init__(self, socket: GuardedSocket, is_owed: bool) -> None:
        self._socket, self._is_owed = socket, is_owed

    def __enter__(self) -> None:
        self._socket.expect(self._is_owed)

    def __exit__(self, *_: object) -> None:
        self._socket.expect(not self._is_owed)
