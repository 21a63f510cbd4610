"""Who is who, as files: the contract's columns, the same whatever the order in which the records came."""

from __future__ import annotations

import csv
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from service.audit.log import AuditLog
from service.domain.errors import InvalidInput, NotPermitted
from service.identity.store.export import Exporter
from service.registry.database import Database
from service.registry.tables import audit
from service.security.caller import Role
from service.security.keys import KeyRing
from tests.support.persons import LI, WANG, patient, register

PEOPLE = (
    ("county", patient("7", LI)),
    ("city", patient("0/12", LI)),
    ("city", patient("0/12", LI, key="mr|0/12")),
    ("town", patient("3", birth_date="1985-11-23")),
    ("town", patient("4", name="王芳", birth_date="1990-01-02")),
)
"""One woman in two hospitals (at the city's in two of its systems), one who may be she, one who is not."""


def export(database: Database, keys: KeyRing, folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    folder.mkdir(exist_ok=True)
    Exporter(database, keys, AuditLog(database, keys)).write(folder / "who.csv", folder / "review.csv", WANG)
    with (folder / "who.csv").open() as first, (folder / "review.csv").open() as second:
        return list(csv.reader(first)), list(csv.reader(second))


def test_each_record_stands_with_its_person_and_what_waits_is_probable(
    database: Database, keys: KeyRing, tmp_path: Path
) -> None:
    register(database, keys, *PEOPLE)
    records, review = export(database, keys, tmp_path)
    assert records[0] == ["institution", "local_id", "person", "tier"]
    assert [(one[0], one[1], one[3]) for one in records[1:]] == [
        ("city", "0/12", "confirmed"),
        ("county", "7", "confirmed"),
        ("town", "3", "probable"),
        ("town", "4", "confirmed"),
    ]
    persons = [one[2] for one in records[1:]]
    assert persons[0] == persons[1]
    assert len(set(persons)) == 3
    assert review[0] == ["institution_a", "local_id_a", "institution_b", "local_id_b", "score", "why"]
    assert [one[:4] for one in review[1:]] == [["city", "0/12", "town", "3"], ["county", "7", "town", "3"]]
    assert review[1][5].startswith("name-and-birth-date;name=equal;")


@pytest.mark.parametrize("turn", range(1, 5))
def test_files_are_the_same_whatever_came_first(
    database: Database, keys: KeyRing, tmp_path: Path, turn: int, sqlite_url: str
) -> None:
    borrowed = ("town", replace(patient("5", LI, name="陈强"), birth_date="1960-05-05", sex="male"))
    people = [*PEOPLE, borrowed, ("rural", replace(patient("9", LI, name="陈强"), birth_date="1960-05-05", sex="male"))]
    register(database, keys, *people)
    there = Database.open(sqlite_url)
    register(there, keys, *people[turn:], *people[:turn])
    both = export(database, keys, tmp_path / "a"), export(there, keys, tmp_path / "b")
    there.close()
    assert both[0] == both[1]
    assert len(both[0][1]) > 3


def test_files_are_for_their_owner_only_and_the_export_is_audited(
    database: Database, keys: KeyRing, tmp_path: Path
) -> None:
    register(database, keys, *PEOPLE)
    export(database, keys, tmp_path)
    assert {stat.S_IMODE((tmp_path / one).stat().st_mode) for one in ("who.csv", "review.csv")} == {0o600}
    assert sorted(one.name for one in tmp_path.glob("*.csv")) == ["review.csv", "who.csv"]
    with database.read() as conn:
        (entry,) = conn.execute(select(audit).where(audit.c.action == "identity:index:exported")).all()
    assert (entry.actor, entry.detail) == ("wang", '{"pairs":2,"records":4,"review":true}')


def test_nobody_else_may_export_and_a_folder_that_is_not_there_is_named(
    database: Database, keys: KeyRing, tmp_path: Path
) -> None:
    exporter = Exporter(database, keys, AuditLog(database, keys))
    with pytest.raises(NotPermitted):
        exporter.write(tmp_path / "who.csv", None, replace(WANG, role=Role.AUDITOR))
    with pytest.raises(InvalidInput) as error:
        exporter.write(tmp_path / "absent" / "who.csv", None, WANG)
    assert error.value.faults[0].pointer == "FILE.csv"
    assert list(tmp_path.glob("*")) == [tmp_path / "registry.db"] or not list(tmp_path.glob("*.csv"))
