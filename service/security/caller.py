"""Who is calling, once believed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from service.domain.errors import NotPermitted


class Role(StrEnum):
    """What a caller may do: clinicians and systems ask and record for their own institution, auditors read counts
    and the log, stewards decide who is who, admins do all of it for the installation."""

    CLINICIAN = "clinician"
    SYSTEM = "system"
    AUDITOR = "auditor"
    STEWARD = "steward"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """A believed caller. The institution and role come from the token, never from the body."""

    institution: str
    role: Role
    actor: str

    def require(self, *roles: Role) -> None:
        """Raises NotPermitted unless the caller has one of `roles`; an admin has all."""
        if self.role is not Role.ADMIN and self.role not in roles:
            raise NotPermitted(f"the role {self.role.value} may not do this")
