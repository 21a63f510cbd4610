"""A DICOMweb archive on loopback that can be told to misbehave, as real ones do (research: imaging, adapters 5).

    with DicomWebServer() as server:
        server.put(ct(n=3))
        server.faults.row_limit = 2
        ...  # server.url

Its clock is its own, told in `Date`. It decodes nothing in a query, as Orthanc 1.10.1 does.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.support.archives import Instance
from tests.support.dicom_json import data_set

STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"
_LEVELS = {"studies": STUDY, "series": SERIES, "instances": INSTANCE}
_KEYS = {"StudyInstanceUID": STUDY, "StudyDate": "00080020", "PatientID": "00100020"}
_ROW = {
    "studies": ("00080005", "00080020", "00080030", "00080050", "00081030", "00100010", "00100020", "00100030",
                "00100040", STUDY),
    "series": ("00080020", "00080060", "0008103E", "00100020", STUDY, SERIES, "00200011"),
    "instances": ("00080016", "00100020", STUDY, SERIES, INSTANCE, "00200013", "00200032", "00280008", "00280010",
                  "00280011"),
}  # fmt: skip
_BOUNDARY = "a-boundary"
Json = dict[str, Any]


@dataclass
class Faults:
    """How the archive misbehaves; as made, not at all."""

    row_limit: int = 0  # so many rows at most, whatever was asked, and not a word of it
    ignores_offset: bool = False
    ignores_filter: bool = False  # every study there is
    lists_study: str = ""  # what rows of series say is the StudyInstanceUID
    lists_patient: str = ""  # what rows say is the PatientID, whatever the instances say
    without_counts: bool = False
    availability: str = ""
    status: dict[str, int] = field(default_factory=dict)  # end of a path: the status it is answered with
    without_syntax: bool = False  # only what is stored is given, and "*"
    swap: dict[str, str] = field(default_factory=dict)  # SOPInstanceUID asked: the one whose bytes come
    repeats_part: bool = False
    plain_file: bool = False  # one instance comes as application/dicom, not multipart
    cut: int = 0  # so many bytes of an answer (negative: without the last), then the connection ends
    gzips: bool = False  # whatever was asked
    drops_frames: bool = False
    wait: float = 0.0  # seconds before the first byte
    body: bytes = b""  # of every answer
    mark: bytes = b""  # stands before every answer
    metadata: dict[str, bytes] = field(default_factory=dict)  # UID a path holds: its metadata instead
    kind: str = ""  # Content-Type of every answer


@dataclass
class Request:
    """What was asked: path with query, as it came, and the headers."""

    path: str
    headers: dict[str, str]


class _Http(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes half way is no news."""


