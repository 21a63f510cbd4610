"""Who works at the command line: whoever holds the keys of this machine."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

from service.domain.errors import Fault, InvalidInput
from service.security.caller import Caller, Role


def local_caller(institution: str = "", role: Role = Role.ADMIN) -> Caller:
    """The user of this machine, for the audit log."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "unknown"
    return Caller(institution, role, f"cli:{user}")


def require_institution(known: Mapping[str, object], institution: str) -> None:
    """InvalidInput, with how to mend it, when `--institution` is none of the network's, which are `known` by id."""
    import difflib

    if institution not in known:
        near = difflib.get_close_matches(institution, known, 1)
        hint = f"; did you mean {near[0]}?" if near else "; `testonce network load FILE.toml` makes institutions known"
        raise InvalidInput(
            "no such institution", [Fault("--institution", f"{institution!r} is not in the network{hint}")]
        )
