"""`testonce load` and `testonce rejected` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.fhir import bundle, observation, patient, report
from tests.support.shell import Shell

HOSPITAL = "city-hospital"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "good.json").write_text(json.dumps(bundle(patient(), report(), observation())))
    return folder


@pytest.mark.slow
def test_good_files_load_with_counts_and_again_change_nothing(shell: Shell, reports: Path) -> None:
    done = shell.run("load", "--institution", HOSPITAL, str(reports))
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines() if line.startswith("total")] == [["total", *"30000"]]
    assert "100 %" in done.stderr
    again = shell.run("load", "--institution", HOSPITAL, str(reports))
    assert again.returncode == 0
    assert "reports: none touched" in again.stdout
    assert shell.run("audit", "verify").returncode == 0


@pytest.mark.slow
def test_bad_neighbour_is_rejected_listed_and_retried_while_the_good_is_loaded(shell: Shell, reports: Path) -> None:
    (reports / "bad.json").write_text(json.dumps(bundle(observation("o9", code="abc"), patient("p9"))))
    (reports / "message.hl7").write_bytes(b"MSH|^~\\&|")
    done = shell.run("load", "--institution", HOSPITAL, str(reports))
    assert done.returncode == 3
    listed = json.loads(shell.run("rejected", "list", "--json").stdout)
    assert {(one["file"], one["place"], one["code"]) for one in listed} == {
        ("bad.json", "Bundle.entry[0].resource.code", "wrong-type"),
        ("message.hl7", "file", "format-not-read"),
    }
    table = shell.run("rejected", "list", "--institution", HOSPITAL)
    assert "Bundle.entry[0].resource.code" in table.stdout
    assert "bad.json/Observation/o9" in table.stdout
    retried = shell.run("rejected", "retry", str(listed[0]["id"]))
    assert retried.returncode == 3
    assert len(json.loads(shell.run("rejected", "list", "--json").stdout)) == 2
    assert shell.run("rejected", "list", "--institution", "county-hospital").stdout.strip() == "nothing waits"


@pytest.mark.slow
def test_unknown_institution_file_or_rejection_is_a_clear_error(shell: Shell, reports: Path) -> None:
    unknown = shell.run("load", "--institution", "city-hospitel", str(reports))
    assert (unknown.returncode, "did you mean city-hospital?" in unknown.stderr) == (2, True)
    absent = shell.run("load", "--institution", HOSPITAL, str(reports / "none"))
    assert (absent.returncode, "no such file or folder" in absent.stderr) == (2, True)
    none = shell.run("rejected", "retry", "77")
    assert (none.returncode, "77" in none.stderr) == (2, True)
    assert shell.run("rejected", "list").stdout.strip() == "nothing waits"
