"""Lines to archives: each source has threads of its own and so many transfers at once, so that a sick one keeps nobody
waiting but its own callers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from itertools import groupby
from threading import Lock
from typing import Protocol, TypeVar, cast

from service.domain.errors import Unavailable
from service.ingest.archive import ImageArchive, Part, PartStream

T = TypeVar("T")
_MOUTHFUL = 1024 * 1024
_MOUTHFUL_SECONDS = 0.02
"""What a transfer reads at once: so many bytes, and of a slow archive what comes in that time."""
_WAITING = 64
"""How many callers may wait for a line of one source; beyond it they are told to come again."""
_WAIT_SECONDS = 20.0


class Archives(Protocol):
    """The archives of the configured sources."""

    def of(self, source: str) -> ImageArchive:
        """The archive, opened. Unavailable where no such source is configured, or it cannot be opened."""

    def connections(self, source: str) -> int:
        """How many transfers it allows at once."""

    def close(self) -> None:
        """Lets go of all."""


class Line:
    """The way to one archive."""

    def __init__(self, archives: Archives, source: str) -> None:
        most = archives.connections(source)
        self._archives = archives
        self._source = source
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=f"images-{source}")
        self._free = asyncio.Semaphore(most)
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """One of the transfers that the source allows at once. Unavailable when none becomes free in time."""
        await self.take()
        try:
            yield
        finally:
            self.give_back()

    async def take(self) -> None:
        """As `slot`, to be given back by `give_back`."""
        if self._waiting >= _WAITING:
            raise Unavailable(f"too many callers wait for images of {self._source}", retry_after=5)
        self._waiting += 1
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable(f"all connections to {self._source} are in use", retry_after=5) from None
        finally:
            self._waiting -= 1

    def give_back(self) -> None:
        """Ends a transfer that `take` began."""
        self._free.release()

    async def call(self, work: Callable[[ImageArchive], T]) -> T:
        """What `work` gives, asked on a thread of this source's. Called with a slot."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: work(self._archives.of(self._source)))

    async def run(self, work: Callable[[], T]) -> T:
        """As `call`, for work on what is open already."""
        return await self.start(work)

    def start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """As `run`, without waiting."""
        begun = asyncio.get_running_loop().run_in_executor(self._pool, work)
        begun.add_done_callback(lambda done: done.cancelled() or done.exception())  # its caller may have gone
        return begun

    def close(self) -> None:
        """Ends its threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Transfer:
    """Parts of an archive's answer, taken by the mouthful: one is read while the one before is on its way to the
    caller. The slot is given back when the transfer ends, also half way."""

    def __init__(self, line: Line, start: Callable[[ImageArchive], PartStream]) -> None:
        self._line = line
        self._start = start
        self._lock = Lock()  # what is being read is waited for before the transfer is closed
        self._context: PartStream | None = None
        self._pieces: Iterator[Part | bytes] = iter(())
        self._trouble: Exception | None = None
        self._is_over = False

    async def pieces(self) -> AsyncGenerator[Part | bytes, None]:
        """Each part, followed by its bytes. Raises what the archive raises, after what came before; leaving early ends
        the transfer."""
        await self._line.take()
        try:
            await self._line.call(self._open)
            ahead = self._line.start(self._mouthful)
            while mouthful := await ahead:
                ahead = self._line.start(self._mouthful)
                for piece in mouthful:
                    yield piece
        finally:
            await asyncio.shield(self._end())

    def _open(self, archive: ImageArchive) -> None:
        with self._lock:
            context = self._start(archive)
            self._pieces = _in_turn(context.__enter__())
            self._context = context

    def _mouthful(self) -> list[Part | bytes]:
        """Some pieces together, for each takes a way to a thread and back; none at the end."""
        found: list[Part | bytes] = []
        size, until = 0, time.monotonic() + _MOUTHFUL_SECONDS
        with self._lock:
            try:
                while self._trouble is None and not self._is_over and size < _MOUTHFUL and time.monotonic() < until:
                    if (piece := next(self._pieces, None)) is None:
                        break
                    found.append(piece)
                    size += len(piece) if isinstance(piece, bytes) else 0
            except Exception as error:
                self._trouble = error
            if not found and self._trouble is not None:
                raise self._trouble
        return _joined(found)

    def _close(self) -> None:
        with self._lock:
            self._is_over = True
            if self._context is not None:
                with suppress(Exception):  # it is over either way
                    self._context.__exit__(None, None, None)

    async def _end(self) -> None:
        try:
            await self._line.run(self._close)  # on a thread of the source's: what is being read is waited for
        except RuntimeError:  # the process ends, and its threads take no more work
            self._close()
        finally:
            self._line.give_back()


def _in_turn(parts: Iterator[Part]) -> Iterator[Part | bytes]:
    for part in parts:
        yield part
        yield from part.chunks


def _joined(pieces: list[Part | bytes]) -> list[Part | bytes]:
    """The pieces, the bytes of each part together."""
    found: list[Part | bytes] = []
    for is_bytes, several in groupby(pieces, lambda one: isinstance(one, bytes)):
        if is_bytes:
            found.append(b"".join(cast(Iterator[bytes], several)))
        else:
            found.extend(several)
    return found


class Lines:
    """The lines of one process, opened when first needed."""

    def __init__(self, archives: Archives) -> None:
        self._archives = archives
        self._lines: dict[str, Line] = {}

    def of(self, source: str) -> Line:
        """The line to a source. Unavailable where it is not configured. Called on the event loop only."""
        if source not in self._lines:
            self._lines[source] = Line(self._archives, source)
        return self._lines[source]

    def close(self) -> None:
        """Ends all."""
        for line in self._lines.values():
            line.close()
        self._archives.close()
