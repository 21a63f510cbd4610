"""Reference files as the commands read them: from a path, and the one in force."""

from __future__ import annotations

from pathlib import Path

from service.decisions.stored import current_catalogue
from service.domain.catalogue import Catalogue
from service.domain.errors import InvalidInput, Unavailable
from service.reference.catalogue_file import package_catalogue
from service.registry.database import Database
from service.settings import Settings


def read_text(file: Path) -> str:
    """The file's text; InvalidInput when it cannot be read."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not UTF-8 (byte {error.start}); save it as UTF-8") from None


def catalogue_for_checks(settings: Settings) -> Catalogue:
    """The catalogue in force where there is a database, else the one that ships with the program."""
    try:
        database = Database.open(settings.resolved_database_url)
    except Unavailable:
        return package_catalogue()
    try:
        with database.read() as conn:
            return current_catalogue(conn)
    except Unavailable:
        return package_catalogue()
    finally:
        database.close()
