"""One run of one source: what it gives is stored batch by batch, the cursor with it; then it is read and indexed, some
batches at a time: a report and its results mostly come in different ones, and are put together once.

A run that is killed at any point loses nothing and doubles nothing: what was stored is read by the next run, what was
not is asked for again, what comes again is known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from service.domain.errors import TestOnceError, Unavailable
from service.ingest.counts import LoadCounts
from service.ingest.pipeline import Document, Loader
from service.ingest.source import Cursor, Limits, Pulled, Retriable, SourceError
from service.pulling.promises import check_batch, own_mistakes
from service.pulling.store import Kept, PullStore
from service.pulling.unbelieved import Unbelieved
from service.registry.pulling import LeaseLost, PulledDocument

_READ_BYTES = 4 * 1024 * 1024
_ENOUGH_BYTES = 3 * 1024 * 1024
"""So much waits that it is read; with the batch that came last it mostly is less than is read at once."""
_READ_DOCUMENTS = 250
_READ_SECONDS = 2.0
"""The longest that what is stored waits for more to be read with it; one batch of a slow source may take longer."""


@dataclass(frozen=True, slots=True)
class At:
    """How far a run is: records received, those not known before; `done` of `total` as the source counts (0: it does
    not say)."""

    source: str
    received: int
    stored: int
    done: int = 0
    total: int = 0


OnProgress = Callable[[At], None]
Pull = Callable[[Cursor | None], Iterator[Pulled]]
"""`Source.pull` of a source that is opened by then, or when it is called."""
Stopping = Callable[[], bool]
"""Whether the run shall end after the batch it is at."""
Step = Callable[[str], None]
"""Called before and after each step with its name; tests stop a run there."""


@dataclass(slots=True)
class Outcome:
    """What a run did. `error` None: it was complete, unless it was `stopped` by us: then the next run goes on."""

    source: str
    received: int = 0
    stored: int = 0
    known: int = 0
    deleted: int = 0
    batches: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    counts: LoadCounts = field(default_factory=LoadCounts)
    error: SourceError | None = None
    warning: Unbelieved | None = None
    watermark: datetime | None = None
    listed: bool = False
    stopped: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether everything there was has been pulled."""
        return self.error is None and not self.stopped

    def add(self, pulled: Pulled, kept: Kept) -> None:
        """Counts a batch."""
        self.batches += 1
        self.received += len(pulled.records)
        self.stored += kept.stored
        self.known += kept.known
        self.deleted += kept.deleted
        self.warning = kept.warning or self.warning
        self.listed = self.listed or pulled.listing is not None
        for reason, n in kept.ignored.items():
            self.ignored[reason] = self.ignored.get(reason, 0) + n
        if pulled.watermark is not None:
            self.watermark = max(self.watermark or pulled.watermark, pulled.watermark)


