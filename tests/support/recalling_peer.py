"""A hospital in memory that tells its changes by time, and the source that pulls it: late commits, clocks that are
wrong, records that vanish and return."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from service.ingest.source import FHIR_JSON, Cursor, Listing, Pulled, RawRecord, Readiness, Retriable
from tests.contract.world import records_of

OVERLAP = timedelta(minutes=10)
PAGE = 3
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class Peer:
    """What there is, each with the time of its change by the clock there."""

    now: datetime
    there: dict[str, tuple[datetime, bytes]] = field(default_factory=dict)
    gone: dict[str, tuple[datetime, bytes]] = field(default_factory=dict)
    begun: list[tuple[datetime, str, bytes]] = field(default_factory=list)

    def write(self, n: int, **changes: Any) -> list[tuple[datetime, str, bytes]]:
        """The resources of an examination as of now, for `commit`: all of one time, and no two writes of the same."""
        self.now += timedelta(seconds=1)
        written = []
        for one in records_of(n, self.now, **changes):
            body = json.dumps(one, ensure_ascii=False).encode()
            written.append((self.now, f"{one['resourceType']}/{one['id']}", body))
        return written

    def commit(self, written: list[tuple[datetime, str, bytes]]) -> None:
        """Makes them seen. What was changed since stays: a database does not lose the later of two writes."""
        for at, key, body in written:
            newest = self.there.get(key) or self.gone.get(key)
            if newest is None or newest[0] <= at:
                self.there[key] = (at, body)
                self.gone.pop(key, None)

    def vanish(self, key: str) -> None:
        """The record is there no more, and nothing says so."""
        self.gone[key] = self.there.pop(key)

    def come_back(self, key: str) -> None:
        """It is there again as it was, with the time it had."""
        self.there[key] = self.gone.pop(key)


@dataclass
class PeerSource:
    """Asks the peer as a FHIR server is asked: by time, in pages, a list of everything at the end, and by key.
    `fail_at`: the batch before which it cannot be reached; `twice`: every batch comes again; `meanwhile`: what happens
    between two batches."""

    peer: Peer
    fail_at: int | None = None
    twice: bool = False
    meanwhile: Any = None

    def pull(self, cursor: Cursor | None) -> Iterator[Pulled]:
        """Everything since the cursor's time less the overlap, up to the peer's time at the start."""
        until = self.peer.now
        newest = datetime.fromisoformat(cursor["newest"]) if cursor else _BEGINNING
        since = newest - OVERLAP if cursor else newest
        last: tuple[datetime, str] = (since, "")
        number = 0
        while True:
            if number == self.fail_at:
                raise Retriable("unreachable", "nobody there")
            found = sorted((at, key) for key, (at, _) in self.peer.there.items() if last < (at, key) and at < until)[
                :PAGE
            ]
            records = tuple(RawRecord(key, FHIR_JSON, self.peer.there[key][1]) for _, key in found)
            newest = max([newest, *(at for at, _ in found)])
            batch = Pulled(records, {"newest": newest.isoformat()}, scope="all", watermark=newest)
            if number or found:
                yield batch
                if self.twice:
                    yield batch
            number += 1
            if len(found) < PAGE:
                break
            last = found[-1]
            if self.meanwhile:
                self.meanwhile()
        yield Pulled((), batch.cursor, scope="all", listing=self._listing())

    def fetch(self, keys: Sequence[str]) -> Iterator[Pulled]:
        """Those of these that are there now."""
        for n in range(0, len(keys), PAGE):
            part = [key for key in keys[n : n + PAGE] if key in self.peer.there]
            records = tuple(RawRecord(key, FHIR_JSON, self.peer.there[key][1]) for key in part)
            yield Pulled(records, {}, scope="all", asked=frozenset(keys[n : n + PAGE]))
            if self.meanwhile:
                self.meanwhile()

    def _listing(self) -> Listing:
        keys = frozenset(self.peer.there)
        return Listing("all", keys, keys, {key: at for key, (at, _) in self.peer.there.items()})

    def check(self) -> Readiness:
        """Nothing was looked at."""
        return Readiness(())

    def probe(self) -> None:
        """It answers."""

    def close(self) -> None:
        """Nothing is open."""
