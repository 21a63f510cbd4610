"""Random bytes from the system, fetched many at a time.

Each fetch lets go of the interpreter's lock, and getting it back among busy threads costs far more than the bytes: a
decision needs a few dozen, so they come out of one fetch for many decisions.
"""

from __future__ import annotations

import os
import threading

_FETCHED = 8192
_lock = threading.Lock()
_pool = b""
_at = 0


def random_bytes(count: int) -> bytes:
    """`count` bytes (at most 1024) of the system's randomness; no byte is given twice."""
    global _pool, _at
    with _lock:
        if _at + count > len(_pool):
            _pool, _at = os.urandom(_FETCHED), 0
        given = _pool[_at : _at + count]
        _at += count
    return given


def _forget() -> None:
    global _pool, _lock
    _pool, _lock = b"", threading.Lock()


os.register_at_fork(after_in_child=_forget)  # parent and child must not give the same bytes
