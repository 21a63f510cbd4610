"""What the questions of the suite share: a world, its adapter, and everything a source gives."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import pytest

from service.ingest.source import Cursor, Pulled, RawRecord, Source, SourceConfig
from tests.contract.world import World
from tests.support.link import Link

MANY = 7
"""Examinations: enough for several batches."""

OpenSource = Callable[[SourceConfig], Source]


Test = TypeVar("Test", bound=Callable[..., None])


def needs(what: str) -> Callable[[Test], Test]:
    """Marks a question about something that some kinds of systems cannot do at all (`World.cannot`)."""

    def mark(test: Test) -> Test:
        test.needs = what  # type: ignore[attr-defined]
        return test

    return mark


def needed(test: object) -> str:
    """What the question needs; "" where every system can."""
    return str(getattr(test, "needs", ""))


@dataclass
class Given:
    """All that some runs gave, the newest of each key last."""

    records: dict[str, RawRecord] = field(default_factory=dict)
    batches: list[Pulled] = field(default_factory=list)
    ignored: int = 0
    cursor: Cursor | None = None

    def take(self, pulled: Pulled) -> None:
        """Takes a batch, after looking whether it keeps what the port promises."""
        check(pulled)
        self.batches.append(pulled)
        self.ignored += sum(pulled.ignored.values())
        self.records |= {one.key: one for one in pulled.records}
        self.cursor = through_json(pulled.cursor)

    @property
    def bodies(self) -> dict[str, bytes]:
        """Bytes by key, without deletions."""
        return {key: one.body for key, one in self.records.items() if not one.is_deletion}

    def deleted(self, key: str) -> bool:
        """Whether it was told that the key is gone, by a record or by complete listings without it."""
        listings = [one.listing for one in self.batches if one.listing]
        record = self.records.get(key)
        return bool(record and record.is_deletion) or bool(listings and all(key not in one.keys for one in listings))


def check(pulled: Pulled) -> None:
    """What holds of every batch."""
    assert len(pulled.records) <= 1000, "some hundred records at most are one batch"
    for one in pulled.records:
        assert isinstance(one.key, str)
        assert 0 < len(one.key) <= 500
        assert isinstance(one.body, bytes)
        assert one.problem is None or all(isinstance(text, str) and text for text in one.problem)
    assert all(isinstance(reason, str) and reason and n > 0 for reason, n in pulled.ignored.items())
    assert pulled.watermark is None or pulled.watermark.tzinfo is not None
    assert through_json(pulled.cursor) == pulled.cursor, "the cursor is stored as JSON"


def through_json(cursor: Cursor) -> dict[str, Any]:
    """The cursor as it comes back from the database."""
    found: dict[str, Any] = json.loads(json.dumps(dict(cursor)))
    return found


class Asking:
    """A world for each test, and ways to ask it."""

    world_type: ClassVar[type[World]]

    @pytest.fixture
    def world(self) -> Iterator[World]:
        """The system, holding nothing."""
        made = self.world_type()
        try:
            yield made
        finally:
            made.stop()

    @pytest.fixture
    def link(self, world: World) -> Iterator[Link]:
        """A line to it that can be cut."""
        with closing(Link(world.port)) as made:
            yield made

    @property
    def open_source(self) -> OpenSource:
        """The adapter's."""
        given: OpenSource | None = self.world_type.__dict__.get("open_source")
        if given is not None:
            return given
        package = importlib.import_module(f"adapters.{self.world_type.kind.replace('-', '_')}")
        found: OpenSource = package.open_source
        return found

    def pull(self, config: SourceConfig, cursor: Cursor | None = None, given: Given | None = None) -> Given:
        """One run, from `cursor`."""
        given = Given(cursor=cursor) if given is None else given
        with closing(self.open_source(config)) as source:
            for pulled in source.pull(cursor):
                given.take(pulled)
        return given

    def pull_until_quiet(self, config: SourceConfig, cursor: Cursor | None = None, most: int = 6) -> Given:
        """Runs until two in a row bring nothing other: some systems are believed only when they say it twice."""
        given = Given(cursor=cursor)
        quiet = 0
        for _ in range(most):
            before = dict(given.records)
            self.pull(config, given.cursor, given)
            quiet = quiet + 1 if given.records == before else 0
            if quiet == 2:
                return given
        raise AssertionError(f"every one of {most} runs brought something other, from a system where nothing changes")

    def catch_up(self, config: SourceConfig, given: Given, whole: Given, most: int = 5) -> None:
        """Runs on, at least once, until all is there that the whole has."""
        for _ in range(most):
            self.pull(config, given.cursor, given)
            if given.bodies == whole.bodies:
                return

    def fill(self, world: World, n: int = MANY) -> list[str]:
        """Adds `n` examinations, a second apart; their keys."""
        keys = []
        for number in range(1, n + 1):
            keys.append(world.add(number))
            world.advance(timedelta(seconds=1))
        world.advance(timedelta(minutes=1))
        return keys
