"""`testonce audit`: is the log as it was written?"""

from __future__ import annotations

import typer

app = typer.Typer(help="Check the audit log.", no_args_is_help=True)


@app.callback()
def _audit() -> None:
    pass


@app.command()
def verify() -> None:
    """Check the whole audit log; exit 0 only when it is intact, else name the first entry that is not."""
    from datetime import UTC, datetime

    from service.audit.verify import save_checkpoint, verify_log
    from service.bootstrap import check_keys, load_keys
    from service.cli.counted import counted
    from service.registry.database import Database
    from service.settings import load_settings

    settings = load_settings()
    keys = load_keys(settings)
    database = Database.open(settings.resolved_database_url)
    try:
        check_keys(database, keys)
        with database.snapshot() as conn:
            verdict = verify_log(conn, keys, settings.checkpoint_file)
    finally:
        database.close()
    if not verdict.is_intact:
        typer.echo(f"NOT intact at entry {verdict.broken_at}: {verdict.why}", err=True)
        typer.echo(f"intact before it: {counted(verdict.entries, 'entry', 'entries')}", err=True)
        raise typer.Exit(1)
    settings.checkpoint_file.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(settings.checkpoint_file, keys, verdict.entries, verdict.head, datetime.now(UTC).isoformat())
    typer.echo(f"intact: {counted(verdict.entries, 'entry', 'entries')}, the last hash is {verdict.head.hex()}")