class DicomWebServer:
    """The archive. `instances` by SOPInstanceUID and patient; `asked` is every request."""

    def __init__(self, now: datetime = datetime(2026, 11, 20, 2, tzinfo=UTC)) -> None:
        self.faults = Faults()
        self.asked: list[Request] = []
        self.now = now
        self._held: dict[tuple[str, str], tuple[Instance, Json]] = {}
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                server._open.add(self.connection)

            def finish(self) -> None:
                server._open.discard(self.connection)
                super().finish()

            def do_GET(self) -> None:
                server._answer(self)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return format_datetime(server.now, usegmt=True)

            def log_message(self, *_: object) -> None:
                """Nothing is told."""

        self._http = _Http(("127.0.0.1", 0), Handler)
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"

    def __enter__(self) -> DicomWebServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends it."""
        self._ended.set()
        self._http.shutdown()
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._http.server_close()
        self._thread.join(5)

    def advance(self, by: timedelta) -> None:
        """Time goes by."""
        self.now += by

    def put(self, instances: Iterable[Instance]) -> None:
        """Stores instances; one that is there already is replaced."""
        for one in instances:
            self._held[one.sop_uid, one.patient_id] = (one, data_set(one.body))

    def remove(self, uid: str) -> None:
        """Removes the study, series or instance of that UID."""
        for key, (one, _) in list(self._held.items()):
            if uid in (one.study_uid, one.series_uid, one.sop_uid):
                del self._held[key]

    # -- answering ----------------------------------------------------------------------------------------------------

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path, _, query = handler.path.partition("?")
        self.asked.append(Request(handler.path, {k.lower(): v for k, v in handler.headers.items()}))
        self._ended.wait(self.faults.wait)
        parts = path.removeprefix("/dicom-web/").split("/")
        accept = handler.headers.get("Accept", "")
        status = next((code for end, code in self.faults.status.items() if path.endswith(end)), 0)
        told = (status, "text/plain", b"no") if status else self._content(parts, query, accept)
        body = self.faults.body or (told[2] and self.faults.mark + told[2])
        self._send(handler, told[0], self.faults.kind or told[1], body)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, kind: str, body: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            handler.send_response(status)
            if self.faults.gzips and body:
                body = gzip.compress(body)
                handler.send_header("Content-Encoding", "gzip")
            handler.send_header("Content-Type", kind)
            if status != 204:
                handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            if self.faults.cut:
                handler.wfile.write(body[: self.faults.cut])
                handler.wfile.flush()
                handler.connection.shutdown(socket.SHUT_RDWR)
                handler.close_connection = True
            elif status != 204:
                handler.wfile.write(body)

    def _content(self, parts: list[str], query: str, accept: str) -> tuple[int, str, bytes]:
        names, uids = parts[0::2], parts[1::2]
        keys = dict(one.split("=", 1) for one in query.split("&") if "=" in one)
        path = {_LEVELS[name]: uid for name, uid in zip(names, uids, strict=False) if name in _LEVELS}
        found = [pair for pair in self._held.values() if all(_text(pair[1], t) == uid for t, uid in path.items())]
        if parts[-1] in _LEVELS:
            rows = self._rows(parts[-1], found, keys)
            return (200, "application/dicom+json", json.dumps(rows).encode()) if rows else (204, "", b"")
        if not found:
            return 404, "text/plain", b"no"
        if parts[-1] == "metadata":
            if other := next((body for uid, body in self.faults.metadata.items() if uid in parts), b""):
                return 200, "application/dicom+json", other
            items = [{**json_, "7FE00010": {"vr": "OW", "BulkDataURI": "http://elsewhere/bulk"}} for _, json_ in found]
            return 200, "application/dicom+json", json.dumps(items).encode()
        if parts[-1] == "rendered":
            return 200, accept, b"a picture of " + parts[5].encode()
        if "frames" in parts:
            return self._frames(parts[-1], found[0][0])
        return self._files([one for one, _ in found], accept)

    def _rows(self, level: str, found: list[tuple[Instance, Json]], keys: dict[str, str]) -> list[Json]:
        groups: dict[tuple[str, ...], list[Json]] = {}
        for one, told in found:
            asked = {_KEYS[key]: value for key, value in keys.items() if key in _KEYS}
            if self.faults.ignores_filter or all(_text(told, tag) == value for tag, value in asked.items()):
                own = {"studies": (), "series": (one.series_uid,), "instances": (one.series_uid, one.sop_uid)}[level]
                groups.setdefault((one.study_uid, one.patient_id, *own), []).append(told)
        if "StudyTime" in keys:
            first, _, last = keys["StudyTime"].partition("-")
            groups = {key: told for key, told in groups.items() if first <= _text(told[0], "00080030") <= last}
        rows = [self._row(level, told) for _, told in sorted(groups.items())]
        start = 0 if self.faults.ignores_offset else int(keys.get("offset", 0))
        count = min(int(keys.get("limit", len(rows))), self.faults.row_limit or len(rows))
        return rows[start : start + count]

    def _row(self, level: str, told: list[Json]) -> Json:
        row = {tag: told[0][tag] for tag in _ROW[level] if tag in told[0]}
        row["00081190"] = {"vr": "UR", "Value": ["http://elsewhere.example/studies/1"]}
        if self.faults.lists_study and level == "series":
            row[STUDY] = {"vr": "UI", "Value": [self.faults.lists_study]}
        if self.faults.lists_patient:
            row["00100020"] = {"vr": "LO", "Value": [self.faults.lists_patient]}
        if self.faults.availability:
            row["00080056"] = {"vr": "CS", "Value": [self.faults.availability]}
        if not self.faults.without_counts:
            count = {"studies": "00201208", "series": "00201209"}.get(level)
            if count:
                row[count] = {"vr": "IS", "Value": [len(told)]}
        return row

    def _files(self, found: list[Instance], accept: str) -> tuple[int, str, bytes]:
        syntax = accept.partition("transfer-syntax=")[2].strip('"')
        if self.faults.without_syntax and syntax not in ("", "*", "1.2.840.10008.1.2.1"):
            return 406, "text/plain", b"no"
        bodies = [self._bytes_of(one) for one in found] * (2 if self.faults.repeats_part else 1)
        if self.faults.plain_file:
            return 200, "application/dicom", bodies[0]
        return _multipart("application/dicom", bodies)

    def _bytes_of(self, one: Instance) -> bytes:
        other = self.faults.swap.get(one.sop_uid)
        return next((it.body for it, _ in self._held.values() if it.sop_uid == other), one.body)

    def _frames(self, numbers: str, one: Instance) -> tuple[int, str, bytes]:
        wanted = numbers.split(",")[: -1 if self.faults.drops_frames else None]
        return _multipart("application/octet-stream", [f"frame {n} of {one.sop_uid}".encode() for n in wanted])


def _multipart(media: str, bodies: list[bytes]) -> tuple[int, str, bytes]:
    head = f"\r\n--{_BOUNDARY}\r\nContent-Type: {media}\r\n".encode()
    parts = [head + b"Content-Length: %d\r\n\r\n" % len(one) + one for one in bodies]
    body = b"".join(parts) + f"\r\n--{_BOUNDARY}--".encode()
    return 200, f'multipart/related; type="{media}"; boundary={_BOUNDARY}', body


def _text(told: Json, tag: str) -> str:
    values = told.get(tag, {}).get("Value") or [""]
    return str(values[0])
