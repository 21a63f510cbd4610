"""How far the audit log reached is written down outside the database whenever a process ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import make_url

from service.audit.verify import Verdict, verify_log
from service.bootstrap import load_keys, open_parts
from service.registry.database import Database
from service.settings import Settings
from tests.support.serving import World, match_body, serve


def check(settings: Settings) -> Verdict:
    database = Database.open(settings.database_url)
    try:
        with database.snapshot() as conn:
            return verify_log(conn, load_keys(settings), settings.checkpoint_file)
    finally:
        database.close()


def ask_again(world: World) -> None:
    parts = open_parts(world.settings)
    parts.desk.decide(match_body("718-7"), parts.tokens.verify(world.headers()["Authorization"].split()[1]))
    parts.close()


def test_database_put_back_from_a_copy_is_found(sqlite_url: str, tmp_path: Path) -> None:
    with serve(tmp_path / "home", sqlite_url) as world:
        world.match("718-7")
    file = Path(make_url(sqlite_url).database or "")
    copy = shutil.copy(file, tmp_path / "copy.db")
    ask_again(world)
    assert check(world.settings).is_intact
    shutil.copy(copy, file)
    assert "entries are missing at the end" in check(world.settings).why


def test_process_that_ends_over_a_log_that_does_not_fit_says_so(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(tmp_path / "home", sqlite_url) as world:
        world.match("718-7")
    world.settings.checkpoint_file.write_text("{}")
    ask_again(world)
    assert "run: testonce audit verify" in caplog.text
    assert world.settings.checkpoint_file.read_text() == "{}"
