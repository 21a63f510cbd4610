"""A rotation that is killed anywhere goes on when it is run again; meanwhile all that is stored can be used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from service.registry.rotation.run import read_status
from service.registry.rotation.states import State
from service.security import key_file
from service.security import keys as keys_module
from service.security.keys import KeyRing
from tests.support.rotating import files, fill, leftovers, load, match_of, secrets, standing
from tests.support.serving import World

_ROTATE = """
import os, signal, sys
from pathlib import Path
from service.registry.database import Database
from service.registry.rotation import rewrite, run
from service.security import key_file

url, path, point = sys.argv[1:]
rewrite._FIRST, rewrite._MOST = 2, 2
batches = writes = 0

def die(): os.kill(os.getpid(), signal.SIGKILL)

def on_progress(at):
    global batches
    batches += 1
    if point == f"batch {batches}": die()

replace = key_file.replace_file
def replace_file(where, keys):
    global writes
    writes += 1
    if point == f"before file {writes}": die()
    replace(where, keys)
    if point == f"after file {writes}": die()

key_file.replace_file = replace_file
rotation = run.Rotation(Database.open(url), Path(path), grace=0.0, settle=0.0)
rotation.run(run.State.NONE, on_progress)
"""

POINTS = {
    "before file 1": (State.NONE, 1),
    "after file 1": (State.PREPARED, 1),
    "before file 1 ": (State.PREPARED, 1),
    "batch 1": (State.SWITCHED, 2),
    "batch 5": (State.SWITCHED, 2),
    "batch 12": (State.SWITCHED, 2),
    "before file 1  ": (State.SWITCHED, 2),
    "after file 1  ": (State.NONE, 2),
}
"""Where each run is killed, and how far the rotation is then; `before file 1 `: the database is marked as filled under
the new keys, the file does not say so yet; `before file 1  `: the old keys are needed no more, but still there."""


@pytest.mark.slow
def test_rotation_killed_again_and_again(any_world: World, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "TAKEN_UP_SECONDS", 0.0)
    fill(any_world)
    parts, path = any_world.parts, any_world.settings.resolved_keys_file
    before = match_of(any_world)
    with parts.database.read() as conn:
        _, plain = standing(conn, parts.keys)
        gone = secrets(conn)
    known = len(plain)
    for point, (state, key_id) in POINTS.items():
        assert run(database_url, str(path), point.strip()) == -9, point
        status = read_status(parts.database, key_file.read(path))
        assert (status.state, status.key_id) == (state, key_id), point
        assert match_of(any_world) == before, point
        counts = load(parts.database, parts.keys, any_world, files())
        assert not counts.total("new") + counts.total("updated") + counts.total("rejected"), point
    keys = KeyRing.load(path)
    assert (keys.material.current, len(keys.material.pairs)) == (2, 1)
    with parts.database.read() as conn:
        _, after = standing(conn, keys)
        assert leftovers(conn) == 0
        assert not set(gone) & set(secrets(conn))
    assert len(after) == known + 2 * len(POINTS)  # a question leaves a decision: two values
    assert [one for one in plain if one not in after] == []


def run(url: str, path: str, point: str) -> int:
    command = [sys.executable, "-c", _ROTATE, url, path, point]
    return subprocess.run(command, check=False, timeout=60).returncode
