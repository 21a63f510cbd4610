"""Whether each source answers, asked once a minute in the background of the service, so that at match time it is known
which images can be had (contract: `images-unavailable`).

Each question is asked on a thread of its own, and by one process at a time: a system that hangs keeps neither the
others nor a shutdown waiting.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from service.ingest.source import SourceError
from service.registry import source_states
from service.registry.columns import from_us
from service.registry.database import Database
from service.source_settings import SourceSettings

if TYPE_CHECKING:
    from service.pulling.pull import Puller

EVERY_SECONDS = 60.0
_FIRST_SECONDS = 1.0
_log = logging.getLogger("testonce")


class Probes:
    """Asks the sources whether they answer, from `start` to `stop`: those that are enabled, and those that are not
    pulled from but give out images, as one that pushes does."""

    def __init__(
        self,
        database: Database,
        open_puller: Callable[[], Puller],
        sources: Sequence[SourceSettings],
        every: float = EVERY_SECONDS,
    ) -> None:
        self._database = database
        self._open_puller = open_puller
        self._sources = list(sources)
        self._every = every
        self._stop = threading.Event()
        self._busy: set[str] = set()  # those whose last question has not been answered yet
        self._lock = threading.Lock()

    @cached_property
    def _puller(self) -> Puller:
        """Opened when it is first needed: its readers take a while to be imported, and most processes ask nothing."""
        return self._open_puller()

    def start(self) -> None:
        """Asks from now on."""
        threading.Thread(target=self._keep, name="probes", daemon=True).start()

    def stop(self) -> None:
        """Asks no more. Waits for no answer: what comes after this is told to nobody."""
        self._stop.set()

    def _keep(self) -> None:
        pause = min(_FIRST_SECONDS, self._every)
        self._note_absent()
        while self._sources and not self._stop.wait(pause):
            pause = self._every
            for one in self._sources:
                try:
                    self._begin(one)
                except Exception as error:  # the next round asks again
                    _log.warning("source %s was not probed: %s", one.name, type(error).__name__)

    def _note_absent(self) -> None:
        """What a source holds that is configured no more cannot be opened; that is known before the first question."""
        try:
            with self._database.write() as conn:
                source_states.note_absent(conn, [one.name for one in self._sources], self._database.now_us())
        except Exception as error:  # a database without a schema yet
            _log.warning("sources that are gone were not noted: %s", type(error).__name__)

    def _begin(self, source: SourceSettings) -> None:
        with self._lock:
            if source.name in self._busy or not self._take(source):
                return
            self._busy.add(source.name)
        threading.Thread(target=self._ask, args=(source,), name=f"probe-{source.name}", daemon=True).start()

    def _take(self, source: SourceSettings) -> bool:
        database = self._puller.database
        now = database.now_us()
        may_run = source.enabled and source.may_run(self._puller.local_time(from_us(now)))
        if not may_run and not self._puller.holds_images(source):
            return False
        with database.write() as conn:
            source_states.ensure(conn, source.name, source.institution, source.kind)
            return source_states.take_probe(conn, source.name, now, now + int(self._every * 1e6))

    def _ask(self, source: SourceSettings) -> None:
        try:
            code = self.ask(source)
            if not self._stop.is_set():
                with self._puller.database.write() as conn:
                    source_states.note_probe(conn, source.name, self._puller.database.now_us(), code)
        except Exception as error:  # a database that is away, or a service that is going down
            if not self._stop.is_set():
                _log.warning("the answer of source %s was not noted: %s", source.name, type(error).__name__)
        finally:
            with self._lock:
                self._busy.discard(source.name)

    def ask(self, source: SourceSettings) -> str | None:
        """Asks once, right here: the code of the error, None where it answered."""
        try:
            self._puller.probe(source)
        except SourceError as error:
            return error.code
        return None