class PullRun:
    """A run of one source whose lease is held."""

    def __init__(
        self,
        pull: Pull,
        store: PullStore,
        loader: Loader,
        limits: Limits,
        on_progress: OnProgress | None = None,
        step: Step = lambda _name: None,
        stopping: Stopping = lambda: False,
    ) -> None:
        self._pull = pull
        self._store = store
        self._loader = loader
        self._limits = limits
        self._on_progress = on_progress
        self._step = step
        self._stopping = stopping
        self._lost = threading.Event()
        self._unread = 0  # bytes
        self._read_at = monotonic()

    def run(self) -> Outcome:
        """Pulls once. A source's own trouble is in the outcome; raises LeaseLost, and Unavailable when the database
        cannot be used."""
        outcome = Outcome(self._store.source)
        started = self._store.database.now_us()
        with self._heartbeat():
            self._read(outcome)  # what a killed run left
            try:
                with closing(self._batches(self._store.cursor())) as batches:
                    for pulled in batches:
                        self._take(outcome, pulled, started)
                        if outcome.stopped:
                            break
            except SourceError as error:
                outcome.error = error
            self._read(outcome)
        return outcome

    def _take(self, outcome: Outcome, pulled: Pulled, started: int) -> None:
        self._step("pulled")
        check_batch(pulled)
        is_of_deletions = pulled.listing is not None or any(one.is_deletion for one in pulled.records)
        if is_of_deletions:
            self._read(outcome)  # a deletion is told from the versions that were read before it
        kept = self._store.keep(pulled, started)
        self._step("kept")
        outcome.add(pulled, kept)
        self._tell(outcome, pulled)
        if kept.stored:
            self._unread += sum(len(one.body) for one in pulled.records)
        if is_of_deletions or not pulled.records or self._is_enough():
            self._read(outcome)
        outcome.stopped = self._stopping()

    def _is_enough(self) -> bool:
        """Whether what waits to be read shall wait for no more."""
        return self._unread >= _ENOUGH_BYTES or monotonic() - self._read_at > _READ_SECONDS

    def _batches(self, cursor: Cursor | None) -> Generator[Pulled, None, None]:
        """The source's batches, as many and as long as its limits allow."""
        until = monotonic() + self._limits.run_seconds
        batches: Iterator[Pulled] | None = None
        with own_mistakes():
            try:
                batches = self._pull(cursor)
                for _ in range(self._limits.pages):
                    if self._lost.is_set():
                        raise LeaseLost(f"source {self._store.source} is pulled by another process")
                    try:
                        pulled = next(batches)
                    except StopIteration:
                        return
                    yield pulled
                    if monotonic() > until:
                        text = f"the run took longer than {self._limits.run_seconds:.0f} s; the next one goes on"
                        raise Retriable("run-too-long", text)
                raise Retriable("too-many-batches", f"{self._limits.pages} batches in one run; the next one goes on")
            finally:
                with suppress(Exception):
                    close = getattr(batches, "close", None)
                    if close is not None:
                        close()

    def _read(self, outcome: Outcome) -> None:
        """Reads and indexes all that waits, oldest first. A document that no reader can take goes to the dead letters:
        it must not keep its neighbours waiting."""
        after = -1
        while page := self._store.waiting(after, _READ_BYTES, _READ_DOCUMENTS):
            self._step("reading")
            try:
                self._index(outcome, page)
            except TestOnceError:
                raise
            except Exception:
                for one in page:
                    self._index_alone(outcome, one)
            self._step("read")
            after = page[-1][0].id
        self._unread, self._read_at = 0, monotonic()

    def _index(self, outcome: Outcome, page: list[tuple[PulledDocument, Document]]) -> None:
        ids = [one.id for one, _ in page]
        counts = self._loader.load(
            [document for _, document in page], lambda batch, made: self._store.mark_read(batch, ids, made)
        )
        outcome.counts.merge(counts)

    def _index_alone(self, outcome: Outcome, one: tuple[PulledDocument, Document]) -> None:
        try:
            self._index(outcome, [one])
        except TestOnceError:
            raise
        except Exception as error:
            reason = f"the reader failed with {type(error).__name__}; this is a defect: report it, then retry"
            self._store.give_up(one[0], "reader-failed", reason)
            outcome.counts.add("document", "rejected", "reader-failed")

    def _tell(self, outcome: Outcome, pulled: Pulled) -> None:
        if self._on_progress is not None:
            self._on_progress(At(outcome.source, outcome.received, outcome.stored, pulled.done, pulled.total))

    @contextmanager
    def _heartbeat(self) -> Iterator[None]:
        """Renews the lease while a slow source is waited for. When the database is away for a while the lease may end;
        whoever then takes it is noticed where something is stored. A source that hangs for twice as long as a run may
        take is waited for no more: another process may take it over."""
        done = threading.Event()
        until = monotonic() + 2 * self._limits.run_seconds

        def beat() -> None:
            while not done.wait(self._store.lease_us / 3_000_000) and monotonic() < until:
                with suppress(Unavailable):
                    if not self._store.renew():
                        self._lost.set()
                        return

        thread = threading.Thread(target=beat, name=f"lease-{self._store.source}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
