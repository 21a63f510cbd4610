"""`testonce identity …` as a user types it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.fhir import bundle, observation, report
from tests.support.shell import Shell

pytestmark = pytest.mark.slow

SYSTEM = "urn:oid:2.16.156.10011.1.3"
NUMBER = "11010519491231002X"
CITY, COUNTY = "city-hospital/C1", "county-hospital/Z9"


def load(shell: Shell, folder: Path, institution: str, local: str, number: str | None = None) -> None:
    """Li Min, as this hospital registers her."""
    identifiers = [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:h", "value": local}]
    if number:
        identifiers.append({"system": SYSTEM, "value": number})
    patient = {
        "resourceType": "Patient", "id": local, "identifier": identifiers, "name": [{"text": "李敏"}],
        "gender": "female", "birthDate": "1949-12-31",
    }  # fmt: skip
    (folder / f"{local}.json").write_text(json.dumps(patient), "utf-8")
    done = shell.run("load", "--institution", institution, str(folder / f"{local}.json"))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Two hospitals' records that may be one person's."""
    made = Shell(tmp_path)
    load(made, tmp_path, "city-hospital", "C1", NUMBER)
    load(made, tmp_path, "county-hospital", "Z9")
    return made


def test_two_users_link_after_a_review_and_decisions_touched_are_listed(shell: Shell, tmp_path: Path) -> None:
    listed = shell.run("identity", "review")
    assert CITY in listed.stdout
    assert COUNTY in listed.stdout
    assert "name-and-birth-date" in listed.stdout
    asked = ("match", "--institution", "county-hospital", "--patient-id", "urn:h|Z9", "--order", "718-7", "--json")
    before = json.loads(shell.run(*asked).stdout)
    assert shell.run("identity", "link", CITY, COUNTY, "--why", "one ward book").stdout.startswith("proposed")
    again = shell.run("identity", "link", CITY, COUNTY, "--why", "I am sure")
    assert (again.returncode, again.stdout) == (1, "")
    assert "another user" in again.stderr
    done = shell.run("identity", "link", CITY, COUNTY, "--why", "asked her", "--as", "zhao")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("in force (ruling 1)\n")
    assert "nothing waits" in shell.run("identity", "review").stdout
    parted = shell.run("identity", "unlink", CITY, COUNTY, "--why", "cousins")
    assert parted.returncode == 0, parted.stderr
    assert before["decisionId"]
    opposed = shell.run("identity", "link", CITY, COUNTY, "--why", "no", "--as", "zhao")
    assert opposed.returncode == 1
    assert f"testonce identity withdraw {CITY} {COUNTY}" in opposed.stderr
    assert "taken back" in shell.run("identity", "withdraw", CITY, COUNTY, "--why", "wrong book").stdout
    assert shell.run("audit", "verify").returncode == 0


def load_report(shell: Shell, folder: Path) -> None:
    """A haemoglobin of yesterday, of the city hospital's patient."""
    when = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
    facts = {"subject": {"reference": "Patient/C1"}, "effectiveDateTime": when}
    made = bundle(observation(**facts), report(issued=when, **facts))
    (folder / "report.json").write_text(json.dumps(made), "utf-8")
    done = shell.run("load", "--institution", "city-hospital", str(folder / "report.json"))
    assert done.returncode == 0, done.stdout


def test_unlink_lists_each_earlier_decision_with_what_it_was_and_is(shell: Shell, tmp_path: Path) -> None:
    load(shell, tmp_path, "county-hospital", "Z10", NUMBER)
    load_report(shell, tmp_path)
    asked = ("match", "--institution", "county-hospital", "--patient-id", f"{SYSTEM}|{NUMBER}", "--order", "718-7")
    decided = json.loads(shell.run(*asked, "--json").stdout)
    assert decided["orders"][0]["decision"] == "reusable"
    done = shell.run("identity", "unlink", CITY, "county-hospital/Z10", "--why", "cousins", "--as", "wang")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1] == "1 earlier decision touched"
    assert decided["decisionId"] in lines[2]
    assert "identity-invalidated  o1 reusable -> no-result  now " in lines[2]


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("birth date", "they may be one person", "rule name-and-birth-date (80):", "source: ")),
     ("zh", ("出生日期", "可能为同一人", "规则 name-and-birth-date (80):", "依据: "))],
)  # fmt: skip
def test_explanation_reads_in_both_languages(shell: Shell, language: str, words: tuple[str, ...]) -> None:
    shown = shell.run("identity", "explain", CITY, COUNTY, "--lang", language)
    assert shown.returncode == 0, shown.stderr
    for one in (*words, CITY, COUNTY, "李敏", "1949-12-31"):
        assert one in shown.stdout
    at = ("--at", "2020-01-01T00:00:00")
    found = json.loads(shell.run("identity", "explain", CITY, COUNTY, "--json", *at).stdout)
    assert found["pairs"][0]["then"]["onePerson"] is False


def test_export_and_rebuild_say_how_much_they_did(shell: Shell, tmp_path: Path) -> None:
    files = tmp_path / "who.csv", tmp_path / "review.csv"
    done = shell.run("identity", "export", str(files[0]), "--review", str(files[1]))
    assert (done.returncode, done.stdout) == (0, "2 records, 1 pair to review\n")
    before = files[0].read_text()
    assert before.startswith("institution,local_id,person,tier\ncity-hospital,C1,")
    rebuilt = shell.run("identity", "rebuild")
    assert "2 records judged again, 0 earlier decisions touched" in rebuilt.stdout
    assert shell.run("identity", "export", str(files[0])).stdout == "2 records\n"
    assert files[0].read_text() == before
    assert "person index" in shell.run("doctor").stdout
