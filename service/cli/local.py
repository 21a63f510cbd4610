"""Who works at the command line: whoever holds the keys of this machine."""

from __future__ import annotations

import getpass

from service.security.caller import Caller, Role


def local_caller(institution: str = "", role: Role = Role.ADMIN) -> Caller:
    """The user of this machine, for the audit log."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "unknown"
    return Caller(institution, role, f"cli:{user}")
