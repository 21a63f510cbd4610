"""The child process that draws pictures: `python -m service.retrieval.rendering.child FD`.

Jobs come by one socket, the only thing it has open. It may use so much memory and time and no more; when something
kills it, its parent starts another.
"""

from __future__ import annotations

import io
import resource
import socket
import sys
from contextlib import suppress

import msgspec
import numpy as np
from PIL import Image
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from service.ingest.archive import View
from service.retrieval.errors import CannotShow
from service.retrieval.rendering.picture import draw
from service.retrieval.rendering.wire import Drawn, Job, receive, send

MEMORY = 2 << 30
_CPU_SECONDS = 30


def main(descriptor: int) -> None:
    """Draws until its parent closes the socket."""
    channel = socket.socket(fileno=descriptor)
    channel.setblocking(True)
    _load()
    _restrict(descriptor)
    while (packed := receive(channel)) is not None and (data := receive(channel)) is not None:
        _allow_time()
        drawn, picture = _answer(msgspec.msgpack.decode(packed, type=Job), data)
        send(channel, msgspec.msgpack.encode(drawn))
        send(channel, picture)


def _answer(job: Job, data: bytes) -> tuple[Drawn, bytes]:
    try:
        view = View(job.media, job.viewport, job.window, job.quality, job.thumbnail)
        return Drawn(), draw(data, job.frame, view)
    except CannotShow as no:
        return Drawn(no.code, no.message), b""


def _load() -> None:
    """Imports now what is imported when first used: later no file can be opened."""
    Image.init()
    for syntax in (JPEGBaseline8Bit, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless):
        get_decoder(syntax)
    for kind in ("JPEG", "PNG", "JPEG2000"):
        written = io.BytesIO()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(written, kind)
        Image.open(io.BytesIO(written.getvalue())).load()


def _restrict(descriptor: int) -> None:
    """No more memory than this, no other file or connection, no process, no core."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # what is open stays so; nothing more can be opened
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _allow_time() -> None:
    """Seconds of processor for the next job; beyond them the kernel ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + _CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main(int(sys.argv[1]))
