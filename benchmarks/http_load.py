"""A lean HTTP/1.1 load generator on loopback: keep-alive connections, closed or open model, bounded in count.

Open model: request k is due at start + k/rate whether or not earlier ones were answered, and its latency counts
from when it was due, so a stalled server cannot hide its stall (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Requests answered 200, seconds taken, latencies in milliseconds (sorted)."""

    answered: int
    failed: int
    seconds: float
    latencies: list[float]

    def percentile(self, share: float) -> float:
        """The latency in ms that `share` (0..1) of the requests did not exceed."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def request_bytes(path: str, body: bytes, token: str, port: int) -> bytes:
    """One POST request, ready to send."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bool:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    at = lower.find(b"content-length:")
    length = int(lower[at + 15 : lower.index(b"\r", at)]) if at >= 0 else 0
    if length:
        await reader.readexactly(length)
    return head.startswith(b"HTTP/1.1 200")


async def _run(port: int, requests: Sequence[bytes], connections: int, rate: float | None) -> LoadResult:
    turn = iter(range(len(requests)))
    latencies: list[float] = []
    failed = 0
    began = time.perf_counter() + 0.05

    async def worker() -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for index in turn:
                due = began + index / rate if rate else 0.0
                if rate and (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                sent = due if rate else time.perf_counter()
                if not await _ask(reader, writer, requests[index]):
                    failed += 1
                latencies.append((time.perf_counter() - sent) * 1000)
        finally:
            writer.close()

    await asyncio.gather(*(worker() for _ in range(connections)))
    latencies.sort()
    return LoadResult(len(latencies) - failed, failed, time.perf_counter() - began, latencies)


def run_load(port: int, requests: Sequence[bytes], *, connections: int = 16, rate: float | None = None) -> LoadResult:
    """Sends all requests once and waits for their answers; `rate` per second makes it the open model."""
    return asyncio.run(_run(port, requests, connections, rate))
