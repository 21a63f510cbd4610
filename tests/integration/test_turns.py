"""Writers of one SQLite file take turns, so that nobody is kept out."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from service.domain.errors import Unavailable
from service.registry.turns import turn

_GREEDY = """
import sys, time
from service.registry.turns import turn
print("ready", flush=True)
while True:
    with turn(sys.argv[1]):
        time.sleep(0.05)
"""


def test_waiting_writer_goes_before_one_that_writes_again_and_again(tmp_path: Path) -> None:
    path = str(tmp_path / "registry.db")
    greedy = subprocess.Popen([sys.executable, "-c", _GREEDY, path], stdout=subprocess.PIPE)
    try:
        assert greedy.stdout is not None
        greedy.stdout.readline()
        for _ in range(5):
            started = time.monotonic()
            with turn(path, wait=5):
                assert time.monotonic() - started < 5
    finally:
        greedy.kill()
        greedy.communicate()
    with turn(path, wait=0.5):  # the dead one has lost its turn
        pass


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    path, inside, most = str(tmp_path / "registry.db"), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with turn(path):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most == 1


def test_turn_that_does_not_come_is_unavailable(tmp_path: Path) -> None:
    path = str(tmp_path / "registry.db")
    with turn(path), pytest.raises(Unavailable, match="busy"), turn(path, wait=0.05):
        pass
