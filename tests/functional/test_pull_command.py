"""`testonce pull` and `testonce sources` as a user types them, with sources held in memory."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import pytest

from service.audit.events import Action
from service.cli.pull import until_stopped
from service.ingest.source import FHIR_JSON, Cursor, Fatal, Pulled, RawRecord, Retriable
from tests.support import pulled
from tests.support.installed import Installation

pytestmark = pytest.mark.slow


def row_of(table: str, name: str) -> list[str]:
    return next(line.split() for line in table.splitlines() if line.startswith(name))


def test_all_sources_are_pulled_counted_and_audited_and_again_give_nothing(installed: Installation) -> None:
    status, told, _ = installed.run("pull")
    assert status == 0, told
    assert row_of(told, "source") == [
        "source", "received", "new", "updated", "unchanged", "ignored", "rejected", "deleted", "s",
    ]  # fmt: skip
    assert row_of(told, "city-memory")[1:3] == ["12", "12"]
    assert row_of(told, "county-memory")[1:3] == ["6", "6"]
    assert installed.run("pull", "city-memory")[0] == 0
    entries = dict(installed.entries(Action.SOURCE_PULLED))
    assert {key: (one["received"], one["new"]) for key, one in entries.items()} == {
        "Source/city-memory": (12, 12), "Source/county-memory": (6, 6),
    }  # fmt: skip
    assert len(installed.entries(Action.SOURCE_PULLED)) == 2
    assert installed.run("audit", "verify")[0] == 0


def test_a_sick_source_is_named_with_its_error_and_its_neighbour_is_pulled(installed: Installation) -> None:
    installed.city.fail = {0: Fatal("unauthorised", "401 at the token endpoint; renew the client's secret")}
    status, told, _ = installed.run("pull")
    assert status == 1
    assert "city-memory FAILED: unauthorised: 401 at the token endpoint; renew the client's secret" in told
    assert row_of(told, "county-memory")[1] == "6"
    (listed,) = [one for one in json.loads(installed.run("sources", "--json")[1])["sources"] if one["failures"]]
    assert (listed["source"], listed["state"], listed["error"]["code"]) == (
        "city-memory", "needs-attention", "unauthorised",
    )  # fmt: skip
    _, page, _ = installed.run("sources", "--lang", "zh")
    assert "需人工处理" in page
    assert "连续失败 1 次" in page


def test_a_slow_source_keeps_none_waiting(installed: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    other_done = threading.Event()
    waited = []
    city, county = installed.city.pull, installed.county.pull

    def slow(cursor: Cursor | None) -> Iterator[Pulled]:
        waited.append(other_done.wait(20))
        yield from city(cursor)

    def quick(cursor: Cursor | None) -> Iterator[Pulled]:
        yield from county(cursor)
        other_done.set()

    monkeypatch.setattr(installed.city, "pull", slow)
    monkeypatch.setattr(installed.county, "pull", quick)
    assert installed.run("pull")[0] == 0
    assert waited == [True]


def test_rejected_records_are_kept_and_end_in_status_3(installed: Installation) -> None:
    installed.city.log.append(RawRecord("Observation/x", FHIR_JSON, b"{", problem=("not-fhir", "no JSON object")))
    status, told, _ = installed.run("pull", "city-memory")
    assert status == 3
    assert "1 rejected are kept: testonce rejected list" in told
    _, page, _ = installed.run("sources", "--lang", "en")
    assert row_of(page, "city-memory")[3] == "ok"
    assert "dead letters: testonce rejected list" in page


def test_unknown_source_is_a_mistake_of_the_caller(installed: Installation) -> None:
    status, _, err = installed.run("pull", "city-memry")
    assert (status, "known are city-memory, county-memory" in err) == (2, True)


def test_sources_never_pulled_are_said_so_in_both_languages(installed: Installation) -> None:
    assert "never pulled" in installed.run("sources")[1]
    assert "从未拉取" in installed.run("sources", "--lang", "zh")[1]
    assert installed.run("sources", "--lang", "fr")[0] == 2


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sends ourselves a signal, and returns when the command has heard it."""
    made: list[threading.Event] = []

    @contextmanager
    def watched() -> Iterator[threading.Event]:
        with until_stopped() as stop:
            made.append(stop)
            yield stop

    monkeypatch.setattr("service.cli.pull.until_stopped", watched)

    def kill(number: int) -> None:
        os.kill(os.getpid(), number)
        assert made[-1].wait(30)

    return kill


def interrupted_at(source: pulled.MemorySource, then: Callable[[], None]) -> Callable[[Cursor | None], Any]:
    """A pull during whose second batch something happens."""
    original = source.pull

    def pull(cursor: Cursor | None) -> Iterator[Pulled]:
        for n, one in enumerate(original(cursor)):
            if n == 1:
                then()
            yield one

    return pull


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("options", [(), ("--watch",)])
def test_a_signal_ends_after_the_batch_and_the_next_run_goes_on(
    installed: Installation,
    monkeypatch: pytest.MonkeyPatch,
    kill: Callable[[int], None],
    number: signal.Signals,
    options: tuple[str, ...],
) -> None:
    before = signal.getsignal(number)
    monkeypatch.setattr(installed.city, "pull", interrupted_at(installed.city, lambda: kill(number)))
    status, told, _ = installed.run("pull", "city-memory", *options)
    assert status == 0
    assert "stopped" in told
    assert signal.getsignal(number) is before


def test_a_stopped_run_is_no_failure_and_is_due_again_at_once(
    installed: Installation, monkeypatch: pytest.MonkeyPatch, kill: Callable[[int], None]
) -> None:
    real = installed.city.pull
    monkeypatch.setattr(installed.city, "pull", interrupted_at(installed.city, lambda: kill(signal.SIGTERM)))
    _, told, _ = installed.run("pull", "city-memory")
    received = int(row_of(told, "city-memory")[1])
    assert received == 6
    (listed, _) = json.loads(installed.run("sources", "--json")[1])["sources"]
    assert (listed["state"], listed["failures"], listed["lastPull"]["completedAt"]) == ("waiting", 0, None)
    monkeypatch.setattr(installed.city, "pull", real)
    assert int(row_of(installed.run("pull", "city-memory")[1], "city-memory")[1]) == 12 - received


def test_watching_says_what_each_run_did_and_what_failed(installed: Installation, kill: Callable[[int], None]) -> None:
    installed.county.fail = {0: Retriable("unreachable", "connection refused at http://127.0.0.1:9/")}

    def stop_when_both_were_asked() -> None:
        until = monotonic() + 30
        while monotonic() < until and not (installed.city.closed and installed.county.closed):
            sleep(0.02)
        kill(signal.SIGTERM)

    threading.Thread(target=stop_when_both_were_asked, daemon=True).start()
    status, told, _ = installed.run("pull", "--watch")
    assert status == 0
    assert "city-memory: 12 received, 12 new" in told
    assert "county-memory FAILED: unreachable: connection refused" in told
    assert told.rstrip().endswith("stopped")
