"""What several callers want at the same time is done once, for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Together:
    """Work on its way, by what it is for. Used on the event loop; a caller who goes away ends nobody else's."""

    def __init__(self) -> None:
        self._on_its_way: dict[Hashable, asyncio.Task[Any]] = {}

    async def do(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `work` gives or raises; it is not begun where work for this key is on its way."""
        return await asyncio.shield(self.begin(key, work))

    def begin(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """As `do`, without waiting."""
        task = self._on_its_way.get(key)
        if task is None:
            task = self._on_its_way[key] = asyncio.create_task(work())
            task.add_done_callback(lambda done: self._ended(key, done))
        return task

    def close(self) -> None:
        """Ends what is on its way."""
        for task in self._on_its_way.values():
            with suppress(RuntimeError):  # its loop has ended, and with it the task
                task.cancel()

    def _ended(self, key: Hashable, done: asyncio.Task[Any]) -> None:
        self._on_its_way.pop(key, None)
        if not done.cancelled():
            done.exception()  # taken note of, also where all who waited have gone
