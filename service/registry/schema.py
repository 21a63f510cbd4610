"""Migrations, run from within the program: users need no alembic.ini."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from service.domain.errors import Unavailable


@cache
def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config


def upgrade(conn: Connection) -> None:
    """Runs the migrations that are missing, within the transaction of `conn`; Unavailable where the database is
    ahead of this program."""
    config = Config()
    config.set_main_option("script_location", _config().get_main_option("script_location") or "")
    config.attributes["connection"] = conn
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise Unavailable("the database was made by a newer version of this program; install that version") from None


def is_current(conn: Connection) -> bool:
    """Whether the newest migration has run."""
    return MigrationContext.configure(conn).get_current_revision() == head()


@cache
def head() -> str | None:
    """The newest migration."""
    return ScriptDirectory.from_config(_config()).get_current_head()
