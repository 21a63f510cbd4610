"""An installation with two configured sources held in memory, and its command line, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service import bootstrap, cli
from service.audit.events import Action
from service.pulling.configured import Adapter
from service.registry.database import Database
from service.registry.tables import audit
from tests.support import pulled
from tests.support.serving import make_home

SETTINGS = """
home = "home"
[[source]]
name = "city-memory"
kind = "memory"
institution = "city-hospital"
address = "http://127.0.0.1:9/"
[[source]]
name = "county-memory"
kind = "other"
institution = "county-hospital"
address = "http://127.0.0.1:9/"
"""


class Installation:
    """A home with two configured sources, `city` and `county`, and its command line."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture
        self.city, self.county = pulled.MemorySource(pulled.everything(4)), pulled.MemorySource(pulled.everything(2))
        self.url = f"sqlite:///{folder / 'home' / 'testonce.db'}"
        (folder / "home").mkdir()
        self.file = folder / "settings.toml"
        self.configure(SETTINGS)
        database = Database.open(self.url, create=True)
        database.upgrade()
        database.close()
        make_home(folder / "home", self.url)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, what it said, and what it said on stderr."""
        try:
            cli.main(arguments)
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        told = self.capture.readouterr()
        return status, told.out, told.err

    def configure(self, text: str) -> None:
        """Replaces the settings file."""
        self.file.write_text(text, "utf-8")

    def entries(self, action: Action) -> list[tuple[str, dict[str, Any]]]:
        """What the audit log has of an action: subjects and details."""
        database = Database.open(self.url)
        with database.read() as conn:
            rows = conn.execute(select(audit.c.subject, audit.c.detail).where(audit.c.action == action.value)).all()
        database.close()
        return [(subject, json.loads(detail)) for subject, detail in rows]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Installation:
    """The installation; its sources never leave the process."""
    found = Installation(tmp_path, capsys)
    adapters = {"memory": Adapter(found.city.open), "other": Adapter(found.county.open)}
    monkeypatch.setattr(bootstrap, "find_adapter", lambda kind: adapters[kind])
    monkeypatch.setenv("TESTONCE_CONFIG", str(tmp_path / "settings.toml"))
    for name, value in (("COLUMNS", "160"), ("NO_COLOR", "1"), ("LANG", "en_US.UTF-8"), ("LC_ALL", "")):
        monkeypatch.setenv(name, value)
    return found
