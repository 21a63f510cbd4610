"""A FHIR server that exports in bulk, as a source: one export after another, each taken whole."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta

import httpx

from adapters.fhir_bulk.check import check
from adapters.fhir_bulk.cursor import State, read_cursor
from adapters.fhir_bulk.export import Done, Exports, Lost, Waiting
from adapters.fhir_bulk.files import FileReader, ShortFile
from adapters.fhir_bulk.options import read_options
from adapters.transport import GuardedClient
from adapters.transport.patience import Clock, Sleep
from service.ingest.source import Cursor, Fatal, Pulled, Readiness, Retriable, Skippable, SourceConfig

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
_STEP = 20.0  # whoever runs the source is told that often that it is still there
_FAILURES = 5
_TRIES = 3  # exports of the same time, where the server says that it could not export everything
_SET_BACK = 5  # seconds; less is within the overlap, and within how exactly the two clocks can be compared
_AFTER_FAILURE = 3600.0


class BulkSource:
    """Kind "fhir-bulk". The status address of an export stands in the cursor as soon as the server has told it: a run
    that is killed goes on with the same export, at the line it had reached."""

    def __init__(
        self, config: SourceConfig, *, network: httpx.BaseTransport | None = None, clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:  # fmt: skip
        self._config = config
        self._options = read_options(config)
        self._clock, self._sleep = clock, sleep
        self._client = GuardedClient(config, network=network, clock=clock, sleep=sleep)
        self._exports = Exports(self._client, self._options, config.overlap)
        self._reader = FileReader(self._client, self._options, config.limits.record_bytes)

    def check(self) -> Readiness:
        """Connects, reads the capabilities, asks for an export and gives it back, takes a sample by a search."""
        return check(self._client, self._config, self._options, self._exports)

    def pull(self, cursor: Cursor | None) -> Iterator[Pulled]:
        """Everything since the last export. Beside the transport's, raises Fatal `no-export`, `bad-manifest`; Retriable
        `export-running` when it takes longer than a run waits, `export-lost`, `incomplete-export`."""
        state = read_cursor(cursor)
        try:
            done = yield from self._manifest(state)
        except Fatal as error:
            if error.code == "bad-manifest":  # it would be as bad when the server is mended
                self._exports.give_back(state.status)
                state.forget()
                yield Pulled((), state.cursor())
            raise
        state.follow(done.manifest.mark)
        try:
            yield from self._reader.read(done.manifest, state)
        except (ShortFile, Skippable) as error:
            self._exports.give_back(state.status)
            state.forget()
            yield Pulled((), state.cursor())
            code = "incomplete-export" if isinstance(error, ShortFile) else "export-lost"
            raise Retriable(code, f"{error}; the next run asks for a new export") from None
        yield from self._end(state, done)

    def _end(self, state: State, done: Done) -> Iterator[Pulled]:
        """The export has been taken whole. Where the server could not export something, the next one asks for the same
        time again; after some tries it goes on, and what failed stays among the dead letters."""
        status, failed = state.status, state.failed
        state.tries = state.tries + 1 if failed else 0
        if is_believed := state.tries in (0, _TRIES):
            until = _not_beyond(done, state)
            if state.is_whole or not state.whole:
                state.whole = datetime.now(UTC).isoformat(timespec="seconds")
            state.since, state.ahead, state.tries = until.astimezone(UTC).isoformat(), done.ahead, 0
        state.forget()
        yield Pulled((), state.cursor(), watermark=done.until if is_believed else None)
        self._exports.give_back(status)
        if not is_believed:
            text = f"the server could not export {failed} resources (see the dead letters); it is asked for them again"
            raise Retriable("incomplete-export", text, _AFTER_FAILURE)

    def probe(self) -> None:
        """Asks for the capabilities."""
        self._client.get("metadata", headers={"Accept": "application/fhir+json"})

    def close(self) -> None:
        """Lets go of connections."""
        self._client.close()

    def _is_whole_due(self, state: State) -> bool:
        """Whether everything is to be exported again, as it was at first: what a server commits later than the overlap
        it never exports as changed since."""
        every = timedelta(days=self._options.whole_days)
        return bool(every and state.whole) and datetime.now(UTC) - datetime.fromisoformat(state.whole) >= every

    def _manifest(self, state: State) -> Generator[Pulled, None, Done]:
        """The manifest of the export under way, else of a new one; once more of a new one where that is lost."""
        if state.status:
            try:
                return (yield from self._wait(state))
            except Lost:
                self._exports.give_back(state.status)
                state.forget()
        is_whole = self._is_whole_due(state)
        state.begin(self._exports.kick_off("" if is_whole else state.since), is_whole)
        yield Pulled((), state.cursor())
        try:
            return (yield from self._wait(state))
        except Lost as error:
            state.forget()
            yield Pulled((), state.cursor())
            raise Retriable("export-lost", f"{error}; the next run asks for a new one") from None

    def _wait(self, state: State) -> Generator[Pulled, None, Done]:
        pause, failures = _FIRST_PAUSE, 0
        until = self._clock() + self._options.wait_hours * 3600
        while isinstance(told := self._exports.ask(state.status), Waiting):
            failures = failures + 1 if told.is_failing else 0
            if failures >= _FAILURES:
                raise Lost("the server fails whenever it is asked for the export")
            seconds = pause if told.seconds is None else max(told.seconds, _FIRST_PAUSE)
            if self._clock() + seconds > until:
                hours = self._options.wait_hours
                text = f"the export is not done after {hours:g} h; the next run goes on waiting"
                raise Retriable("export-running", text, seconds)
            yield from self._pause(seconds, state, told.percent)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return told

    def _pause(self, seconds: float, state: State, percent: int) -> Iterator[Pulled]:
        while seconds > 0:
            yield Pulled((), state.cursor(), done=percent, total=100 if percent else 0)
            self._sleep(min(seconds, _STEP))
            seconds -= _STEP


def _not_beyond(done: Done, state: State) -> datetime:
    """The time the next export starts from. Where the server's clock was set back since the last export, what changed
    meanwhile bears times before that export's: the next one starts as much earlier."""
    if state.since and state.ahead is not None and done.ahead is not None and state.ahead - done.ahead > _SET_BACK:
        return min(done.until, datetime.fromisoformat(state.since) - timedelta(seconds=state.ahead - done.ahead))
    return done.until


def open_source(config: SourceConfig) -> BulkSource:
    """The source as configured. Raises Fatal for an address or an option that cannot be used."""
    return BulkSource(config)
