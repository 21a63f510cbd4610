"""Pulling one configured source: lease, adapter, run, and what is said of it afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from service.domain.catalogue import Catalogue
from service.domain.errors import InvalidInput, TestOnceError
from service.domain.network import Network
from service.ingest.pipeline import Loader
from service.ingest.port import IngestStore
from service.ingest.source import UNREACHED, Cursor, Fatal, Pulled, Readiness, Source, SourceConfig, SourceError
from service.pulling import mapping
from service.pulling.configured import FindAdapter, limits_of, resolve
from service.pulling.leases import new_owner
from service.pulling.missing import and_missing
from service.pulling.promises import own_mistakes
from service.pulling.run import OnProgress, Outcome, Pull, PullRun, Step, Stopping
from service.pulling.store import PullStore, calendar_day
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.registry.pulling import LeaseLost
from service.security.keys import KeyRing
from service.source_settings import SourceSettings

_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Puller:
    """Pulls configured sources into the registry. `policy` gives the catalogue and the network in force."""

    database: Database
    keys: KeyRing
    store: SqlIngestStore
    find_adapter: FindAdapter
    policy: Callable[[], tuple[Catalogue, Network]]
    step: Step = lambda _name: None

    def open(self, settings: SourceSettings) -> Source:
        """The source's adapter, opened. Raises SourceError: `configuration` where its settings or its credentials are
        at fault, `adapter-failed` where the adapter is, of which only the kind of error is told."""
        _, network = self.policy()
        try:
            return self.find_adapter(settings.kind).open_source(resolve(settings, network.zone))
        except SourceError:
            raise
        except InvalidInput as error:
            raise Fatal("configuration", _in_words(error)) from None
        except TestOnceError as error:
            raise Fatal("configuration", str(error)) from None
        except Exception as error:
            raise Fatal(
                "adapter-failed", f"the adapter could not be opened: {type(error).__name__}; look at its settings"
            ) from None

    def probe(self, settings: SourceSettings) -> None:
        """Asks the source, right here, whether it answers. Raises SourceError where it does not."""
        with self._opened(settings) as source:
            source.probe()

    def check(self, settings: SourceSettings) -> Readiness:
        """What the source says of itself, with a sample. Raises SourceError where there is nothing to talk to."""
        with self._opened(settings) as source:
            return source.check()

    @contextmanager
    def _opened(self, settings: SourceSettings) -> Iterator[Source]:
        """The source, opened for a question."""
        source = self.open(settings)
        with own_mistakes():
            try:
                yield source
            finally:
                source.close()

    def loader(self, settings: SourceSettings, store: IngestStore | None = None) -> Loader:
        """What reads the source's documents, under the mapping profile and time zone that its settings name; with a
        `store` of its own (a rehearsal) those in force stay. Raises SourceError `configuration` where the profile has
        mistakes."""
        catalogue, network = self.policy()
        try:
            catalogue, network = mapping.apply(self.database, settings, catalogue, network, keep=store is None)
        except InvalidInput as error:
            raise Fatal("configuration", _in_words(error)) from None
        return Loader(store or self.store, settings.institution, catalogue, network)

    def holds_images(self, settings: SourceSettings) -> bool:
        """Whether the source's adapter can give out images."""
        return self.find_adapter(settings.kind).open_archive is not None

    def resolve(self, settings: SourceSettings) -> SourceConfig:
        """What the source's adapter is opened with. Raises Unavailable where a credential is not there."""
        _, network = self.policy()
        return resolve(settings, network.zone)

    def local_time(self, at: datetime) -> datetime:
        """`at` in the network's zone."""
        _, network = self.policy()
        return network.local_time(at)

    def pull(
        self,
        settings: SourceSettings,
        on_progress: OnProgress | None = None,
        stopping: Stopping = lambda: False,
    ) -> Outcome | None:
        """Pulls the source once. None when another process is at it. A source's own trouble is in the outcome.
        When `stopping` says so, the run ends after the batch it is at."""
        return self.run(settings, partial(self._pull, settings), on_progress, stopping)

    def run(
        self,
        settings: SourceSettings,
        pull: Pull,
        on_progress: OnProgress | None = None,
        stopping: Stopping = lambda: False,
    ) -> Outcome | None:
        """As `pull`, of what this gives instead of the source's adapter."""
        _, network = self.policy()
        store = self.store_of(settings, network)
        if not store.take():
            return None
        try:
            limits = limits_of(settings)
            outcome = PullRun(pull, store, self.loader(settings), limits, on_progress, self.step, stopping).run()
        except SourceError as error:
            outcome = Outcome(settings.name, error=error)
        except LeaseLost:
            return None
        except BaseException:
            store.end({})  # nothing is said of the source: it was not its fault
            raise
        store.end(self._said(settings, store, outcome))
        return outcome

    def _pull(self, settings: SourceSettings, cursor: Cursor | None) -> Iterator[Pulled]:
        """The source's batches, and what is missed. It is opened only now: what waits to be read is read where it
        cannot be opened too."""
        source = self.open(settings)
        try:
            yield from and_missing(source, self.store_of(settings, self.policy()[1]), cursor)
        finally:
            source.close()

    def store_of(self, settings: SourceSettings, network: Network) -> PullStore:
        """The database as the pulling of this source sees it."""
        return PullStore(
            self.database, self.keys, self.store, settings.name, settings.institution, settings.kind, new_owner(),
            calendar_day(network.zone), record_bytes=settings.limits.record_bytes,
        )  # fmt: skip

    def _said(self, settings: SourceSettings, store: PullStore, outcome: Outcome) -> dict[str, Any]:
        """The columns of the source's state after a run."""
        now = self.database.now_us()
        error = outcome.error
        said: dict[str, Any]
        if outcome.stopped:
            return {"due_at": now, "reached_at": now}
        if error is None:
            said = {
                "finished_at": now, "due_at": now + _us(settings.every), "failures": 0, "reached_at": now,
                "error_class": None, "error_code": None, "error": None,
            }  # fmt: skip
            if not outcome.listed:
                return said
            return said | {"warning": outcome.warning.as_text() if outcome.warning else None}
        failures = store.state().failures + 1
        is_fatal = isinstance(error, Fatal)
        said = {
            "failures": failures, "failed_at": now, "error_class": "fatal" if is_fatal else "retriable",
            "error_code": error.code[:40], "error": error.message[:1000],
            "due_at": now + _us(_LONGEST_PAUSE if is_fatal else pause_after(failures, error.retry_after)),
        }  # fmt: skip
        if error.code in UNREACHED:
            said["unreached_at"] = now
        return said


def pause_after(failures: int, retry_after: float | None) -> timedelta:
    """How long a source is left alone after so many failures in a row: twice as long each time, at most an hour, never
    shorter than it asked for, and not always the same: sources that failed together must not return together."""
    pause: timedelta = min(_FIRST_PAUSE * 2 ** min(failures - 1, 20), _LONGEST_PAUSE)
    if retry_after is not None:
        pause = max(pause, min(timedelta(seconds=retry_after), _LONGEST_PAUSE))
    spread: float = random.uniform(1.0, 1.25)  # noqa: S311 - to spread load, not to keep a secret
    return pause * spread


def _in_words(error: InvalidInput) -> str:
    faults = "; ".join(f"{one.pointer}: {one.message}".lstrip(": ") for one in error.faults)
    return f"{error}{': ' if faults else ''}{faults}"


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
