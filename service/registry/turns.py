"""Writers of one SQLite file take turns.

SQLite lets writers of several processes poll for its lock with growing pauses, so one that writes again and again (a
load) can keep all others out until they give up. Here who waits stands in a queue of one behind the writer: holding
`-next` means to be the one who gets `-turn`, and a writer that has just finished must queue up again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from service.domain.errors import Unavailable

try:
    import fcntl
except ImportError:  # Windows: SQLite's own waiting has to do
    fcntl = None  # type: ignore[assignment]

_PAUSE = 0.001
WAIT_SECONDS = 20.0
"""As long as SQLite itself waits for its lock."""


@contextmanager
def turn(path: str, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Within the block nobody else, thread or process, has the turn to write to the file at `path`.

    Raises Unavailable when the turn does not come within `wait` seconds. A process that dies loses its turn.
    """
    if fcntl is None:
        yield
        return
    until = time.monotonic() + wait
    mine = _open(f"{path}-turn")
    try:
        queued = _open(f"{path}-next")
        try:
            _take(queued, until)
            _take(mine, until)
        finally:
            os.close(queued)  # closing lets go of the lock
        yield
    finally:
        os.close(mine)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"{path} cannot be opened beside the database: {error.strerror}") from None


def _take(handle: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise Unavailable("the database is busy with other writers; try again") from None
            time.sleep(_PAUSE)
