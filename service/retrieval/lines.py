"""Lines to archives: each source has threads of its own and so many transfers at once, so that a sick one keeps nobody
waiting but its own callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from threading import Lock
from typing import Protocol, TypeVar

from service.domain.errors import Unavailable
from service.ingest.archive import ImageArchive, Part, Parts

T = TypeVar("T")
_PIECE = 256 * 1024
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
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Ends its threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Transfer:
    """Parts of an archive's answer, taken piece by piece. Its slot is given back when it ends, also half way."""

    def __init__(self, line: Line, start: Callable[[ImageArchive], Parts]) -> None:
        self._line = line
        self._start = start
        self._lock = Lock()  # the piece that is being read is waited for before the transfer is closed
        self._context: Parts | None = None
        self._is_over = False

    async def pieces(self) -> AsyncGenerator[Part | bytes, None]:
        """Each part, followed by its bytes. Raises what the archive raises; leaving early ends the transfer."""
        await self._line.take()
        try:
            parts = await self._line.call(self._open)
            while (part := await self._line.run(partial(self._next, parts))) is not None:
                yield part
                while piece := await self._line.run(partial(self._gather, part.chunks)):
                    yield piece
        finally:
            await asyncio.shield(self._end())

    def _open(self, archive: ImageArchive) -> Iterator[Part]:
        with self._lock:
            context = self._start(archive)
            parts = context.__enter__()
            self._context = context
            return parts

    def _next(self, parts: Iterator[Part]) -> Part | None:
        with self._lock:
            return None if self._is_over else next(parts, None)

    def _gather(self, chunks: Iterator[bytes]) -> bytes:
        """Some chunks together, for each piece takes a way to a thread and back; empty at the end."""
        found = bytearray()
        with self._lock:
            while not self._is_over and len(found) < _PIECE and (chunk := next(chunks, None)) is not None:
                found += chunk
        return bytes(found)

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
