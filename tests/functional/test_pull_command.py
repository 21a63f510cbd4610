"""`testonce pull` and `testonce sources` as a user types them, with sources held in memory."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from sqlalchemy import select

from service import bootstrap, cli
from service.audit.events import Action
from service.ingest.source import FHIR_JSON, Cursor, Fatal, Pulled, RawRecord, Retriable
from service.pulling.configured import Adapter
from service.registry.database import Database
from service.registry.tables import audit
from tests.support import pulled
from tests.support.serving import make_home

pytestmark = pytest.mark.slow

SETTINGS = """
home = "home"
[[source]]
name = "city-memory"
kind = "memory"
institution = "city-hospital"
address = "http://127.0.0.1:9/"
[[source]]
name = "county-memory"
kind = "other"
institution = "county-hospital"
address = "http://127.0.0.1:9/"
"""


class Installation:
    """A home with two configured sources, `city` and `county`, and its command line."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture
        self.city, self.county = pulled.MemorySource(pulled.everything(4)), pulled.MemorySource(pulled.everything(2))
        self.url = f"sqlite:///{folder / 'home' / 'testonce.db'}"
        (folder / "home").mkdir()
        (folder / "settings.toml").write_text(SETTINGS)
        database = Database.open(self.url, create=True)
        database.upgrade()
        database.close()
        make_home(folder / "home", self.url)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, what it said, and what it said on stderr."""
        try:
            cli.main(arguments)
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        told = self.capture.readouterr()
        return status, told.out, told.err

    def entries(self, action: Action) -> list[tuple[str, dict[str, Any]]]:
        database = Database.open(self.url)
        with database.read() as conn:
            rows = conn.execute(select(audit.c.subject, audit.c.detail).where(audit.c.action == action.value)).all()
        database.close()
        return [(subject, json.loads(detail)) for subject, detail in rows]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Installation:
    found = Installation(tmp_path, capsys)
    adapters = {"memory": Adapter(found.city.open), "other": Adapter(found.county.open)}
    monkeypatch.setattr(bootstrap, "find_adapter", lambda kind: adapters[kind])
    monkeypatch.setenv("TESTONCE_CONFIG", str(tmp_path / "settings.toml"))
    for name, value in (("COLUMNS", "160"), ("NO_COLOR", "1"), ("LANG", "en_US.UTF-8"), ("LC_ALL", "")):
        monkeypatch.setenv(name, value)
    return found


def row_of(table: str, name: str) -> list[str]:
    return next(line.split() for line in table.splitlines() if line.startswith(name))


def test_all_sources_are_pulled_counted_and_audited_and_again_give_nothing(here: Installation) -> None:
    status, told, _ = here.run("pull")
    assert status == 0, told
    assert row_of(told, "source") == [
        "source", "received", "new", "updated", "unchanged", "ignored", "rejected", "deleted", "seconds",
    ]  # fmt: skip
    assert row_of(told, "city-memory")[1:3] == ["12", "12"]
    assert row_of(told, "county-memory")[1:3] == ["6", "6"]
    assert here.run("pull", "city-memory")[0] == 0
    entries = dict(here.entries(Action.SOURCE_PULLED))
    assert {key: (one["received"], one["new"]) for key, one in entries.items()} == {
        "Source/city-memory": (12, 12), "Source/county-memory": (6, 6),
    }  # fmt: skip
    assert len(here.entries(Action.SOURCE_PULLED)) == 2
    assert here.run("audit", "verify")[0] == 0


def test_a_sick_source_is_named_with_its_error_and_its_neighbour_is_pulled(here: Installation) -> None:
    here.city.fail = {0: Fatal("unauthorised", "401 at the token endpoint; renew the client's secret")}
    status, told, _ = here.run("pull")
    assert status == 1
    assert "city-memory FAILED: unauthorised: 401 at the token endpoint; renew the client's secret" in told
    assert row_of(told, "county-memory")[1] == "6"
    (listed,) = [one for one in json.loads(here.run("sources", "--json")[1])["sources"] if one["failures"]]
    assert (listed["source"], listed["state"], listed["error"]["code"]) == (
        "city-memory", "needs-attention", "unauthorised",
    )  # fmt: skip
    _, page, _ = here.run("sources", "--lang", "zh")
    assert "需人工处理" in page
    assert "连续失败 1 次" in page


def test_a_slow_source_keeps_none_waiting(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    other_done = threading.Event()
    waited = []
    city, county = here.city.pull, here.county.pull

    def slow(cursor: Cursor | None) -> Iterator[Pulled]:
        waited.append(other_done.wait(20))
        yield from city(cursor)

    def quick(cursor: Cursor | None) -> Iterator[Pulled]:
        yield from county(cursor)
        other_done.set()

    monkeypatch.setattr(here.city, "pull", slow)
    monkeypatch.setattr(here.county, "pull", quick)
    assert here.run("pull")[0] == 0
    assert waited == [True]


def test_rejected_records_are_kept_and_end_in_status_3(here: Installation) -> None:
    here.city.log.append(RawRecord("Observation/x", FHIR_JSON, b"{", problem=("not-fhir", "no JSON object")))
    status, told, _ = here.run("pull", "city-memory")
    assert status == 3
    assert "1 rejected are kept: testonce rejected list" in told
    _, page, _ = here.run("sources", "--lang", "en")
    assert row_of(page, "city-memory")[3] == "ok"
    assert "dead letters: testonce rejected list" in page


def test_unknown_source_is_a_mistake_of_the_caller(here: Installation) -> None:
    status, _, err = here.run("pull", "city-memry")
    assert (status, "known are city-memory, county-memory" in err) == (2, True)


def test_sources_never_pulled_are_said_so_in_both_languages(here: Installation) -> None:
    assert "never pulled" in here.run("sources")[1]
    assert "从未拉取" in here.run("sources", "--lang", "zh")[1]
    assert here.run("sources", "--lang", "fr")[0] == 2


def kill(number: int) -> None:
    """Sends ourselves a signal; the main thread hears it within the pause."""
    os.kill(os.getpid(), number)
    sleep(0.4)


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
    here: Installation, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, options: tuple[str, ...]
) -> None:
    before = signal.getsignal(number)
    monkeypatch.setattr(here.city, "pull", interrupted_at(here.city, lambda: kill(number)))
    status, told, _ = here.run("pull", "city-memory", *options)
    assert status == 0
    assert "stopped" in told
    assert signal.getsignal(number) is before


def test_a_stopped_run_is_no_failure_and_is_due_again_at_once(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = here.city.pull
    monkeypatch.setattr(here.city, "pull", interrupted_at(here.city, lambda: kill(signal.SIGTERM)))
    _, told, _ = here.run("pull", "city-memory")
    received = int(row_of(told, "city-memory")[1])
    assert received == 6
    (listed, _) = json.loads(here.run("sources", "--json")[1])["sources"]
    assert (listed["state"], listed["failures"], listed["lastPull"]["completedAt"]) == ("waiting", 0, None)
    monkeypatch.setattr(here.city, "pull", real)
    assert int(row_of(here.run("pull", "city-memory")[1], "city-memory")[1]) == 12 - received


def test_watching_says_what_each_run_did_and_what_failed(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    here.county.fail = {0: Retriable("unreachable", "connection refused at http://127.0.0.1:9/")}
    done = threading.Event()
    threading.Thread(target=lambda: done.wait(2) or os.kill(os.getpid(), signal.SIGTERM), daemon=True).start()
    status, told, _ = here.run("pull", "--watch")
    assert status == 0
    assert "city-memory: 12 received, 12 new" in told
    assert "county-memory FAILED: unreachable: connection refused" in told
    assert told.rstrip().endswith("stopped")
