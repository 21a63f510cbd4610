"""Sources that do everything wrong that a source can do: what pulls them must survive every one of them.

Each wrong is a function from the cursor to batches. `WRONGS` says what a run then ends with: the code of its error, or
None where the run must come to its end all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from service.ingest.source import (
    FHIR_JSON,
    Cursor,
    Listing,
    Pulled,
    RawRecord,
    Readiness,
    Retriable,
    Skippable,
    SourceConfig,
)
from tests.support.fhir import observation, patient, report

SECRET = "欧阳机密"
"""A patient's name: it stands in what these sources send, and nowhere else."""

AT = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
DEEP = b'{"resourceType":"Observation","id":"deep","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

Batches = Callable[[Cursor | None], Iterator[Pulled]]


def record(resource: dict[str, Any], at: datetime | None = None, key: str | None = None, **more: Any) -> RawRecord:
    """A resource as a record; `at` is its meta.lastUpdated."""
    if at is not None:
        resource = {**resource, "meta": {"lastUpdated": at.isoformat()}}
    body = json.dumps(resource, ensure_ascii=False).encode()
    return RawRecord(key or f"{resource['resourceType']}/{resource['id']}", FHIR_JSON, body, **more)


def good_records() -> list[RawRecord]:
    """A patient and two reports of one result each, nothing wrong with them."""
    return [
        record(patient(name=[{"text": SECRET}]), AT),
        *(record(one, AT) for n in (1, 2) for one in (observation(f"o{n}"), report(f"r{n}", [f"Observation/o{n}"]))),
    ]


@dataclass
class HostileSource:
    """A source that pulls as `batches` says."""

    batches: Batches
    is_closed: bool = False

    def check(self) -> Readiness:
        """Nothing was looked at."""
        return Readiness(())

    def pull(self, cursor: Cursor | None) -> Iterator[Pulled]:
        """As told."""
        return self.batches(cursor)

    def probe(self) -> None:
        """It always answers."""

    def close(self) -> None:
        """Notes it."""
        self.is_closed = True


def good(_cursor: Cursor | None) -> Iterator[Pulled]:
    """Nothing wrong at all."""
    yield Pulled(tuple(good_records()), {"at": 1}, watermark=AT)


def giving(*records: RawRecord, **more: Any) -> Batches:
    """One batch of these beside the good ones, which must come through."""

    def batches(_cursor: Cursor | None) -> Iterator[Pulled]:
        first, *rest = good_records()
        yield Pulled((first, *records, *rest), {"at": 1}, **more)

    return batches


def then(*last: Callable[[], Pulled]) -> Batches:
    """A good batch, then what these make."""

    def batches(cursor: Cursor | None) -> Iterator[Pulled]:
        yield from good(cursor)
        yield from (one() for one in last)

    return batches


def raising(error: BaseException) -> Batches:
    """A good batch, then this exception."""

    def batches(cursor: Cursor | None) -> Iterator[Pulled]:
        yield from good(cursor)
        raise error

    return batches


def _raises_at_once(_cursor: Cursor | None) -> Iterator[Pulled]:
    raise ValueError(SECRET)


def _endless(cursor: Cursor | None) -> Iterator[Pulled]:
    yield from good(cursor)
    while True:
        yield Pulled((), {"at": 1})


def _backwards(cursor: Cursor | None) -> Iterator[Pulled]:
    yield Pulled(tuple(good_records()), {"at": 9}, watermark=AT)
    yield Pulled((), {"at": 1}, watermark=AT - timedelta(days=400))


def _twice(cursor: Cursor | None) -> Iterator[Pulled]:
    for _ in range(3):
        yield from good(cursor)


def _newest_first(_cursor: Cursor | None) -> Iterator[Pulled]:
    late = [record(observation("o1", value=1), AT - timedelta(hours=1)), record(observation("o2", value=2), AT)]
    yield Pulled(tuple(good_records()), {"at": 2})
    yield Pulled((late[0],), {"at": 1})


def _wrong_type(**wrong: Any) -> Callable[[], Pulled]:
    given: dict[str, Any] = {"records": (), "cursor": {}}
    return lambda: Pulled(**given | wrong)


def _odd(**wrong: Any) -> RawRecord:
    return RawRecord(**{"key": "Observation/odd", "media": FHIR_JSON, "body": b"{}", **wrong})


def _many(n: int) -> Iterable[RawRecord]:
    return (RawRecord(f"Basic/{i}", FHIR_JSON, b"{}") for i in range(n))


_GBK = json.dumps(observation("gbk", note=[{"text": SECRET}]), ensure_ascii=False).encode("gb18030")
_UNMET = UnicodeDecodeError("gbk", SECRET.encode(), 0, 1, SECRET)

