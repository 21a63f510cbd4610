"""`pull --watch`: each source in its lane, several processes side by side, nobody waits for a sick one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from service.domain.errors import TestOnceError
from service.edge.parts import Parts
from service.ingest.source import Cursor, Fatal, Pulled, SourceConfig
from service.pulling.configured import Adapter
from service.pulling.pull import Puller
from service.pulling.run import Outcome
from service.pulling.watch import Watch
from service.registry.source_states import all_states
from service.registry.tables import source_state
from tests.support import pulled
from tests.support.serving import make_home

pytestmark = pytest.mark.slow
SOON = 30.0


@pytest.fixture
def parts(database_url: str, tmp_path: Path) -> Iterator[Parts]:
    opened = pulled.opened(make_home(tmp_path / "home", database_url))
    yield opened
    opened.close()


@dataclass
class Stuck(pulled.MemorySource):
    """A source that does not answer until it is let go."""

    asked: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def pull(self, cursor: Cursor | None) -> Iterator[Pulled]:
        self.asked.set()
        self.let_go.wait(SOON)
        yield from super().pull(cursor)


class Told:
    """What watches say of runs."""

    def __init__(self, wanted: int) -> None:
        self.outcomes: list[Outcome] = []
        self.errors: list[TestOnceError] = []
        self.enough = threading.Event()
        self._wanted = wanted

    def __call__(self, _source: str, outcome: Outcome | None, error: TestOnceError | None) -> None:
        if outcome is not None:
            self.outcomes.append(outcome)
        if error is not None:
            self.errors.append(error)
        if len(self.outcomes) + len(self.errors) >= self._wanted:
            self.enough.set()


def test_a_stuck_source_delays_no_other(parts: Parts) -> None:
    sick, well = Stuck(), pulled.MemorySource(pulled.everything(2))
    puller = pulled.puller(parts, well)
    by_name = {"sick": sick, "well": well}

    def open_source(config: SourceConfig) -> pulled.MemorySource:
        return by_name[config.name]

    both = Puller(puller.database, puller.keys, puller.store, lambda _: Adapter(open_source), puller.policy)
    told, stop = Told(1), threading.Event()
    watch = Watch(both, [pulled.settings_of("sick"), pulled.settings_of("well")], told)
    running = threading.Thread(target=watch.run, args=(stop,))
    running.start()
    try:
        assert sick.asked.wait(SOON)
        assert told.enough.wait(SOON)
        assert [(one.source, one.is_complete) for one in told.outcomes] == [("well", True)]
    finally:
        sick.let_go.set()
        stop.set()
        running.join(SOON)
    assert not running.is_alive()


def test_two_watches_pull_a_source_once_each_time_it_is_due(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(3), size=2)
    told, stop = Told(1), threading.Event()
    watches = [Watch(pulled.puller(parts, source), [pulled.settings_of()], told) for _ in range(2)]
    running = [threading.Thread(target=one.run, args=(stop,)) for one in watches]
    for one in running:
        one.start()
    try:
        assert told.enough.wait(SOON)
        stop.wait(1.5)  # each looks again, and finds that it is not due
        assert [one.received for one in told.outcomes] == [9]
    finally:
        stop.set()
        for one in running:
            one.join(SOON)


def test_after_a_fatal_error_it_is_left_alone_for_an_hour(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(1), fail={0: Fatal("unauthorised", "the token is refused")})
    puller = pulled.puller(parts, source)
    puller.pull(pulled.settings_of())
    watch = Watch(puller, [pulled.settings_of()], Told(1))
    assert not watch.is_due(pulled.settings_of())
    with parts.database.read() as conn:
        state = all_states(conn)[pulled.NAME]
    assert state.due_at is not None
    assert state.failed_at is not None
    assert state.due_at - state.failed_at == timedelta(hours=1) // timedelta(microseconds=1)
    with parts.database.write() as conn:
        conn.execute(update(source_state).values(due_at=1))
    assert watch.is_due(pulled.settings_of())
