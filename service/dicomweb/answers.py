"""Answers that stream: parts as multipart/related (PS3.18 8.6.1.2.1) or one body, taken from the archive as the caller
takes them."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Send

from service.dicomweb.accept import Form
from service.domain.errors import NotFound, TestOnceError
from service.ingest.archive import Part
from service.retrieval.transfers import Pieces
from service.security.chance import random_bytes

_log = logging.getLogger("testonce")


class Streaming(StreamingResponse):
    """A streamed answer whose source is let go of in every case, also when the caller goes away."""

    def __init__(self, body: AsyncGenerator[bytes, None], media_type: str, size: int | None = None) -> None:
        length = {} if size is None else {"Content-Length": str(size)}
        super().__init__(body, media_type=media_type, headers=length)
        self._body = body

    async def stream_response(self, send: Send) -> None:
        """Sends it. An archive that fails half way leaves it without an end, upon which the server cuts the
        connection: no problem document can follow what was sent."""
        async with aclosing(self._body):
            try:
                await super().stream_response(send)
            except TestOnceError as error:
                _log.warning("images broke off: %s", error)


async def stream(pieces: Pieces, form: Form, media: str) -> Streaming:
    """The answer of these pieces. Waits for the first part, so that what goes wrong by then is a problem of its own.
    What goes wrong later cuts the connection: half an answer never looks like a whole one."""
    try:
        first = await anext(pieces, None)
    except BaseException:
        await pieces.aclose()
        raise
    if not isinstance(first, Part):
        await pieces.aclose()
        raise NotFound("the archive gave nothing")
    if form.is_multipart:
        boundary = random_bytes(16).hex()
        kind = f'multipart/related; type="{media}"; boundary={boundary}'
        return Streaming(_parts(first, pieces, boundary, media), kind)
    return Streaming(_body(pieces), _described(first, media), first.size)


async def _parts(first: Part, pieces: Pieces, boundary: str, media: str) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        yield _head(first, boundary, media, is_first=True)
        async for piece in pieces:
            yield piece if isinstance(piece, bytes) else _head(piece, boundary, media, is_first=False)
    yield f"\r\n--{boundary}--\r\n".encode()


async def _body(pieces: Pieces) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, bytes):
                yield piece


def _head(part: Part, boundary: str, media: str, *, is_first: bool) -> bytes:
    length = "" if part.size is None else f"Content-Length: {part.size}\r\n"
    start = "" if is_first else "\r\n"
    return f"{start}--{boundary}\r\nContent-Type: {_described(part, media)}\r\n{length}\r\n".encode()


def _described(part: Part, media: str) -> str:
    """The part's media type as we name it: not what an archive writes, which would stand in a header of ours."""
    known = set("0123456789.")
    syntax = part.transfer_syntax if set(part.transfer_syntax) <= known else ""
    return f"{media}; transfer-syntax={syntax}" if syntax else media
