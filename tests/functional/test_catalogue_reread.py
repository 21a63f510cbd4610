"""`testonce catalogue load` and `reread` as a user types them, and the same on both databases."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from service.ingest.pipeline import Loader
from service.reference.catalogue_file import package_catalogue
from service.registry import evidence
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.registry.tables import part, patient_record, rejected, resource
from service.registry.tables import report as report_table
from tests.support.dicom import instance
from tests.support.fhir import NETWORK, bundle, document, observation, patient, report
from tests.support.local_codes import CODES, knowing, local
from tests.support.serving import NETWORK as NETWORK_FILE
from tests.support.shell import Shell

HOSPITAL = "city-hospital"
CORRECTED = {"status": "corrected", "issued": "2026-11-21T12:00:00+08:00"}
SAME_NUMBER = {"identifier": [{"system": "urn:h1", "value": "N7"}]}


def values(database: Database) -> list[str]:
    """The haemoglobins that an order would find."""
    with database.read() as conn:
        return sorted(
            str(one.result.measured.value) for _, one in evidence.results_of(conn, range(1, 50), ["718-7"], 0)
        )


def everything(database: Database) -> list[object]:
    with database.read() as conn:
        tables = (report_table, resource, part, patient_record, rejected)
        return [sorted(map(repr, conn.execute(select(table)))) for table in tables]


def test_local_codes_become_candidates_and_twice_changes_nothing(
    database: Database, ingest_store: SqlIngestStore
) -> None:
    loader = Loader(ingest_store, "h1", package_catalogue(), NETWORK)
    other = Loader(ingest_store, "h2", package_catalogue(), NETWORK)
    for one in (
        bundle(patient(), report(**CORRECTED), local(value=140, status="corrected")),  # the correction came first
        bundle(report(), local(value=100)),
        bundle(report("a", ["Observation/oa"], **SAME_NUMBER), local("oa", value=1)),
        bundle(report("b", ["Observation/ob"], **SAME_NUMBER), observation("ob", value=2)),
        bundle(report("c", ["Observation/oc"]), local("oc", value=4), observation("bad", code="abc")),
    ):
        loader.load(document(one))
    loader.load([instance()])
    other.load(document(bundle(patient(), report(), local(value=3))))
    assert values(database) == ["2"]
    counts = replace(loader, catalogue=knowing()).read_again()
    assert values(database) == ["140", "2", "4"]  # of the two of one number still the one that came later
    assert (counts.documents, counts.studies, counts.reports["updated"]) == (5, 1, 2)
    before = everything(database)
    again = replace(loader, catalogue=knowing()).read_again()
    assert (again.reports["updated"], again.reports["new"], again.reports["retired"]) == (0, 0, 0)
    assert everything(database) == before
    assert replace(other, catalogue=knowing()).read_again().reports["updated"] == 1
    assert values(database) == ["140", "2", "3", "4"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path)
    (tmp_path / "report.json").write_text(json.dumps(bundle(patient(), report(), local())))
    (tmp_path / "codes.csv").write_text(CODES, "utf-8")
    assert made.run("load", "--institution", HOSPITAL, str(tmp_path / "report.json")).returncode == 0
    return made


def found(home: Path) -> int:
    with sqlite3.connect(home / "home" / "testonce.db") as conn:
        return int(conn.execute("SELECT count(*) FROM result WHERE item = '718-7'").fetchone()[0])


@pytest.mark.slow
def test_catalogue_load_reads_stored_reports_again_and_says_so(shell: Shell, tmp_path: Path) -> None:
    assert found(tmp_path) == 0
    done = shell.run("catalogue", "load", str(tmp_path / "codes.csv"))
    assert done.returncode == 0, done.stderr
    assert "of 1 institution; reports: 0 new, 1 updated, 0 unchanged, 0 retired" in done.stdout
    assert f"read again: {HOSPITAL} 1 of 1 documents and studies (100 %)" in done.stderr
    assert found(tmp_path) == 1
    same = shell.run("catalogue", "load", str(tmp_path / "codes.csv"))
    assert ("unchanged" in same.stdout, "read again" in same.stdout) == (True, False)
    with sqlite3.connect(tmp_path / "home" / "testonce.db") as conn:
        ((subject, detail),) = conn.execute("SELECT subject, detail FROM audit WHERE action LIKE '%:reread'").fetchall()
    assert (subject, json.loads(detail)["updated"]) == (f"Institution/{HOSPITAL}", 1)
    assert shell.run("audit", "verify").returncode == 0


@pytest.mark.slow
def test_no_reread_leaves_reports_until_it_is_asked_for(shell: Shell, tmp_path: Path) -> None:
    done = shell.run("catalogue", "load", "--no-reread", str(tmp_path / "codes.csv"))
    assert (done.returncode, "testonce catalogue reread" in done.stdout) == (0, True)
    other = shell.run("catalogue", "reread", "--institution", "county-hospital")
    assert (other.returncode, other.stdout.strip(), found(tmp_path)) == (0, "no stored reports to read again", 0)
    assert shell.run("catalogue", "reread", "--institution", "nowhere").returncode == 2
    assert "1 updated" in shell.run("catalogue", "reread").stdout
    assert found(tmp_path) == 1
    assert "0 updated, 1 unchanged" in shell.run("catalogue", "reread").stdout


@pytest.mark.slow
def test_catalogue_under_which_the_network_does_not_read_is_not_saved(shell: Shell, tmp_path: Path) -> None:
    item = package_catalogue().items["718-7"]
    window = f'[[window]]\nfor = "institution:{HOSPITAL}"\nitems = ["718-7"]\nwindow = "{item.window.text}"\n'
    (tmp_path / "network.toml").write_text(NETWORK_FILE + window, "utf-8")
    done = shell.run("network", "load", str(tmp_path / "network.toml"))
    assert done.returncode == 0, done.stderr
    header = "id,kind,loinc,name_zh,name_en,unit,specimen,modality,region,contrast,window,volatile,method_dependent,"
    row = "718-7,lab,718-7,血红蛋白,Hemoglobin,g/L,BLD,,,,PT1H,no,no,no,,high,test"
    (tmp_path / "items.csv").write_text(f"{header}sensitive,dose_msv,confidence,source\n{row}\n", "utf-8")
    refused = shell.run("catalogue", "load", str(tmp_path / "items.csv"))
    assert refused.returncode == 2
    assert "may only tighten" in refused.stderr
    assert "(version " + package_catalogue().version not in refused.stdout
    assert package_catalogue().version in shell.run("catalogue", "show").stdout
