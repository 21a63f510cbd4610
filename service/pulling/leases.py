"""Who pulls a source: one process at a time, by a lease in the database that its death ends.

A lease is taken for some minutes and renewed while the work goes on. Whoever lost it finds out in the transaction that
would store something: it stores nothing. A holder on this very machine whose process is gone is not waited for.
"""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

from service.security.chance import random_bytes


def new_owner() -> str:
    """A name for who takes leases: where it runs, as which process, started when, and something by chance."""
    return f"{_place()}|{os.getpid()}|{_started(os.getpid())}|{random_bytes(8).hex()}"


def is_dead(owner: str) -> bool:
    """Whether the owner ran where we run and its process is gone. False when in doubt: its lease will end."""
    place, _, rest = owner.rpartition("|")[0].partition("|")
    pid, _, started = rest.partition("|")
    if place != _place() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    now = _started(int(pid))
    return bool(started and now and started != now)  # the number was given to another since


def _place() -> str:
    """The machine since it was started, and the name space of its process numbers."""
    boot = spaces = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    with suppress(OSError):
        spaces = str(Path("/proc/self/ns/pid").readlink())
    return f"{platform.node()}/{boot}/{spaces}"


def _started(pid: int) -> str:
    """When the process started, in the kernel's ticks; "" where that is not told (proc(5), field 22 of stat)."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    return ""
