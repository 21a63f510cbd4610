"""A FHIR server on loopback that also exports in bulk (Bulk Data Access 2.0), and can be told to do so badly.

with BulkServer() as server:
    server.put({"resourceType": "Patient", "id": "p1"})
    server.bulk.polls = 2
    ...  # server.url
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.fhir_answers import Answer, Answers
from tests.support.fhir_server import Asked, Faults, FhirServer, _Handler
from tests.support.fhir_store import FhirStore, written
from tests.support.fhir_tokens import Tokens

Json = dict[str, Any]

_EXPORT = re.compile(r"(?:Patient/|Group/[A-Za-z0-9.-]+/)?\$export")
_STATUS = re.compile(r"status/(\d+)")
_FILE = re.compile(r"files/(\d+)/(\d+)\.ndjson")


@dataclass
class BulkFaults:
    """How exports go wrong; as made, not at all. Those that are numbers count down with each use."""

    polls: int = 0  # so many times the export is not done yet
    percent: str = ""  # X-Progress
    retry_after: str = "0"
    too_many_polls: int = 0  # 429
    lost: int = 0  # the status is answered lost_status
    lost_status: int = 404
    failing: int = 0  # the status is answered 500
    failing_code: str = "transient"
    refuses: int = 0  # status of a refused kick-off
    without_location: bool = False
    location: str = ""  # {} stands for the number of the export
    per_file: int = 1000
    count_off: int = 0  # what is added to every count
    without_counts: bool = False
    short: int = 0  # so many files lack their last line
    extra_lines: dict[str, list[bytes]] = field(default_factory=dict)  # by type
    errors: list[Json] = field(default_factory=list)  # OperationOutcomes
    without_deleted: bool = False
    deletions_at_once: int = 1  # entries of one Bundle
    blank_lines: bool = False
    pages: bool = False  # each file stands on a page of the manifest of its own
    needs_token: bool = False
    file_base: str = ""  # where the manifest says that files lie
    redirect: str = ""  # where files are redirected to
    lost_files: int = 0
    html: bool = False
    instead: Answer | None = None  # every file is answered so
    change: Callable[[Json], Any] = lambda manifest: manifest
    """What becomes of the manifest."""


@dataclass
class _Export:
    at: datetime
    files: list[tuple[str, str, list[bytes]]]  # section, type, lines
    polls: int


class BulkServer(FhirServer):
    """The server. `exports` counts those asked for, `given_back` lists the numbers of those that were deleted."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self._http.RequestHandlerClass = _BulkHandler
        self.forget()

    def forget(self) -> None:
        """Holds nothing, was asked nothing, misbehaves in nothing."""
        self.faults = Faults()
        self.store = FhirStore(self._tick)
        self.answers = Answers(self.store, self.faults, self.url)
        self.tokens = Tokens(self.origin)
        self.asked = []
        self.bulk = BulkFaults()
        self.exports = 0
        self.given_back: list[int] = []
        self.served: list[str] = []
        self._exports: dict[int, _Export] = {}

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        parts = urlsplit(target)
        path = parts.path.removeprefix("/fhir").strip("/")
        ours = [(_EXPORT, self._kick_off), (_STATUS, self._status), (_FILE, self._file)]
        for pattern, found in ours:
            if match := pattern.fullmatch(path):
                query = parse_qsl(parts.query)
                self.asked.append(Asked(method, path, query, headers))
                is_open = found == self._file and not self.bulk.needs_token
                if not is_open and not self.tokens.admits(headers.get("authorization", "")):
                    return Answer.outcome(401, "login")
                return found(method, match, query, headers)
        return super().answer(method, target, headers, body)

    def _kick_off(self, method: str, match: re.Match[str], query: Sequence[tuple[str, str]], headers: Json) -> Answer:
        if self.bulk.refuses:
            return Answer.outcome(self.bulk.refuses, "not-supported")
        if headers.get("prefer") != "respond-async":
            return Answer.outcome(400, "invalid")
        self.exports += 1
        told = dict(query)
        since = datetime.fromisoformat(told["_since"]) if "_since" in told else None
        kinds = told["_type"].split(",")
        self._exports[self.exports] = _Export(self.now(), self._files(kinds, since), self.bulk.polls)
        where = (self.bulk.location or f"{self.url}/status/{{}}").format(self.exports)
        return Answer(202, b"", {} if self.bulk.without_location else {"Content-Location": where})

    def _files(self, kinds: list[str], since: datetime | None) -> list[tuple[str, str, list[bytes]]]:
        files = []
        for kind in kinds:
            now = [self.store.get(ref) for ref in sorted(self.store.refs(kind))]
            lines = [one.sent() for one in now if one and (since is None or one.at > since)]
            files += self._split("output", kind, lines + self.bulk.extra_lines.get(kind, []))
        gone = [] if since is None or self.bulk.without_deleted else self._deleted(kinds, since)
        files += self._split("deleted", "Bundle", gone)
        errors = [json.dumps(one, ensure_ascii=False).encode() for one in self.bulk.errors]
        return files + self._split("error", "OperationOutcome", errors)

    def _split(self, section: str, kind: str, lines: list[bytes]) -> list[tuple[str, str, list[bytes]]]:
        size = self.bulk.per_file
        return [(section, kind, lines[at : at + size]) for at in range(0, len(lines), size)]

    def _deleted(self, kinds: list[str], since: datetime) -> list[bytes]:
        versions = [one for kind in kinds for one in self.store.history(kind, since)]
        gone = [one for one in versions if one.body is None and one.at > since and self.store.get(one.ref) is one]
        entries = [{"request": {"method": "DELETE", "url": one.ref}} for one in gone]
        size = self.bulk.deletions_at_once
        packs = [entries[at : at + size] for at in range(0, len(entries), size)]
        return [json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": one}).encode() for one in packs]

    def _status(self, method: str, match: re.Match[str], query: Sequence[tuple[str, str]], headers: Json) -> Answer:
        number = int(match[1])
        export = self._exports.get(number)
        if method == "DELETE":
            self._exports.pop(number, None)
            self.given_back.append(number)
            return Answer.outcome(202 if export else 404, "informational")
        if export is None or self._use("lost"):
            return Answer.outcome(self.bulk.lost_status, "not-found")
        if self._use("failing"):
            return Answer.outcome(500, self.bulk.failing_code)
        if self._use("too_many_polls"):
            return Answer.outcome(429, "throttled", {"Retry-After": self.bulk.retry_after})
        if export.polls:
            export.polls -= 1
            progress = {"X-Progress": self.bulk.percent} if self.bulk.percent else {}
            return Answer(202, b"", {"Retry-After": self.bulk.retry_after, **progress})
        return Answer.of(self.bulk.change(self._manifest(number, export, int(dict(query).get("page", "0")))))

    def _manifest(self, number: int, export: _Export, page: int) -> Json:
        told: Json = {
            "transactionTime": written(export.at), "request": f"{self.url}/$export",
            "requiresAccessToken": self.bulk.needs_token, "output": [], "deleted": [], "error": [],
        }  # fmt: skip
        shown = range(page, min(page + 1, len(export.files))) if self.bulk.pages else range(len(export.files))
        for n in shown:
            section, kind, lines = export.files[n]
            one = {"type": kind, "url": f"{self.bulk.file_base or self.url}/files/{number}/{n}.ndjson"}
            count = {} if self.bulk.without_counts else {"count": len(lines) + self.bulk.count_off}
            told[section].append({**one, **count})
        if self.bulk.pages and page + 1 < len(export.files):
            told["link"] = [{"relation": "next", "url": f"{self.url}/status/{number}?page={page + 1}"}]
        return told

    def _file(self, method: str, match: re.Match[str], query: Sequence[tuple[str, str]], headers: Json) -> Answer:
        export = self._exports.get(int(match[1]))
        if export is None or self._use("lost_files"):
            return Answer.outcome(404, "not-found")
        if self.bulk.redirect:
            return Answer(307, b"", {"Location": f"{self.bulk.redirect}/{match[0]}"})
        if self.bulk.html:
            return Answer(200, b"<html>please log in</html>", {"Content-Type": "text/html"})
        if self.bulk.instead:
            return self.bulk.instead
        _, kind, lines = export.files[int(match[2])]
        self.served.append(kind)
        if self._use("short"):
            lines = lines[:-1]
        end = b"\r\n\n" if self.bulk.blank_lines else b"\n"
        return Answer(200, b"".join(one + end for one in lines), {"Content-Type": "application/fhir+ndjson"})

    def _use(self, name: str) -> bool:
        left: int = getattr(self.bulk, name)
        if left:
            setattr(self.bulk, name, left - 1)
        return bool(left)


class _BulkHandler(_Handler):
    do_DELETE = _Handler._answer
