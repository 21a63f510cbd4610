"""`testonce network`: who takes part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Load and check the network file.", no_args_is_help=True)

_File = Annotated[Path, typer.Argument(metavar="FILE.toml", help="The network file.")]


@app.command()
def load(file: _File) -> None:
    """Load or update institutions, regions, clusters, alliances, certificates: all or nothing."""
    import hashlib

    from service.audit.events import Action
    from service.audit.log import AuditEntry
    from service.bootstrap import open_parts
    from service.cli.counted import counted
    from service.cli.local import local_caller
    from service.cli.reference_text import read_text
    from service.decisions.stored import current_catalogue
    from service.reference.network_file import read_network
    from service.registry import reference_store
    from service.settings import load_settings

    text = read_text(file)
    parts = open_parts(load_settings())
    try:
        with parts.database.write() as conn:
            network = read_network(text, current_catalogue(conn), str(file))
            version = hashlib.sha256(text.encode()).hexdigest()[:16]
            is_new = reference_store.save(conn, "network", version, text)
            if is_new:
                detail = {"institutions": len(network.institutions), "certificates": len(network.certificates)}
                at, subject = parts.database.now_us(), f"Network/{version}"
                parts.audit.append(conn, AuditEntry.by(local_caller(), at, Action.NETWORK_LOADED, subject, detail))
    finally:
        parts.close()
    state = "loaded" if is_new else "unchanged"
    typer.echo(
        f"network {state}: {network.name}, {counted(len(network.institutions), 'institution')}, "
        f"{counted(len(network.certificates), 'certificate')} (version {version})"
    )


@app.command()
def check(file: _File) -> None:
    """Check the file and change nothing."""
    from service.cli.counted import counted
    from service.cli.reference_text import catalogue_for_checks, read_text
    from service.reference.network_file import read_network
    from service.settings import load_settings

    network = read_network(read_text(file), catalogue_for_checks(load_settings()), str(file))
    typer.echo(
        f"no faults: {network.name}, {counted(len(network.institutions), 'institution')}, "
        f"{counted(len(network.certificates), 'certificate')}"
    )
