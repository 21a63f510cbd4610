"""Instances by C-GET or C-MOVE, as a stream: the archive sends the next one when the one before has been taken.

The archive's C-STORE of each instance is answered by us only once there is room for it, and it sends one at a time, so
that a study of a gigabyte never stands in memory. Whoever leaves early ends the transfer: C-CANCEL, then an abort.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import create_file_meta, encode_file_meta

from adapters.dimse.association import Link
from adapters.dimse.contexts import GET, MOVE, for_get, for_move
from adapters.dimse.peer import Peer
from adapters.dimse.statuses import CANCELLED, MISMATCH, OUT_OF_RESOURCES, PENDING, SOME_FAILED, SUCCESS, refusal
from service.ingest.archive import is_uid
from service.ingest.source import Retriable, SourceError

_ROOM = 2  # instances that wait to be taken
_CANCEL_SECONDS = 1.0
_MESSAGE = 1


@dataclass(frozen=True, slots=True)
class Received:
    """One instance as it came: what the C-STORE says of it, and its data set, encoded in `transfer_syntax`."""

    sop_class: str
    sop_uid: str
    transfer_syntax: str
    data: bytes

    def file(self) -> bytes:
        """As a PS3.10 file; the preamble is of zeros, whatever the archive keeps there."""
        meta = create_file_meta(
            sop_class_uid=UID(self.sop_class),
            sop_instance_uid=UID(self.sop_uid),
            transfer_syntax=UID(self.transfer_syntax),
        )
        return b"\0" * 128 + b"DICM" + encode_file_meta(meta) + self.data


def received_of(event: Any) -> Received:
    """What a C-STORE request holds. Raises ValueError where its UIDs are none: nothing may be named after them."""
    request = event.request
    sop_class, sop_uid = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
    if not (is_uid(sop_class) and is_uid(sop_uid)):
        raise ValueError("not a DICOM UID")
    return Received(sop_class, sop_uid, str(event.context.transfer_syntax), request.DataSet.getvalue())


@dataclass(slots=True)
class Tally:
    """What the archive said at the end: sub-operations that it completed, and that failed."""

    status: int = -1
    completed: int = 0
    failed: int = 0


Item = Received | SourceError | None
"""What a retrieval gives: an instance, the error that ended it, or None at its end."""


def next_of(room: queue.Queue[Item], seconds: float) -> Item:
    """The next item. Raises Retriable `slow` where none comes."""
    try:
        return room.get(timeout=seconds)
    except queue.Empty:
        raise Retriable("slow", f"no instance came for {seconds:.0f} s") from None


class Moves(Protocol):
    """Our receiver, to which an archive sends by C-MOVE."""

    @property
    def aet(self) -> str:
        """Its AE title."""

    def begin(self, take: Callable[[Any], int]) -> None:
        """Gives what arrives to `take`."""

    def end(self, take: Callable[[Any], int]) -> None:
        """Gives it no longer, if it still does."""


class Retrieval:
    """One C-GET on an association of its own, as a context manager that iterates over `Received`.

    Raises SourceError while iterating; afterwards `tally` tells how many the archive counted. `wanted` are the only
    SOPInstanceUIDs that are taken (empty: whichever come). With `moves` it is a C-MOVE to that receiver. What it
    receives goes into `room`, at the end None or an error, where another is to take it.
    """

    def __init__(
        self,
        peer: Peer,
        identifier: Dataset,
        classes: Sequence[str],
        wanted: frozenset[str] = frozenset(),
        moves: Moves | None = None,
        room: queue.Queue[Item] | None = None,
    ) -> None:
        contexts, roles = for_get(classes) if moves is None else (for_move(), [])
        self._link = Link(peer, contexts, roles, self._store if moves is None else None)
        self._peer, self._identifier, self._wanted, self._moves = peer, identifier, wanted, moves
        self._service, self._name = (GET, "C-GET") if moves is None else (MOVE, "C-MOVE")
        self._room: queue.Queue[Item] = room or queue.Queue(_ROOM)
        self._came: set[str] = set()
        self._left = threading.Event()
        self._done = threading.Event()
        self.tally = Tally()

    def __enter__(self) -> Retrieval:
        if self._moves is not None:
            self._moves.begin(self._store)
        try:
            self._link.__enter__()
        except BaseException:
            self._end_moves()
            raise
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        return self

    def __iter__(self) -> Iterator[Received]:
        while (found := next_of(self._room, self._peer.config.limits.answer_seconds)) is not None:
            if isinstance(found, SourceError):
                raise found
            yield found

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        if not self._done.is_set():
            self._cancel()
        self._thread.join(self._peer.config.limits.read_seconds)
        self._link.close()
        self._end_moves()

    def _end_moves(self) -> None:
        if self._moves is not None:
            self._moves.end(self._store)

    def _cancel(self) -> None:
        """C-CANCEL (PS3.4 C.4.3.1.5); an archive that goes on sending is left."""
        if self._link.is_open:
            with suppress(Exception):  # the association may end this very moment
                self._link.assoc.send_c_cancel(_MESSAGE, query_model=self._service)
        if not self._done.wait(_CANCEL_SECONDS):
            self._link.abort()

    def _run(self) -> None:
        problem: SourceError | None
        try:
            problem = self._get()
        except SourceError as error:
            problem = error
        except Exception as error:  # pynetdicom's: without an accepted context, ValueError
            problem = Retriable("unable", f"{self._name} failed with {type(error).__name__}")
        self._done.set()
        if problem is None:
            self._link.close()
            self._end_moves()
        self._put(problem)

    def _get(self) -> SourceError | None:
        """Lets the archive send; gives the error at its end, None where it was a success."""
        self._link.require(self._service)
        for status, _ in self._link.answers(self._send()):
            if "Status" not in status:
                raise self._link.gone(self._name)
            self.tally = Tally(
                status.Status,
                status.get("NumberOfCompletedSuboperations") or 0,
                status.get("NumberOfFailedSuboperations") or 0,
            )
            if status.Status not in PENDING:
                break
        end = self.tally.status
        if end in (SUCCESS, SOME_FAILED) or (end == CANCELLED and self._left.is_set()):
            return None
        return refusal(end, self._name)

    def _send(self) -> Any:
        assoc = self._link.assoc
        if self._moves is None:
            return assoc.send_c_get(self._identifier, GET, msg_id=_MESSAGE)
        return assoc.send_c_move(self._identifier, self._moves.aet, MOVE, msg_id=_MESSAGE)

    def _store(self, event: Any) -> int:
        """Our side of the archive's C-STORE; runs in the thread of `_run`, or in one of the receiver."""
        try:
            found = received_of(event)
        except ValueError:
            return MISMATCH
        if found.sop_uid in self._came or (self._wanted and found.sop_uid not in self._wanted):
            return MISMATCH  # nothing that is waited for: an archive that never stops is left
        self._link.socket.count_anew()
        with self._link.resting():
            if not self._put(found):
                return OUT_OF_RESOURCES
        self._came.add(found.sop_uid)
        return SUCCESS

    def _put(self, one: Item) -> bool:
        while not self._left.is_set():
            with suppress(queue.Full):
                self._room.put(one, timeout=0.05)
                return True
        return False
