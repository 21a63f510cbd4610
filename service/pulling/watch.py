"""`pull --watch`: every source in a lane of its own, so that a sick one keeps none of the others waiting.

Several processes may watch: who takes a source's lease pulls it, and when it is due stands in the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.domain.errors import TestOnceError
from service.pulling.leases import is_dead
from service.pulling.pull import Puller
from service.pulling.run import OnProgress, Outcome
from service.registry.columns import from_us
from service.registry.source_states import all_states
from service.source_settings import SourceSettings

_LOOK_SECONDS = 1.0
_AFTER_TROUBLE = 30.0

OnOutcome = Callable[[str, Outcome | None, TestOnceError | None], None]
"""Told of every run: the source, its outcome (None: another process has it), or why it could not be tried."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Keeps pulling until it is stopped."""

    puller: Puller
    sources: Sequence[SourceSettings]
    on_outcome: OnOutcome
    on_progress: OnProgress | None = None

    def run(self, stop: threading.Event) -> None:
        """Returns when `stop` is set and every lane has ended its batch."""
        lanes = [
            threading.Thread(target=self._lane, args=(one, stop), name=f"pull-{one.name}", daemon=True)
            for one in self.sources
        ]
        for lane in lanes:
            lane.start()
        stop.wait()
        for lane in lanes:
            lane.join(timeout=60)

    def _lane(self, source: SourceSettings, stop: threading.Event) -> None:
        while not stop.is_set():
            pause = _LOOK_SECONDS
            try:
                if self.is_due(source):
                    self.on_outcome(source.name, self.puller.pull(source, self.on_progress, stop.is_set), None)
            except TestOnceError as error:
                self.on_outcome(source.name, None, error)
                pause = _AFTER_TROUBLE
            except Exception as error:  # a lane that died would be a source that nobody pulls any more
                told = TestOnceError(f"failed with {type(error).__name__}; this is a defect: report it")
                self.on_outcome(source.name, None, told)
                pause = _AFTER_TROUBLE
            stop.wait(pause)

    def is_due(self, source: SourceSettings) -> bool:
        """Whether the source's time has come, nobody has it, and the hour is one in which it may be pulled."""
        with self.puller.database.read() as conn:
            state = all_states(conn).get(source.name)
        now = self.puller.database.now_us()
        if state is not None and state.due_at is not None and state.due_at > now:
            return False
        if (
            state is not None
            and state.lease_owner
            and (state.lease_until or 0) > now
            and not is_dead(state.lease_owner)
        ):
            return False
        return source.may_run(self.puller.local_time(from_us(now)))
