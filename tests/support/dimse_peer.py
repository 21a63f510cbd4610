"""An image archive that speaks DIMSE, on loopback, with a switch for each defect of real ones.

It holds the instances it is given (`put`) and serves C-ECHO, C-FIND, C-GET and C-MOVE, Study Root; `send` pushes by
C-STORE. `faults` may be changed at any time.
"""

from __future__ import annotations

import itertools
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import StoragePresentationContexts, build_context, evt

from adapters.dimse.listening import GuardedHandler, GuardedServer
from adapters.dimse.wire import GuardedEntity
from tests.support.archives import Instance

AET = "HOSPA"
_VERIFICATION = "1.2.840.10008.1.1"
_FIND, _MOVE, _GET = (f"1.2.840.10008.5.1.4.1.2.2.{n}" for n in (1, 2, 3))
_LEVELS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
_COUNTS = {
    "NumberOfStudyRelatedInstances": "StudyInstanceUID", "NumberOfSeriesRelatedInstances": "SeriesInstanceUID",
}  # fmt: skip


@dataclass
class Faults:
    """What this archive does wrong. Statuses are those of PS3.4 C.4."""

    find_status: int = 0  # ends every C-FIND with this status
    find_from: int = 0  # the C-FIND from which `find_status`, `aborts` and `is_silent` hold (0: the first)
    most_rows: int = 0  # stops there and says that this was all
    heeds_time: bool = True
    counts: bool = True
    aborts: bool = False  # in the middle of a C-FIND
    is_silent: float = 0.0  # seconds before it answers a C-FIND
    pending: int = 0xFF00
    foreign_rows: tuple[dict[str, Any], ...] = ()  # further rows of a study query
    image_keys: bool = True  # whether the IMAGE level knows ImageLaterality and ViewPosition
    omits: str = ""  # this key is in no row
    get_status: int = 0
    leaves_out: frozenset[str] = frozenset()  # SOPInstanceUIDs it lists and does not send
    sends_instead: Instance | None = None
    sends_uid: str = ""  # instead of the SOPInstanceUID, in the command
    aborts_get_after: int = -1
    get_pause: float = 0.0  # seconds between two instances
    repeats: bool = False  # the last instance comes again and again


