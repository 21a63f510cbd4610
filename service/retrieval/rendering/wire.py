"""What parent and child tell each other: a job and the file, then what was drawn and the picture; each message with its
length before it."""

from __future__ import annotations

import socket
import time

import msgspec

_LENGTH = 8
_LARGEST = 1 << 30
_PIECE = 1 << 20


class Job(msgspec.Struct, frozen=True):
    """A picture that is wanted, as `service.ingest.archive.View` says it."""

    frame: int | None
    media: str
    viewport: tuple[int, int] | None = None
    window: tuple[float, float, str] | None = None
    quality: int | None = None
    thumbnail: bool = False


class Drawn(msgspec.Struct, frozen=True):
    """How it went: `code` is empty where there is a picture."""

    code: str = ""
    message: str = ""


def send(channel: socket.socket, message: bytes) -> None:
    """Sends a message; OSError (TimeoutError) where the other side does not take it."""
    channel.sendall(len(message).to_bytes(_LENGTH, "big"))
    channel.sendall(message)


def receive(channel: socket.socket, until: float | None = None) -> bytes | None:
    """The next message; None where the other side is gone. TimeoutError after `until` (`time.monotonic`)."""
    head = _exactly(channel, _LENGTH, until)
    if head is None:
        return None
    size = int.from_bytes(head, "big")
    if size > _LARGEST:
        raise OSError("a message is longer than any can be")
    return _exactly(channel, size, until)


def _exactly(channel: socket.socket, size: int, until: float | None) -> bytes | None:
    found = bytearray()
    while len(found) < size:
        if until is not None:
            channel.settimeout(max(until - time.monotonic(), 0.001))
        piece = channel.recv(min(size - len(found), _PIECE))
        if not piece:
            return None
        found += piece
    return bytes(found)
