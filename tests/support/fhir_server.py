"""A FHIR R4 server on loopback that can be told to misbehave, as real ones do (research: FHIR pulling).

    with FhirServer() as server:
        server.put({"resourceType": "Patient", "id": "p1"})
        server.faults.next_link = "relative"
        ...  # server.url

Its clock is its own: `server.now()`, told in `Date`, moves on by a second with every change, so that what was put is
always older than the next question. As a process: `python -m tests.support.fhir_server FILE.ndjson`.
"""

from __future__ import annotations

import gzip
import json
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.fhir_answers import Answer, Answers
from tests.support.fhir_store import FhirStore
from tests.support.fhir_tokens import Tokens


@dataclass
class Faults:
    """How the server misbehaves; as made, not at all. Those that are numbers count down with each use."""

    next_link: str = ""  # foreign, inner-host, double-port, relative, long, unescaped, repeated, renewed
    paging: str = "snapshot"  # or "offset": pages are counted anew in what is found by then
    empty_pages: bool = False  # each page is preceded by an empty one
    expire_searches: int = 0  # so many times a next link is answered 410
    endless: bool = False  # there is always one more page
    outcome_instead: int = 0  # a search is answered 200 with an OperationOutcome
    outcome_code: str = "transient"
    outcome_entry: str = ""  # severity of an OperationOutcome that stands among the results
    outcome_mode: bool = True  # it is marked search.mode=outcome
    without_last_updated: bool = False
    local_times: tzinfo | None = None  # lastUpdated is written without an offset, local to there
    without_include: bool = False
    hidden: dict[str, int] = field(default_factory=dict)  # ref: status of a read; no search finds it
    without_history: bool = False
    unordered: bool = False  # _sort is passed over
    refused: set[str] = field(default_factory=set)  # search parameters answered 400
    passed_over: set[str] = field(default_factory=set)  # search parameters that do nothing
    claims_no_parameters: bool = False
    claims_all: bool = False  # every interaction and parameter is claimed, whatever is refused
    undeclared: set[str] = field(default_factory=set)  # types that the capabilities do not name
    without_total: bool = False
    fhir_version: str = "4.0.1"
    unauthorised: int = 0
    too_many: int = 0  # 429
    broken: int = 0
    broken_status: int = 503
    retry_after: str = "0"
    poisoned: set[str] = field(default_factory=set)  # refs: every answer that would hold one is a 500
    broken_paths: set[str] = field(default_factory=set)  # these paths below the base always answer broken_status
    cut: int = 0  # so many answers are cut
    cut_at: int = -10  # after that many bytes of head and body; negative: before the end
    drip: float = 0.0  # seconds between two bytes of a body
    delay: float = 0.0  # seconds before the answer
    gzip: bool = False
    instead: bytes | None = None  # every search is answered with these bytes
    clock: timedelta = timedelta(0)
    without_date: bool = False

    def use(self, name: str) -> bool:
        """Whether this counted fault happens now; then one less is left."""
        left: int = getattr(self, name)
        if left:
            setattr(self, name, left - 1)
        return bool(left)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str  # below the base
    query: list[tuple[str, str]]
    headers: dict[str, str]


class FhirServer:
    """The server; a context manager. `asked` lists the requests, `store` the resources, `tokens` who may come in."""

    def __init__(self, port: int = 0) -> None:
        self.faults = Faults()
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        self._ahead = timedelta(0)
        self.store = FhirStore(self._tick)
        self._http = _Http(self, port)
        self.origin = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.url = f"{self.origin}/fhir"
        self.tokens = Tokens(self.origin)
        self.answers = Answers(self.store, self.faults, self.url)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> FhirServer:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._http.shutdown()
        self._thread.join()
        for one in list(self._http.open):
            _shut(one)
        self._http.server_close()  # waits for the threads of the connections

    def put(self, resource: dict[str, Any] | str | bytes, at: datetime | None = None) -> str:
        """Stores a resource or its next version; see FhirStore.put."""
        return self.store.put(resource, at)

    def delete(self, ref: str, at: datetime | None = None) -> None:
        """Deletes a resource."""
        self.store.delete(ref, at)

    def now(self) -> datetime:
        """The server's time."""
        return datetime.now(UTC) + self._ahead + self.faults.clock

    def _tick(self) -> datetime:
        with self._lock:
            at = self.now()
            self._ahead += timedelta(seconds=1)
            return at

    def paths(self) -> list[str]:
        """What was asked below the base, without queries."""
        return [one.path for one in self.asked]

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """The answer to a request, before it is spoiled on its way."""
        parts = urlsplit(target)
        query = parse_qsl(parts.query, keep_blank_values=True)
        path = parts.path.removeprefix("/fhir").strip("/")
        self.asked.append(Asked(method, path, query, headers))
        faults = self.faults
        time.sleep(faults.delay)
        if parts.path == "/token":
            return self.tokens.grant(body, headers)
        if path == ".well-known/smart-configuration":
            return Answer.of(self.tokens.configuration())
        if faults.use("unauthorised") or not self.tokens.admits(headers.get("authorization", "")):
            return Answer.outcome(401, "login")
        if faults.use("too_many"):
            return Answer.outcome(429, "throttled", {"Retry-After": faults.retry_after})
        if path in faults.broken_paths or faults.use("broken"):
            return Answer.outcome(faults.broken_status, "transient", {"Retry-After": faults.retry_after})
        return self.answers.to(method, path, query)


class _Http(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, server: FhirServer, port: int) -> None:
        self.fhir = server
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        request, address = super().get_request()
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open.add(request)
        return request, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or is cut off on purpose, is no error of the server."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def _answer(self) -> None:
        fhir = self.server.fhir
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = fhir.answer(self.command, self.path, headers, body)
        faults = fhir.faults
        sent, extra = answer.body, dict(answer.headers)
        if faults.gzip and "gzip" in headers.get("accept-encoding", ""):
            sent, extra["Content-Encoding"] = gzip.compress(sent, 1), "gzip"
        if not faults.without_date:
            extra["Date"] = format_datetime(fhir.now(), usegmt=True)
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", f"Content-Length: {len(sent)}"]
        lines += [f"{name}: {value}" for name, value in {"Content-Type": "application/fhir+json", **extra}.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if faults.use("cut"):
            self.wfile.write((head + sent)[: faults.cut_at])
            _shut(self.connection)
            self.close_connection = True
        elif faults.drip:
            self.wfile.write(head)
            for n in range(len(sent)):
                self.wfile.write(sent[n : n + 1])
                time.sleep(faults.drip)
        else:
            self.wfile.write(head + sent)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests read `asked`."""


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def main(files: list[str]) -> None:
    """Serves the resources of NDJSON files until its input ends; says its address first."""
    with FhirServer() as server:
        for file in files:
            with open(file, encoding="utf-8") as lines:
                for line in lines:
                    server.put(json.loads(line))
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
