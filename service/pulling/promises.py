"""What a batch must be to be stored: an adapter is code of many hands, and its mistakes end here, with a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec

from service.domain.errors import TestOnceError
from service.ingest.source import Fatal, Pulled, RawRecord, SourceError
from service.registry.columns import storable

_LARGEST_CURSOR = 4 * 1024 * 1024
_MOST_IN_BATCH = 20_000


@contextmanager
def own_mistakes() -> Iterator[None]:
    """Whatever else than SourceError an adapter raises is a mistake of its own: Fatal `adapter-failed`, of which only
    the kind is told, for the text may quote what it read."""
    try:
        yield
    except (SourceError, TestOnceError):
        raise
    except Exception as error:
        raise Fatal(
            "adapter-failed", f"the adapter failed with {type(error).__name__}; this is a defect of it"
        ) from None


def check_batch(pulled: Pulled) -> None:
    """Raises Fatal where a batch cannot be stored as it is, or its cursor would come back as another: a mistake of the
    adapter, told without anything that it read."""
    if not isinstance(pulled, Pulled):
        raise Fatal("bad-batch", f"the adapter gave a {type(pulled).__name__} for a batch; this is a defect of it")
    if len(pulled.records) > _MOST_IN_BATCH:
        raise Fatal("batch-too-large", f"{len(pulled.records)} records in one batch; at most {_MOST_IN_BATCH}")
    _check_cursor(pulled.cursor)
    if not isinstance(pulled.asked, frozenset) or not all(isinstance(one, str) for one in pulled.asked):
        raise Fatal("bad-batch", "what a batch answers is no set of keys: a defect of the adapter")
    if not all(_is_record(one) for one in pulled.records):
        raise Fatal("bad-record", "a record's key, media, body or problem is of a wrong type: a defect of the adapter")
    if not all(one.key for one in pulled.records):
        raise Fatal("record-without-key", "a record has no key of its own; this is a defect of the adapter")
    at = pulled.watermark
    has_zone = at is None or (isinstance(at, datetime) and at.utcoffset() is not None)
    counted = all(isinstance(n, int) and n >= 0 for n in pulled.ignored.values())
    if not has_zone or not counted:
        raise Fatal("bad-batch", "a batch's watermark has no zone, or its counts are none: a defect of the adapter")


def _check_cursor(cursor: Any) -> None:
    try:
        packed = msgspec.json.encode(dict(cursor))
        is_same = msgspec.json.decode(packed) == cursor
    except (TypeError, ValueError, OverflowError, RecursionError):
        is_same = False
    if not is_same:
        raise Fatal("cursor-not-json", "the adapter's cursor is no JSON object; this is a defect of it")
    if len(packed) > _LARGEST_CURSOR:
        raise Fatal("cursor-too-large", f"the adapter's cursor has {len(packed)} bytes; at most {_LARGEST_CURSOR}")


def _is_record(one: Any) -> bool:
    if not isinstance(one, RawRecord) or not (isinstance(one.key, str) and isinstance(one.media, str)):
        return False
    problem: Any = one.problem
    told = problem is None or (isinstance(problem, tuple) and [*map(type, problem)] == [str, str])
    return told and isinstance(one.body, bytes)


def with_storable_key(record: RawRecord) -> RawRecord:
    """The record; where half a character (a lone surrogate) or NUL stands in its key, under a key that can be stored:
    ids of JSON may hold both."""
    key = storable(record.key)
    if key == record.key:
        return record
    return RawRecord(key, record.media, record.body, record.is_deletion, record.problem)
