"""Names of hosts, resolved in a time that ends.

The system's resolver cannot be told how long it may take, nor be stopped: some wait for minutes where a name server
drops what it is sent. So it works in threads that are given up on, of which there are few: who asks for a name that is
being looked up waits for that answer.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from service.ingest.source import Retriable

Resolve = Callable[[str, int], Sequence[str]]

MOST = 16
"""Look-ups that go on at once, of all sources of the process."""


class _LookUp:
    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: list[str] = []


_running: dict[tuple[Resolve, str, int], _LookUp] = {}
_lock = threading.Lock()


def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a host, as the system resolves it, however long that takes. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def look_up(host: str, port: int, seconds: float, resolve: Resolve | None = None) -> list[str]:
    """All addresses of a host, asked for anew. Raises Retriable `unreachable` where it has none, or they are not known
    after so many seconds."""
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    one = _begun(resolve or resolve_host, host, port)
    if one is None or not one.done.wait(seconds):
        text = f"the host {host} was not resolved within {seconds:g} s: the DNS does not answer; check its servers"
        raise Retriable("unreachable", text)
    if not one.found:
        raise Retriable("unreachable", f"the host {host} cannot be resolved; check its name and the DNS")
    return one.found


def _begun(resolve: Resolve, host: str, port: int) -> _LookUp | None:
    """The look-up of this host that goes on; None where too many others do."""
    key = (resolve, host, port)
    with _lock:
        one = _running.get(key)
        if one is None and len(_running) < MOST:
            one = _LookUp()
            threading.Thread(target=_work, args=(key, one), name=f"look-up-{host}", daemon=True).start()
            _running[key] = one
        return one


def _work(key: tuple[Resolve, str, int], one: _LookUp) -> None:
    resolve, host, port = key
    try:
        with suppress(OSError, UnicodeError):
            one.found = list(resolve(host, port))
    finally:
        with _lock:
            del _running[key]
        one.done.set()
