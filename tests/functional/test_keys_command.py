"""`testonce keys` as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.fhir import bundle, observation, patient, report
from tests.support.shell import Shell


@pytest.mark.slow
def test_keys_are_rotated_step_by_step_and_at_once(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    keys = tmp_path / "home" / "keys.json"
    reports = tmp_path / "reports.json"
    reports.write_text(json.dumps(bundle(patient(), report(), observation())))
    assert shell.run("load", "--institution", "city-hospital", str(reports)).returncode == 0
    assert shell.run("keys", "status").stdout.splitlines() == ["keys 1 are in use", "no rotation goes on"]
    shutil.copy(keys, tmp_path / "old.json")

    prepared = shell.run("keys", "rotate", "--until", "prepared")
    assert (prepared.returncode, prepared.stdout.startswith("prepared   keys 2 beside keys 1")) == (0, True)
    assert "copy the key file to every machine" in prepared.stdout
    assert "a rotation is prepared" in shell.run("keys", "status").stdout

    done = shell.run("keys", "rotate", "--settle", "0")
    assert done.returncode == 0, done.stderr
    words = [line.split()[0] for line in done.stdout.splitlines()]
    assert (words[0], words[-1]) == ("switched", "done")
    assert "rewritten" in words
    assert "100 %" in done.stderr
    assert shell.run("keys", "status").stdout.splitlines() == ["keys 2 are in use", "no rotation goes on"]

    again = shell.run("load", "--institution", "city-hospital", str(reports))
    assert "reports: none touched" in again.stdout
    assert shell.run("audit", "verify").returncode == 0
    assert shell.run("doctor").returncode == 0

    shutil.copy(tmp_path / "old.json", keys)
    refused = shell.run("keys", "rotate")
    assert (refused.returncode, "put back its copy" in refused.stderr) == (1, True)
