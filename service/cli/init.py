"""`testonce init`: database, keys, catalogue."""

from __future__ import annotations

import typer


def init() -> None:
    """Create the database and the keys at the configured places; safe to repeat."""
    import msgspec

    from service.bootstrap import load_keys
    from service.domain.errors import Unavailable
    from service.reference.catalogue_file import package_catalogue, package_files
    from service.registry import reference_store
    from service.registry.database import Database
    from service.security.keys import KeyRing
    from service.settings import load_settings

    settings = load_settings()
    if not settings.resolved_keys_file.exists() and _is_filled(settings.resolved_database_url):
        raise Unavailable(
            f"{settings.resolved_keys_file} is gone, but the database is sealed with it: put back its copy; "
            "new keys would open nothing (for a new start name another database or home)"
        )
    home = settings.home.expanduser()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if settings.resolved_keys_file.exists():
            load_keys(settings)
            typer.echo(f"keys       kept     {settings.resolved_keys_file}")
        else:
            KeyRing.generate().save(settings.resolved_keys_file)
            typer.echo(f"keys       created  {settings.resolved_keys_file} (keep a copy: without it nothing opens)")
    except OSError as error:
        raise Unavailable(f"{error.filename or home} cannot be written: {error.strerror}") from None
    database = Database.open(settings.resolved_database_url, create=True)
    try:
        was_current = database.is_current()
        database.upgrade()
        place = database.url.render_as_string(hide_password=True)
        typer.echo(f"database   {'kept    ' if was_current else 'ready   '} {place}")
        with database.write() as conn:
            reference_store.bind_keys(conn, load_keys(settings).fingerprints)
            if reference_store.current_version(conn, "catalogue") is None:
                text = msgspec.json.encode(dict(package_files())).decode()
                reference_store.save(conn, "catalogue", package_catalogue().version, text)
            version = reference_store.current_version(conn, "catalogue")
            network = reference_store.current_version(conn, "network")
        typer.echo(f"catalogue  version  {version}")
    finally:
        database.close()
    if network is None:
        typer.echo("next: testonce network load FILE.toml")


def _is_filled(url: str) -> bool:
    """Whether there is a database that keys were made for."""
    from service.domain.errors import TestOnceError
    from service.registry.database import Database
    from service.registry.reference_store import KEYS, current_version

    try:
        database = Database.open(url)
    except TestOnceError:
        return False
    try:
        with database.read() as conn:
            return current_version(conn, KEYS) is not None
    except TestOnceError:
        return False
    finally:
        database.close()
