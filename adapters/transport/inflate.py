"""Bodies within their limits, compressed or not: a few kilobytes of gzip can stand for gigabytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from service.ingest.source import Fatal, Retriable

_STEP = 256 * 1024
_RATIO = 200  # FHIR JSON compresses 10 to 40 times
_ALWAYS = 8 * 1024 * 1024


def capped(chunks: Iterator[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """The content of a body with this Content-Encoding, at most `limit` bytes. Raises Fatal `too-large` beyond or where
    it inflates like a bomb, Fatal `bad-encoding` for what is neither identity nor gzip, or is damaged, and Retriable
    `cut-off` where gzip ends too early."""
    name = encoding.strip().lower()
    if name not in ("", "identity", "gzip", "x-gzip"):
        raise Fatal("bad-encoding", "the server compresses its answer in a way that was not asked for; switch it off")
    total = 0
    for chunk in _inflate(chunks) if "gzip" in name else chunks:
        total += len(chunk)
        if total > limit:
            raise Fatal("too-large", f"the answer has more than {limit} bytes; raise the limit or ask for less")
        yield chunk


def _inflate(chunks: Iterator[bytes]) -> Iterator[bytes]:
    member = _Member()
    taken = given = 0
    for chunk in chunks:
        taken += len(chunk)
        for piece in member.feed(chunk):
            given += len(piece)
            if given > _ALWAYS and given > _RATIO * taken:
                raise Fatal("too-large", f"the answer inflates to more than {_RATIO} times its size")
            yield piece
    if taken and not member.is_complete:
        raise Retriable("cut-off", "the compressed answer ends too early")


class _Member:
    """The gzip members of a body one after another (RFC 1952 2.2), inflated in steps of bounded size."""

    def __init__(self) -> None:
        self._machine = zlib.decompressobj(31)  # 16 + 15: with a gzip header and checksum

    @property
    def is_complete(self) -> bool:
        return self._machine.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._machine.eof and data:
                self._machine = zlib.decompressobj(31)
            try:
                piece = self._machine.decompress(data, _STEP)
            except zlib.error:
                raise Fatal("bad-encoding", "the compressed answer is damaged") from None
            data = self._machine.unused_data if self._machine.eof else self._machine.unconsumed_tail
            if piece:
                yield piece
            if not data and len(piece) < _STEP:
                return
