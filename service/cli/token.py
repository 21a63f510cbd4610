"""`testonce token`: a bearer token for trials and scripts on the machine that holds the keys."""

from __future__ import annotations

from typing import Annotated

import typer

from service.security.caller import Role


def token(
    institution: Annotated[str, typer.Option(help="The institution's id in the network file.")],
    role: Annotated[Role, typer.Option(help="What the caller may do.")] = Role.CLINICIAN,
    minutes: Annotated[float | None, typer.Option(min=0.01, max=525_600, help="How long it is valid.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who uses it, for the audit log. Default: you.")] = None,
) -> None:
    """Print a bearer token."""
    from service.audit.events import Action
    from service.audit.log import AuditEntry
    from service.bootstrap import open_parts
    from service.cli.local import local_caller, require_institution
    from service.settings import load_settings

    settings = load_settings()
    parts = open_parts(settings)
    try:
        require_institution(parts.reference.current_policy().network.institution_by_id, institution)
        here = local_caller(institution, role)
        life = minutes if minutes is not None else float(settings.token_minutes)
        entry = AuditEntry.by(
            local_caller(institution), parts.database.now_us(), Action.TOKEN_ISSUED, f"Institution/{institution}",
            {"role": role.value, "minutes": life},
        )  # fmt: skip
        parts.journal.submit(lambda conn: parts.audit.append(conn, entry))
        typer.echo(parts.tokens.issue(institution, role, actor or here.actor, life))
    finally:
        parts.close()
