"""Asking for an export, waiting for it, giving it back (Bulk Data Access 2.0, Request Flow)."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from adapters.fhir_bulk.manifest import Manifest, read_manifest
from adapters.fhir_bulk.options import Options
from adapters.transport import Answer, GuardedClient
from adapters.transport.patience import read_retry_after
from service.domain.times import parse_when
from service.ingest.source import Fatal, Retriable, SourceError

_JSON = {"Accept": "application/json"}
_ASYNC = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
OK = 200
_REFUSALS = frozenset({200, 400, 404, 405, 406, 409, 410, 415, 422, 501})
_FAILED = frozenset({400, 404, 405, 406, 409, 410, 412, 422})
_TEMPORARY = frozenset(  # http://hl7.org/fhir/issue-type: what may pass, below "transient"
    {"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"}
)
_PERCENT = re.compile(r"(\d{1,3})(?:\.\d+)?\s*%")


@dataclass(frozen=True, slots=True)
class Waiting:
    """The export is not done: how much of it is, in percent (0: not said), and how long the server asks to wait in
    seconds (None: not said). `is_failing`: it could not say."""

    percent: int = 0
    seconds: float | None = None
    is_failing: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The export is there: its manifest, the time up to which the next one may rely on it, and how many seconds the
    server's clock is ahead of ours (None: it does not say)."""

    manifest: Manifest
    until: datetime
    ahead: int | None


class Lost(Exception):
    """The export failed or is no longer there; why, in words."""


class Exports:
    """The exports of one server."""

    def __init__(self, client: GuardedClient, options: Options, overlap: timedelta) -> None:
        self._client, self._options, self._overlap = client, options, overlap

    def kick_off(self, since: str) -> str:
        """Asks for everything changed since then less the overlap ("": everything); the address at which to ask how it
        goes. Raises Fatal `no-export` where the server does not take it."""
        params = [("_outputFormat", "application/fhir+ndjson"), ("_type", ",".join(self._options.asked))]
        if start := self._start(since):
            params.append(("_since", start))
        answer = self._client.send("GET", self._options.path, params=params, headers=_ASYNC, expect=_REFUSALS)
        where = answer.headers.get("content-location", "")
        if answer.status != 202 or not where:
            what = f"answered {answer.status}" + ("" if where else " without Content-Location")
            raise Fatal(
                "no-export",
                f"{self._options.path} was {what}; 202 with Content-Location is expected: see whether the server "
                "offers Bulk Data at this level (options.export) and the account may use it",
            )
        status = self._client.resolve_file(where, f"{self._client.base.url}/{self._options.path}")
        if not self._client.is_own(status):
            raise Fatal("foreign-address", "Content-Location leads to a host of files, not to the server itself")
        return status

    def _start(self, since: str) -> str:
        if not since:
            return "" if self._options.since is None else f"{self._options.since.isoformat()}T00:00:00Z"
        if not self._overlap:
            return since
        start = parse_when(since, UTC).start - self._overlap
        return start.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"

    def ask(self, status: str) -> Waiting | Done:
        """How the export goes. Raises Lost, also for an address of a time when the source was configured otherwise."""
        if not self._client.is_own(status):
            raise Lost("the export was asked for at another address")
        answer = self._client.get(status, headers=_JSON, expect={202, 429, 500, *_FAILED})
        if answer.status in (202, 429):
            return _waiting(answer)
        if answer.status == 500:
            if _may_pass(answer.body):
                return Waiting(is_failing=True)
            raise Lost("the server says that the export failed")
        if answer.status in _FAILED:
            raise Lost(f"the server knows the export no more (it answered {answer.status})")
        if answer.status != OK:
            raise Retriable("bad-manifest", f"the export was answered {answer.status}, which brings no whole manifest")
        manifest = read_manifest(answer.body, self._next_pages(status))
        # A clock that runs ahead in one place only would leave a gap before the next export.
        if (now := answer.server_time) is None:
            return Done(manifest, min(manifest.transaction_time, datetime.now(UTC)), None)
        return Done(manifest, min(manifest.transaction_time, now), round((now - datetime.now(UTC)).total_seconds()))

    def _next_pages(self, status: str) -> Callable[[str], bytes]:
        paging, page = self._client.paging(self._client.resolve_file), status

        def fetch(link: str) -> bytes:
            nonlocal page
            page = paging.follow(link, page)
            return self._client.get(page, headers=_JSON).body

        return fetch

    def give_back(self, status: str) -> None:
        """Tells the server that the export is not needed any more; it would forget it by itself later."""
        with suppress(SourceError):
            self._client.send("DELETE", status, headers=_JSON, expect=_FAILED)


def _waiting(answer: Answer) -> Waiting:
    told = _PERCENT.search(answer.headers.get("x-progress", ""))
    seconds = read_retry_after(answer.headers.get("retry-after"), answer.server_time or datetime.now(UTC))
    return Waiting(min(int(told[1]), 100) if told else 0, seconds)


class _Issue(Struct):
    code: str = ""


class _Outcome(Struct):
    issue: list[_Issue] = []


def _may_pass(body: bytes) -> bool:
    """Whether a 500 is of the asking, not of the export: its issue says so, or it does not come from the export."""
    try:
        issues = msgspec.json.decode(body, type=_Outcome).issue
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return not issues or any(one.code in _TEMPORARY for one in issues)
