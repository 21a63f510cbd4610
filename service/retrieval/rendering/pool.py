"""The children that draw, started when first needed, ended when they take too long, replaced when they die."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue

import msgspec

from service.ingest.archive import View
from service.retrieval.errors import CannotShow
from service.retrieval.rendering.wire import Drawn, Job, receive, send

SECONDS = 20.0
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LANG")
"""Of the environment; the rest may hold credentials, and what reads strangers' files needs none."""


class Renderers:
    """Draws pictures in `count` child processes."""

    def __init__(self, count: int, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="render")
        self._children: SimpleQueue[_Child | None] = SimpleQueue()
        for _ in range(count):
            self._children.put(None)
        self._count = count

    async def draw(self, data: bytes, frame: int | None, view: View) -> bytes:
        """The picture. CannotShow with the reason."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.draw_now, data, frame, view)

    def draw_now(self, data: bytes, frame: int | None, view: View) -> bytes:
        """As `draw`, waiting."""
        child = self._children.get()
        try:
            if child is not None and not child.is_alive:
                child.end()  # its end of the line is still open
                child = None
            child = child or _Child()
            return child.draw(data, Job(frame, view.media, view.viewport, view.window, view.quality, view.thumbnail),
                              self._seconds)  # fmt: skip
        finally:
            self._children.put(child)

    def close(self) -> None:
        """Ends the children."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for _ in range(self._count):
            child = self._children.get()
            if child is not None:
                child.end()
            self._children.put(None)


class _Child:
    """One child process and the socket to it."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "service.retrieval.rendering.child", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, env={**environment, "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip

    @property
    def is_alive(self) -> bool:
        """Whether it can be given a job."""
        return self._process.poll() is None and self._channel.fileno() >= 0

    def draw(self, data: bytes, job: Job, seconds: float) -> bytes:
        until = time.monotonic() + seconds
        try:
            self._channel.settimeout(seconds)
            send(self._channel, msgspec.msgpack.encode(job))
            send(self._channel, data)
            answer = receive(self._channel, until)
            picture = receive(self._channel, until)
        except TimeoutError:
            self.end()
            raise CannotShow("took-too-long", f"No picture could be made within {seconds:.0f} s.") from None
        except OSError:
            answer = picture = None
        if answer is None or picture is None:
            self.end()
            raise CannotShow("renderer-died", "Making a picture ended the process that does so.")
        drawn = msgspec.msgpack.decode(answer, type=Drawn)
        if drawn.code:
            raise CannotShow(drawn.code, drawn.message)
        return picture

    def end(self) -> None:
        """Ends the process and waits for its end."""
        self._channel.close()
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
