"""What the fake FHIR server says to a question, faults included."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tests.support.fhir_store import ELEMENTS, FhirStore, Params, Version, read_time, written

if TYPE_CHECKING:
    from tests.support.fhir_server import Faults

_KNOWN = {
    "_lastUpdated", "_id", "_sort", "_count", "_elements", "_summary", "_include", "_revinclude", "_total", "_format",
    "date", "started", "collected", *ELEMENTS,
}  # fmt: skip
_TYPES = (
    "Consent", "Device", "DiagnosticReport", "Endpoint", "ImagingStudy", "Observation", "Organization", "Patient",
    "Specimen",
)  # fmt: skip
_DATE_OF = {"DiagnosticReport": "date", "Observation": "date", "ImagingStudy": "started", "Specimen": "collected"}
_REFERENCES = {
    "DiagnosticReport": ("subject", "result", "specimen", "performer"),
    "Observation": ("subject", "specimen", "performer", "device", "has-member"),
    "ImagingStudy": ("subject", "endpoint"),
    "Specimen": ("subject",),
    "Consent": ("patient",),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """JSON of `value`."""
        return cls(status, json.dumps(value, ensure_ascii=False).encode(), headers or {})

    @classmethod
    def outcome(cls, status: int, code: str, headers: Mapping[str, str] | None = None) -> Answer:
        """An OperationOutcome with one error."""
        return cls(status, outcome("error", code), headers or {})


def outcome(severity: str, code: str) -> bytes:
    """An OperationOutcome; its text names a patient, as those of real servers do: it must not be passed on."""
    issue = {"severity": severity, "code": code, "diagnostics": "张三 11010519491231002X could not be read"}
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}, ensure_ascii=False).encode()


@dataclass
class _Search:
    """One search that pages are asked of: what it found, for those pages that are counted in it."""

    kind: str
    params: Params
    found: list[Version] | None
    count: int


class Answers:
    """Answers questions below the base address."""

    def __init__(self, store: FhirStore, faults: Faults, url: str) -> None:
        self._store = store
        self._faults = faults
        self._url = url
        self._searches: dict[str, _Search] = {}

    def to(self, method: str, path: str, query: Params) -> Answer:
        """The answer to a GET or a POST `_search`."""
        asked = dict(query)
        first, _, rest = path.partition("/")
        if path == "metadata":
            return Answer.of(self.capabilities())
        if "_getpages" in asked or "_offset" in asked:
            return self._next_page(asked)
        if first not in _TYPES and first not in self._store.types:
            return Answer.outcome(404, "not-supported")
        if not rest:
            return self._search(first, query)
        if rest == "_history":
            return self._history(first, query)
        return self._read(path)

    def capabilities(self) -> dict[str, Any]:
        """The CapabilityStatement, with its lies."""
        types = sorted((set(_TYPES) | set(self._store.types)) - self._faults.undeclared)
        return {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "kind": "instance",
            "fhirVersion": self._faults.fhir_version,
            "format": ["application/fhir+json"],
            "software": {"name": "Fake FHIR", "version": "1"},
            "rest": [{"mode": "server", "resource": [self._resource(one) for one in types]}],
        }

    def _resource(self, kind: str) -> dict[str, Any]:
        faults = self._faults
        has_history = faults.claims_all or not faults.without_history
        names = ["_id", "_lastUpdated", *_REFERENCES.get(kind, ()), *([_DATE_OF[kind]] if kind in _DATE_OF else [])]
        if not faults.claims_all:
            names = [] if faults.claims_no_parameters else [one for one in names if one not in faults.refused]
        told: dict[str, Any] = {
            "type": kind,
            "interaction": [{"code": one} for one in ("read", "search-type", *(["history-type"] * has_history))],
            "searchParam": [{"name": one, "type": "token"} for one in names],
        }
        if faults.claims_all or not faults.without_include:
            told["searchInclude"] = [f"{kind}:{one}" for one in _REFERENCES.get(kind, ())]
        return told

    def _read(self, ref: str) -> Answer:
        if ref in self._faults.poisoned:
            return Answer.outcome(500, "exception")
        if ref in self._faults.hidden:
            return Answer.outcome(self._faults.hidden[ref], "not-found")
        found = self._store.get(ref)
        if found is None:
            return Answer.outcome(404, "not-found")
        if found.body is None:
            return Answer.outcome(410, "deleted")
        return Answer(200, self._sent(found), {"ETag": f'W/"{found.number}"'})

    def _sent(self, version: Version) -> bytes:
        return version.sent(self._faults.local_times, not self._faults.without_last_updated)

    def _history(self, kind: str, query: Params) -> Answer:
        if self._faults.without_history:
            return Answer.outcome(501, "not-supported")
        asked = dict(query)
        found = self._store.history(kind, read_time(asked["_since"]) if "_since" in asked else None)
        if self._faults.unordered:
            found.reverse()
        return self._start(_Search(f"{kind}/_history", query, found, int(asked.get("_count", "50"))))

    def _search(self, kind: str, query: Params) -> Answer:
        faults = self._faults
        names = {name.partition(":")[0] for name, _ in query}
        if names & faults.refused or not names <= _KNOWN:
            return Answer.outcome(400, "not-supported")
        if faults.instead is not None:
            return Answer(200, faults.instead)
        if faults.use("outcome_instead"):
            return Answer(200, outcome("error", faults.outcome_code))
        query = [one for one in query if one[0] not in faults.passed_over]
        if faults.unordered:
            query = [one for one in query if one[0] != "_sort"]
        asked = dict(query)
        count = int(asked.get("_count", "20"))
        found = self._find(kind, query)
        if asked.get("_summary") == "count" or count == 0:
            return Answer.of({"resourceType": "Bundle", "type": "searchset", "total": len(found)})
        return self._start(_Search(kind, query, found if faults.paging == "snapshot" else None, count))

    def _find(self, kind: str, query: Params) -> list[Version]:
        return [one for one in self._store.search(kind, query) if one.ref not in self._faults.hidden]

    def _start(self, search: _Search) -> Answer:
        token = f"s{len(self._searches) + 1}"
        self._searches[token] = search
        return self._page(token, 0, self._faults.empty_pages)

    def _next_page(self, asked: dict[str, str]) -> Answer:
        token = asked.get("_getpages") or asked["search"]
        if token not in self._searches or self._faults.use("expire_searches"):
            return Answer.outcome(410, "not-found")
        return self._page(token, int(asked.get("_getpagesoffset") or asked["_offset"]), asked.get("_empty") == "1")

    def _page(self, token: str, offset: int, is_empty: bool) -> Answer:
        search = self._searches[token]
        found = search.found if search.found is not None else self._find(search.kind, search.params)
        matches = [] if is_empty else found[offset : offset + search.count]
        if any(one.ref in self._faults.poisoned for one in matches):
            return Answer.outcome(500, "exception")
        following = offset + len(matches)
        entries = [self._entry(one, "match", search) for one in matches]
        if not self._faults.without_include:
            entries += [self._entry(one, "include", search) for one in self._store.related(matches, search.params)]
        if self._faults.outcome_entry:
            mode = b',"search":{"mode":"outcome"}' if self._faults.outcome_mode else b""
            entries.append(b'{"resource":' + outcome(self._faults.outcome_entry, "incomplete") + mode + b"}")
        links = [{"relation": "self", "url": f"{self._url}/{search.kind}?{urlencode(search.params)}"}]
        if is_empty or following < len(found) or self._faults.endless:
            empty = self._faults.empty_pages and not is_empty
            links.append({"relation": "next", "url": self._link(token, following, empty)})
        return Answer(200, self._bundle(search, len(found), links, entries))

    def _bundle(self, search: _Search, total: int, links: Sequence[Any], entries: Sequence[bytes]) -> bytes:
        kind = "history" if search.kind.endswith("_history") else "searchset"
        head: dict[str, Any] = {"resourceType": "Bundle", "type": kind, "link": links}
        if not self._faults.without_total:
            head["total"] = total
        return json.dumps(head, ensure_ascii=False).encode()[:-1] + b',"entry":[' + b",".join(entries) + b"]}"

    def _entry(self, version: Version, mode: str, search: _Search) -> bytes:
        url = f'"fullUrl":"{self._url}/{version.ref}"'.encode()
        if search.kind.endswith("_history"):
            return self._past(version, url)
        elements = dict(search.params).get("_elements")
        body = self._sent(version)
        if elements:
            named = {"resourceType", "id", *elements.split(",")}
            told = json.loads(body) if version.has_meta else {"resourceType": version.type, "id": version.id}
            body = json.dumps({name: one for name, one in told.items() if name in named}).encode()
        return b"{" + url + b',"resource":' + body + b',"search":{"mode":"' + mode.encode() + b'"}}'

    def _past(self, version: Version, url: bytes) -> bytes:
        is_deleted = version.body is None
        method = "DELETE" if is_deleted else "POST" if version.number == 1 else "PUT"
        request = {"method": method, "url": version.type if method == "POST" else version.ref}
        response = {"status": "204" if is_deleted else "200", "etag": f'W/"{version.number}"'}
        if not self._faults.without_last_updated:
            response["lastModified"] = written(version.at)
        resource = b"" if is_deleted else b',"resource":' + self._sent(version)
        told = json.dumps({"request": request, "response": response}).encode()[1:]
        return b"{" + url + resource + b"," + told

    def _link(self, token: str, offset: int, is_empty: bool) -> str:
        kind = self._faults.next_link
        at = str(0 if kind in ("repeated", "renewed") else offset)
        asked = {"_getpages": token, "_getpagesoffset": at}
        if self._faults.paging == "offset":
            asked = {"search": token, "_offset": at}
        if is_empty:
            asked["_empty"] = "1"
        query = urlencode(asked)
        if kind == "long":
            query += "&ct=" + "A" * 3000
        elif kind == "renewed":
            query += f"&nonce={time.monotonic_ns()}"
        elif kind == "unescaped":
            query += "&filter=a|b {c} 检验"
        else:
            query += "&_bundletype=searchset"
        if kind == "relative":
            return f"?{query}"
        path = "/fhir?" + query
        origin = self._url.removesuffix("/fhir")
        port = origin.rpartition(":")[2]
        origins = {
            "foreign": "http://127.0.0.2:9",
            "inner-host": "http://fhir-internal.example:8080",
            "double-port": f"{origin}:{port}",
        }
        return origins.get(kind, origin) + (path if kind in ("unescaped", "long") else quote(path, safe="/?&=_%"))