WRONGS: dict[str, tuple[Batches, str | None]] = {
    "text in GBK": (giving(RawRecord("Observation/gbk", FHIR_JSON, _GBK)), None),
    "two versions under one id": (giving(record(observation("o1", value=1), AT - timedelta(days=1))), None),
    "the same batch again and again": (_twice, None),
    "dates without a day": (giving(record(observation("partial", effectiveDateTime="2026-11"), AT)), None),
    "a unit for another": (giving(record(observation("swapped", value=132, unit="g/dL"), AT)), None),
    "older versions after newer ones": (_newest_first, None),
    "a record of 50 MB": (giving(RawRecord("Observation/big", FHIR_JSON, b" " * 50_000_000)), None),
    "JSON nested 100,000 deep": (giving(RawRecord("Observation/deep", FHIR_JSON, DEEP)), None),
    "an empty body": (giving(RawRecord("Observation/none", FHIR_JSON, b"")), None),
    "a body that is no JSON": (giving(RawRecord("Observation/no", FHIR_JSON, b"<html>" + SECRET.encode())), None),
    "a body that ends its bundle": (giving(RawRecord("Observation/x", FHIR_JSON, b'{"resourceType":"Basic"}]}')), None),
    "a media type nobody reads": (giving(_odd(media="text/html" * 99)), None),
    "a key of 10,000 characters": (giving(_odd(key="k" * 10_000)), None),
    "a key with NUL": (giving(_odd(key="Observation/a\x00b")), None),
    "a key with half a character": (giving(_odd(key="Observation/\ud800")), None),
    "a key that names a patient": (giving(_odd(key=f"Patient/{SECRET}-11010519491231002X")), None),
    "a deletion of nothing": (giving(_odd(key="nothing", body=b"", is_deletion=True)), None),
    "a problem that tells all": (giving(_odd(problem=("odd" * 99, "\x00|" * 2000))), None),
    "two problems without a body": (
        giving(_odd(key="a/1", body=b"", problem=("gone", "1")), _odd(key="a/2", body=b"", problem=("gone", "2"))),
        None,
    ),
    "a watermark at the end of time": (giving(watermark=datetime.max.replace(tzinfo=UTC)), None),
    "a listing of nothing": (giving(scope="x", listing=Listing("x", frozenset())), None),
    "a cursor that goes backwards": (_backwards, None),
    "batches without end": (_endless, "too-many-batches"),
    "an exception at once": (_raises_at_once, "adapter-failed"),
    "no iterator": (lambda _: None, "adapter-failed"),  # type: ignore[dict-item,return-value]
    "a list": (lambda _: [], None),  # type: ignore[dict-item,return-value]
    "a batch that is none": (then(lambda: SECRET), "bad-batch"),  # type: ignore[arg-type,return-value]
    "a cursor that is no JSON": (then(_wrong_type(cursor={"at": object()})), "cursor-not-json"),
    "a cursor that is no object": (then(_wrong_type(cursor=SECRET)), "cursor-not-json"),
    "a number that is none in a cursor": (then(_wrong_type(cursor={"at": float("nan")})), "cursor-not-json"),
    "a cursor of 5 MB": (then(_wrong_type(cursor={"at": "x" * 5_000_000})), "cursor-too-large"),
    "a batch of 20,001": (then(_wrong_type(records=tuple(_many(20_001)))), "batch-too-large"),
    "a record without a key": (then(_wrong_type(records=(_odd(key=""),))), "record-without-key"),
    "a key that is a number": (then(_wrong_type(records=(_odd(key=7),))), "bad-record"),
    "a body that is text": (then(_wrong_type(records=(_odd(body=SECRET),))), "bad-record"),
    "a problem that is text": (then(_wrong_type(records=(_odd(problem=SECRET),))), "bad-record"),
    "a watermark without a zone": (then(_wrong_type(watermark=datetime(2026, 11, 20))), "bad-batch"),  # noqa: DTZ001
    "a watermark that is text": (then(_wrong_type(watermark=SECRET)), "bad-batch"),
    "counts that are none": (then(_wrong_type(ignored={SECRET: None})), "bad-batch"),
    "counts below nothing": (then(_wrong_type(ignored={"type-not-used": -3})), "bad-batch"),
    "it cannot be reached half way": (raising(Retriable("unreachable", "no connection")), "unreachable"),
    "one record skipped by raising": (raising(Skippable("gone", "410")), "gone"),
    **{
        f"{type(error).__name__} half way": (raising(error), "adapter-failed")
        for error in (ValueError(SECRET), KeyError(SECRET), OSError(SECRET), MemoryError(), RecursionError(), _UNMET)
    },
    "StopIteration half way": (raising(StopIteration(SECRET)), "adapter-failed"),
}
"""What is wrong, by name: how the source pulls, and the code a run ends with (None: it is complete)."""


def open_source(config: SourceConfig) -> HostileSource:
    """The wrong that `options.wrong` names; as an adapter package would open it."""
    return HostileSource(WRONGS[str(config.options["wrong"])][0])
