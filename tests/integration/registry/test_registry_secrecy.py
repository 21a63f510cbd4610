"""Nothing that names a patient stands in the database in the clear (design, decision 7); on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from service.domain.person import PatientIdentifier
from service.ingest.port import ConsentFacts, Rejection, SeriesFacts, StoredResource
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.registry.patients import open_facts
from service.registry.tables import metadata, patient_record
from service.security.keys import KeyRing
from tests.support.records import HOSPITAL, RESIDENT, imaging, lab, patient

SECRETS = ("11010519491231002X", "secretpatient", "张绝密", "13900001111", "1949-12-31", "MRN0077", "CARD99887766")


def fill(store: SqlIngestStore) -> None:
    key = "Patient/secretpatient"
    resident = PatientIdentifier(RESIDENT, SECRETS[0])
    local = PatientIdentifier("urn:h", "MRN0077", "MR")
    person = patient(
        key,
        local_id="MRN0077",
        names=("张绝密",),
        phones=("13900001111",),
        identifiers=(resident, local, PatientIdentifier("urn:c", "CARD99887766", "HC")),
    )
    with store.batch(HOSPITAL) as batch:
        body = json.dumps({"secrets": SECRETS}, ensure_ascii=False).encode()
        document = batch.add_document("application/fhir+json", "张绝密-MRN0077.json", body)
        resource = StoredResource(key, b"p" * 32, datetime(2026, 1, 1, tzinfo=UTC), 1, document, 0, 9)
        conditional = "Patient?identifier=urn:h|MRN0077"
        batch.put_resources([resource, replace(resource, ref=conditional), replace(resource, ref="Observation/1")])
        batch.put_parts({"DiagnosticReport/1": [key, conditional, "Observation/1"], key: ["Observation/1"]})
        batch.put_patients([person])
        batch.put_consents([ConsentFacts("Consent/1", key, denies=True)])
        batch.add_instances([SeriesFacts("1.2", "1.2.1", {"PatientName": "张绝密", "PatientID": "MRN0077"})])
        batch.index_reports([lab(patient_key=key), replace(imaging(), patient_key=key)])
        batch.reject([Rejection(document, "Bundle.entry[0]", "no-subject", "names no subject")])


def test_no_column_holds_a_secret_in_the_clear(database: Database, ingest_store: SqlIngestStore) -> None:
    fill(ingest_store)
    rows = 0
    with database.read() as conn:
        for table in metadata.sorted_tables:
            for row in conn.execute(select(table)):
                rows += 1
                text = b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in row).lower()
                assert [one for one in SECRETS if one.lower().encode() in text] == [], table.name
    assert rows > 15


def test_no_file_of_the_embedded_database_holds_a_secret(tmp_path: Path, keys: KeyRing) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'a.db'}", create=True)
    database.upgrade()
    fill(SqlIngestStore(database, keys))
    found = [(p.name, one) for p in tmp_path.iterdir() for one in SECRETS if one.encode() in p.read_bytes()]
    database.close()
    assert found == []


def test_hash_of_a_patient_resource_is_sealed(database: Database, ingest_store: SqlIngestStore) -> None:
    fill(ingest_store)
    table = metadata.tables["resource"]
    with database.read() as conn:
        stored = {row.ref: row.sha256 for row in conn.execute(select(table))}
    assert stored.pop("Observation/1") == b"p" * 32
    assert len(stored) == 2
    assert all(b"p" * 8 not in sealed for sealed in stored.values())


def test_facts_moved_to_another_record_do_not_open(
    database: Database, ingest_store: SqlIngestStore, keys: KeyRing
) -> None:
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_patients([patient("Patient/1"), patient("Patient/2", "22010219851123004X")])
    table = patient_record
    with database.read() as conn:
        first, second = conn.execute(select(table.c.id, table.c.facts).order_by(table.c.id)).all()
    assert open_facts(keys, first.id, first.facts).key != open_facts(keys, second.id, second.facts).key
    with pytest.raises(ValueError, match="does not open"):
        open_facts(keys, second.id, first.facts)


def test_error_of_the_database_quotes_no_row(database: Database) -> None:
    row = {"id": 1, "institution": SECRETS[1], "key_token": b"k", "rank": 0}
    with database.write() as conn:
        conn.execute(insert(patient_record), row)
    with pytest.raises(Exception, match="patient_record") as caught, database.write() as conn:
        conn.execute(insert(patient_record), {**row, "rank": 1})
    assert SECRETS[1] not in str(caught.value)
    assert "k" not in (str(one) for one in getattr(caught.value, "params", None) or ())


def test_altered_ciphertext_is_refused(database: Database, ingest_store: SqlIngestStore, keys: KeyRing) -> None:
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_patients([patient()])
    with database.write() as conn:
        sealed = conn.execute(select(patient_record.c.facts)).scalar_one()
        altered = sealed[:-1] + bytes([sealed[-1] ^ 1])
        conn.execute(update(patient_record).values(facts=altered))
    with pytest.raises(ValueError, match="does not open"):
        open_facts(keys, 1, altered)