@dataclass
class DimsePeer:
    """The archive. `calling` lists who may associate (empty: anybody); `move_to` is where C-MOVE sends."""

    offers: tuple[str, ...] = (_VERIFICATION, _FIND, _GET, _MOVE)
    calling: tuple[str, ...] = ()
    associations: int = 10
    tls: ssl.SSLContext | None = None
    faults: Faults = field(default_factory=Faults)
    instances: dict[str, tuple[Instance, Dataset]] = field(default_factory=dict)
    move_to: tuple[str, int] | None = None
    asked: list[Dataset] = field(default_factory=list)
    sent: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> DimsePeer:
        self._ae = GuardedEntity(AET, 5.0, 30.0, 60.0, 1 << 30)
        self._ae.maximum_associations = self.associations
        self._ae.require_calling_aet = list(self.calling)
        self._ae.require_called_aet = True
        for one in self.offers:
            self._ae.add_supported_context(one)
        for one in StoragePresentationContexts:
            self._ae.add_supported_context(one.abstract_syntax, ExplicitVRLittleEndian, scu_role=True, scp_role=True)
        handlers = [(evt.EVT_C_FIND, self._find), (evt.EVT_C_GET, self._get), (evt.EVT_C_MOVE, self._move)]
        self._server = GuardedServer(
            self._ae, ("127.0.0.1", 0), AET, self._ae.supported_contexts, evt_handlers=handlers,
            request_handler=GuardedHandler,
        )  # fmt: skip
        self._server.tls = self.tls
        self._server.start("dimse-peer")
        self.port = int(self._server.server_address[1])
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def put(self, instances: Iterable[Instance]) -> None:
        """Holds these, in place of those of the same UID."""
        for one in instances:
            self.instances[one.sop_uid] = (one, dcmread(BytesIO(one.body)))

    def remove(self, keyword: str, uid: str) -> None:
        """Holds no longer what has this UID."""
        gone = [sop for sop, (_, data) in self.instances.items() if data[keyword].value == uid]
        for sop in gone:
            del self.instances[sop]

    def send(
        self, instances: Iterable[Instance], port: int, called: str, calling: str = AET,
        tls: tuple[ssl.SSLContext, str] | None = None,
    ) -> list[int]:  # fmt: skip
        """Pushes these by C-STORE; the statuses that come back, [] where no association was made."""
        given = [dcmread(BytesIO(one.body)) for one in instances]
        with self._associated(port, called, calling, tls, {str(one.SOPClassUID) for one in given}) as assoc:
            return [assoc.send_c_store(one).get("Status", -1) for one in given] if assoc.is_established else []

    @contextmanager
    def _associated(
        self, port: int, called: str, calling: str, tls: tuple[ssl.SSLContext, str] | None, classes: Iterable[str]
    ) -> Iterator[Any]:
        contexts = [build_context(one, ExplicitVRLittleEndian) for one in sorted(classes)]
        entity = GuardedEntity(calling, 5.0, 30.0, 60.0, 1 << 30)
        assoc = entity.associate("127.0.0.1", port, contexts, called, tls_args=tls)
        try:
            yield assoc
        finally:
            assoc.release() if assoc.is_established else assoc.abort()

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        asked, faults = event.identifier, self.faults
        self.asked.append(asked)
        is_ill = len(self.asked) > faults.find_from
        if faults.is_silent and is_ill:
            time.sleep(faults.is_silent)
        if faults.find_status and is_ill:
            yield faults.find_status, None
            return
        rows = self._rows(asked)
        for n, row in enumerate(rows[: faults.most_rows or None]):
            if faults.aborts and is_ill and n:
                event.assoc.abort()
                return
            yield faults.pending, row

    def _rows(self, asked: Dataset) -> list[Dataset]:
        level = asked.QueryRetrieveLevel
        groups: dict[tuple[str, str], list[Dataset]] = {}
        for _, data in list(self.instances.values()):
            if self._matches(asked, data):
                key = (data[_LEVELS[level]].value, data.PatientID if level == "STUDY" else "")
                groups.setdefault(key, []).append(data)
        rows = [self._row(asked, members) for members in groups.values()]
        if level == "STUDY" and "StudyDate" in asked and asked.StudyDate:
            rows += [self._foreign(asked, one) for one in self.faults.foreign_rows]
        return rows

    def _matches(self, asked: Dataset, data: Dataset) -> bool:
        for keyword in ("StudyDate", "StudyInstanceUID", "SeriesInstanceUID", "PatientID"):
            if (wanted := asked.get(keyword)) and data.get(keyword) != wanted:
                return False
        span = asked.get("StudyTime")
        if not span or not self.faults.heeds_time:
            return True
        first, _, last = str(span).partition("-")
        return first <= str(data.get("StudyTime") or "none") <= last

    def _row(self, asked: Dataset, members: list[Dataset]) -> Dataset:
        row = Dataset()
        if "SpecificCharacterSet" in members[0]:
            row[0x00080005] = members[0].get_item(0x00080005)
        for element in asked:
            keyword = element.keyword
            if keyword == self.faults.omits:
                continue
            if keyword in _COUNTS:
                uid = members[0][_COUNTS[keyword]].value
                same = [one for _, one in self.instances.values() if one[_COUNTS[keyword]].value == uid]
                setattr(row, keyword, len(same) if self.faults.counts else "")
            elif keyword in ("ImageLaterality", "ViewPosition") and not self.faults.image_keys:
                continue
            elif element.tag in members[0]:
                row[element.tag] = members[0].get_item(element.tag)  # raw: its bytes as the file has them
            else:
                setattr(row, keyword, element.value)
        return row

    def _foreign(self, asked: Dataset, values: dict[str, Any]) -> Dataset:
        row = Dataset()
        row.QueryRetrieveLevel, row.StudyDate = "STUDY", asked.StudyDate
        for keyword, value in values.items():
            setattr(row, keyword, value)
        return row

    def _get(self, event: Any) -> Iterator[Any]:
        yield from self._send(event, self._asked_for(event.identifier))

    def _move(self, event: Any) -> Iterator[Any]:
        if self.move_to is None:
            yield (None, None)
            return
        found = self._asked_for(event.identifier)
        classes = sorted({one.SOPClassUID for one in found})
        yield (*self.move_to, {"contexts": [build_context(one, ExplicitVRLittleEndian) for one in classes]})
        yield from self._send(event, found)

    def _asked_for(self, asked: Dataset) -> list[Dataset]:
        sops = asked.get("SOPInstanceUID") or ""
        wanted = {sops} if isinstance(sops, str) else set(sops)
        found = [data for _, data in self.instances.values() if self._matches(asked, data)]
        found = [one for one in found if wanted == {""} or one.SOPInstanceUID in wanted]
        return [one for one in found if one.SOPInstanceUID not in self.faults.leaves_out]

    def _send(self, event: Any, found: list[Dataset]) -> Iterator[Any]:
        faults = self.faults
        yield 60_000 if faults.repeats else len(found)
        if faults.get_status:
            yield faults.get_status, None
            return
        for n, one in enumerate(itertools.chain(found, itertools.repeat(found[-1]) if faults.repeats else ())):
            if event.is_cancelled:
                self.cancelled.set()
                yield 0xFE00, None
                return
            if n == faults.aborts_get_after:
                event.assoc.abort()
                return
            time.sleep(faults.get_pause)
            self.sent += 1
            yield 0xFF00, self._given(one)

    def _given(self, one: Dataset) -> Dataset:
        if self.faults.sends_instead is not None:
            data = dcmread(BytesIO(self.faults.sends_instead.body))
            data.SOPInstanceUID = one.SOPInstanceUID
            return data
        if self.faults.sends_uid:
            one = dcmread(BytesIO(self.instances[one.SOPInstanceUID][0].body))
            one.SOPInstanceUID = self.faults.sends_uid
        return one
