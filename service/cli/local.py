"""Who works at the command line: whoever holds the keys of this machine."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import TYPE_CHECKING

from service.domain.errors import Fault, InvalidInput
from service.security.caller import Caller, Role

if TYPE_CHECKING:
    from service.audit.events import Action
    from service.edge.parts import Parts


def local_caller(institution: str = "", role: Role = Role.ADMIN) -> Caller:
    """The user of this machine, for the audit log."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "unknown"
    return Caller(institution, role, f"cli:{user}")


def record_audit(
    parts: Parts, action: Action, subject: str, detail: Mapping[str, object], institution: str = ""
) -> None:
    """Puts what was done here into the audit log, in a transaction of its own: counts, codes and our own ids."""
    from service.audit.log import AuditEntry

    entry = AuditEntry.by(local_caller(institution), parts.database.now_us(), action, subject, detail)
    with parts.database.write() as conn:
        parts.audit.append(conn, entry)


def require_institution(known: Mapping[str, object], institution: str) -> None:
    """InvalidInput, with how to mend it, when `--institution` is none of the network's, which are `known` by id."""
    import difflib

    if institution not in known:
        near = difflib.get_close_matches(institution, known, 1)
        hint = f"; did you mean {near[0]}?" if near else "; `testonce network load FILE.toml` makes institutions known"
        raise InvalidInput(
            "no such institution", [Fault("--institution", f"{institution!r} is not in the network{hint}")]
        )
