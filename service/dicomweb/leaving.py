"""Callers who leave before they are answered: a viewer that scrolls on gives up the pictures it passed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

T = TypeVar("T")

LEFT = 499
"""The status of what is answered to nobody, as servers have it in their logs."""
_at_work: set[asyncio.Task[Any]] = set()  # the event loop itself holds tasks but weakly


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` gives or raises; None where the caller left before: then it is cancelled, and nobody waits for the
    archive that it waits for."""
    doing = asyncio.create_task(work)
    _at_work.add(doing)
    doing.add_done_callback(_ended)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((doing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        return None
    finally:
        doing.cancel()
        leaving.cancel()


def _ended(doing: asyncio.Task[Any]) -> None:
    _at_work.discard(doing)
    if not doing.cancelled():
        doing.exception()  # taken note of, also where nobody waits for it


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
