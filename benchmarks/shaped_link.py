"""A slow line in a process of its own: a relay on loopback with a rate and a round trip time.

All connections share one line in each direction, as they would share a hospital's. What is left out: lost packets and
the slow start of TCP. The kernel's own shaper (netem) is not on every machine.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

_PIECE = 16 * 1024
_IN_FLIGHT = 64


class Line:
    """One direction: `rate` in bits/s, `delay` in seconds."""

    def __init__(self, rate: float, delay: float) -> None:
        self._rate = rate
        self._delay = delay
        self._free_at = 0.0

    def arrival(self, size: int, now: float) -> float:
        """When `size` bytes that are ready now arrive at the other end."""
        self._free_at = max(self._free_at, now) + size * 8 / self._rate
        return self._free_at + self._delay


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line) -> None:
    clock = asyncio.get_running_loop().time
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_FLIGHT)

    async def deliver() -> None:
        while True:
            at, piece = await waiting.get()
            await asyncio.sleep(max(0.0, at - clock()))
            if not piece:
                return
            writer.write(piece)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    try:
        while piece := await reader.read(_PIECE):
            await waiting.put((line.arrival(len(piece), clock()), piece))
        await waiting.put((line.arrival(0, clock()), b""))
        await delivery
    except (ConnectionError, asyncio.CancelledError):
        delivery.cancel()
    finally:
        writer.close()


async def _relay(target: tuple[str, int], rate: float, round_trip: float, told: Connection) -> None:
    up, down = Line(rate, round_trip / 2), Line(rate, round_trip / 2)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*target)
        await asyncio.gather(_pump(reader, far_writer, up), _pump(far_reader, writer, down))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    told.send(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


def _main(target: tuple[str, int], rate: float, round_trip: float, told: Any) -> None:
    asyncio.run(_relay(target, rate, round_trip, told))


@contextmanager
def shaped(port: int, rate: float = 100e6, round_trip: float = 0.020) -> Iterator[int]:
    """The port of a relay to `port` on loopback; `rate` in bits/s, `round_trip` in seconds."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_main, args=(("127.0.0.1", port), rate, round_trip, theirs), daemon=True)
    process.start()
    try:
        if not mine.poll(20):
            raise RuntimeError("the shaped link did not start")
        yield mine.recv()
    finally:
        process.terminate()
        process.join(10)
