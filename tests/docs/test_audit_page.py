"""The page on the audit log names every action that can be recorded, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from service.audit.events import Action
from service.registry.tables import audit

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text("utf-8")


def test_every_action_is_listed_once() -> None:
    written = re.findall(r"`([a-z-]+:[a-z-]+:[a-z-]+)`", PAGE.split("## What is recorded")[1])
    assert sorted(written) == sorted(Action)


def test_every_column_of_an_entry_is_explained() -> None:
    rows = re.findall(r"(?m)^\| (`[^|]+`) \|", PAGE.split("## What is recorded")[0])
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == [one.name for one in audit.columns]
