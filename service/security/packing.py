"""Compression of what is sealed: zstd, with workers of its own for each thread.

To make a worker costs more than to use it on a decision, and none serves two threads at once. Texts as long as a
decision are compressed with small tables, which stay in the processor's cache: half the time, the same size (measured).
"""

from __future__ import annotations

import threading

import zstandard

_LONG = 64 * 1024
_SMALL_TABLES = zstandard.ZstdCompressionParameters.from_level(1, source_size=_LONG, hash_log=12, chain_log=6)


class _Workers(threading.local):
    """What one thread has made so far."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(compression_params=_SMALL_TABLES).compress
        self.compress_long = zstandard.ZstdCompressor(level=3).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_workers = _Workers()


def pack(plain: bytes) -> bytes:
    """`plain` compressed, one zstd frame (RFC 8878) that says its length."""
    return _workers.compress(plain) if len(plain) < _LONG else _workers.compress_long(plain)


def unpack(packed: bytes) -> bytes:
    """The bytes of `pack`; zstandard.ZstdError where they are none."""
    return _workers.decompress(packed)
