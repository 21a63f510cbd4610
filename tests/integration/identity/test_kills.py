"""Processes that load, rule, answer and evaluate again are killed anywhere; run again, it is as if nothing had been."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.crowd import check_decisions, check_reports, told_by
from tests.support.holds import check
from tests.support.region import Hospitals

pytestmark = pytest.mark.slow

KILLS = 15
_WORK = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from service.bootstrap import open_parts
from service.settings import Settings
from tests.support import crowd

home, url, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def step(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

parts = open_parts(Settings(home=home, database_url=url))
event.listen(Engine, "before_cursor_execute", step)
event.listen(Engine, "commit", step)
crowd.do_all(parts)
parts.close()
print(-left)
"""


def work(home: Path, url: str, dies_at: int) -> subprocess.CompletedProcess[str]:
    """All the work in a process of its own, killed before its statement or commit of that number (0: never)."""
    command = [sys.executable, "-c", _WORK, str(home), url, str(dies_at)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_killed_anywhere_and_run_again_it_comes_to_the_same(database_url: str, tmp_path: Path) -> None:
    hospitals = Hospitals.open(tmp_path / "home", database_url)
    parts, luck = hospitals.parts, random.Random(7)
    try:
        for n in range(KILLS):
            died = work(tmp_path / "home", database_url, luck.randint(1, 80) + 18 * n)
            assert died.returncode == -9, died.stderr
        finished = work(tmp_path / "home", database_url, 0)
        assert finished.returncode == 0, finished.stderr
        told = told_by(parts.database, parts.keys)
        check(parts.database, parts.keys, told)
        check_reports(parts)
        assert check_decisions(parts, told) > 0
    finally:
        parts.close()
