"""The port every hospital system plugs into: an adapter pulls, and knows nothing of what becomes of what it pulled.

An adapter is a package `adapters.<kind>` (the `kind` of the settings, `-` written `_`) with a function
`open_source(config: SourceConfig) -> Source`; one that can also give out images has `open_archive` (see
`service.ingest.archive`). It keeps no state of its own: everything it must remember stands in the cursor, which moves
in the transaction that stores the records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

Cursor = Mapping[str, Any]
"""Where a source is in its work: JSON values, understood by its adapter alone. It is stored sealed, so it may hold what
a server needs to be told again; it never holds a credential."""

FHIR_JSON = "application/fhir+json"
DICOM_JSON = "application/dicom+json"
DICOM = "application/dicom"


class SourceError(Exception):
    """A source did not give what it was asked for. The class says what to do next.

    `code` is stable (`unreachable`, `unauthorised`, `slow`, `too-large`, `foreign-address`, `not-fhir`…); `message` is
    for an engineer: what was asked (without any value of a patient), what came, how to mend it. Neither ever holds a
    name, an identifier of a patient, a credential or content.
    """

    def __init__(self, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after  # seconds, where the other side said so


class Retriable(SourceError):
    """It may work later: the run ends, the cursor stays, the next run goes on from there."""


UNREACHED = frozenset({"unreachable", "cut-off", "slow", "unavailable", "server-error", "breaker-open", "tls"})
"""Codes that say that the system did not answer, rather than that it answered with a no."""


class Skippable(SourceError):
    """This one record cannot be had or used; its neighbours can. An adapter mostly says so in `RawRecord.problem`."""


class Fatal(SourceError):
    """It will not work until a person mends the source or its configuration; the schedule pauses."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may cost the hospital, and what it may cost us."""

    connections: int = 2
    requests_per_second: float = 20.0
    connect_seconds: float = 5.0
    read_seconds: float = 30.0  # between two pieces of an answer
    answer_seconds: float = 300.0  # one whole answer: a slow drip ends here
    answer_bytes: int = 256 * 1024 * 1024
    record_bytes: int = 32 * 1024 * 1024
    pages: int = 10_000  # of one run
    run_seconds: float = 6 * 3600.0
    retries: int = 4


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One `[[source]]` of the settings, resolved for its adapter.

    `address` is an `http(s)` base URL, or `dicom(s)://AET@host:port`. `options` are the adapter's own keys, which it
    checks when it opens. `secrets` holds the credentials by name, read from the environment or a file when the source
    is opened: never in the settings, never in a `repr`. `zone` serves times without an offset.
    """

    name: str
    kind: str
    institution: str
    address: str
    zone: tzinfo = UTC
    overlap: timedelta = timedelta(minutes=10)
    limits: Limits = Limits()
    credentials: str = "none"  # none | basic | bearer | client-credentials | smart-backend
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    allow_private: bool = True  # hospitals are mostly in private ranges; False refuses them
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record exactly as the source gave it.

    `key` is the record's own name at its source, the same in every version (`Observation/17`,
    `series/<StudyInstanceUID>/<SeriesInstanceUID>`); `media` says how it is read; `body` are the bytes as received,
    never re-serialised. A record that cannot be used is given with its `problem` (code, reason): it is kept and
    rejected, never dropped. A deletion is a record whose `is_deletion` holds; its body is what the source said of it.
    """

    key: str = field(repr=False)
    media: str
    body: bytes = field(repr=False)
    is_deletion: bool = False
    problem: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All keys that exist at the source within `scope` (a stable name, such as `Observation` or `studies/2026-11-20`),
    completely. What was pulled in that scope before and is missing twice in a row counts as deleted there.

    `expected` are those of the keys that must have been given by now. What was not is asked for by its key, where the
    source can (`FetchesByKey`), and so is what has `changed` since it was given, where it says when a record did."""

    scope: str
    keys: frozenset[str]
    expected: frozenset[str] = frozenset()
    changed: Mapping[str, datetime] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Pulled:
    """One batch: its records and the cursor to go on from once they are stored.

    `ignored` counts what the source sent and nobody needs, by reason: in = records + ignored. `scope` is the listing
    scope the records belong to. `watermark` is the newest change seen so far, as the source states it: the true one,
    never shifted by an overlap. `done` of `total` is for people who watch; 0: not known. `asked` are the keys that a
    batch of `FetchesByKey.fetch` answers: those without a record are not there.
    """

    records: tuple[RawRecord, ...]
    cursor: Cursor
    ignored: Mapping[str, int] = field(default_factory=dict)
    scope: str = ""
    listing: Listing | None = None
    watermark: datetime | None = None
    done: int = 0
    total: int = 0
    asked: frozenset[str] = frozenset()


class Level(StrEnum):
    """How a finding of `check` weighs."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing `check` found: what was looked at, how it weighs, what was seen and how to mend it."""

    name: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """What `check` learned: findings in the order they were made, what the peer says it is and can, and a few records
    as a sample."""

    findings: tuple[Finding, ...]
    software: str = ""
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    sample: tuple[RawRecord, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether nothing found forbids pulling."""
        return all(one.level is not Level.PROBLEM for one in self.findings)


class Source(Protocol):
    """A hospital system that is pulled from. Used by one thread at a time."""

    def check(self) -> Readiness:
        """Connects, reads the capabilities and takes a sample. Raises SourceError when there is nothing to talk to."""

    def pull(self, cursor: Cursor | None) -> Iterator[Pulled]:
        """Everything since `cursor` (None: from the beginning), in batches of at most some hundred records.

        The upper bound is fixed at the start of a run by the server's own clock; the query goes back by the overlap,
        the cursor keeps the true watermark. Repeating is free: what was seen is known by its hash. The last batch has
        the cursor the next run starts from; a run that ends without an exception is complete. Raises SourceError.
        """

    def probe(self) -> None:
        """The cheapest question that tells whether the system answers. Raises SourceError."""

    def close(self) -> None:
        """Lets go of connections."""


@runtime_checkable
class FetchesByKey(Protocol):
    """What a source that gives listings should offer too: then what a listing names and no question by time gave (it
    was committed too late, or vanished and came back with its old time) is fetched by the next run."""

    def fetch(self, keys: Sequence[str]) -> Iterator[Pulled]:
        """These records as they are now, in batches that say in `asked` what they answer; `cursor` is not looked at.
        A key that no batch answers is asked for again by a later run. Raises SourceError."""
