"""Documents, resources, patients, series, rejections, reference files: kept and read again; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from service.domain.errors import NotFound
from service.domain.person import PatientFacts
from service.domain.report import LabReport, Measured
from service.domain.times import parse_when
from service.ingest.port import ConsentFacts, PatientIdentifier, Rejection, SeriesFacts, StoredResource
from service.registry import documents, evidence, reference_store, rejections
from service.registry.columns import to_us
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.registry.patients import local_token, person_token
from service.registry.tables import hidden_ref
from service.security.keys import KeyRing
from tests.support.records import HOSPITAL, NOON, RESIDENT, at, imaging, lab, patient, result


def stored(ref: str, document_id: int = 1, version: int = 0) -> StoredResource:
    return StoredResource(ref, bytes([version]) * 32, NOON + timedelta(hours=version), 1, document_id, 0, 10)


def resident_token(keys: KeyRing, value: str = "11010519491231002X") -> bytes:
    return person_token(keys, "resident", value)


def test_bytes_are_kept_once_per_institution(database: Database, ingest_store: SqlIngestStore, keys: KeyRing) -> None:
    with ingest_store.batch(HOSPITAL) as batch:
        first = batch.add_document("application/fhir+json", "李敏.json", b"{}")
        assert batch.add_document("application/fhir+json", "again.json", b"{}") == first
        assert batch.add_document("application/fhir+json", "other.json", b"[]") != first
    with ingest_store.batch("other") as batch:
        assert batch.add_document("application/fhir+json", "a.json", b"{}") != first
        assert batch.read_document(first) == b"{}"
    with database.read() as conn, pytest.raises(NotFound):
        documents.read_document(conn, keys, 99)


def test_report_is_served_as_it_came(database: Database, ingest_store: SqlIngestStore, keys: KeyRing) -> None:
    body = b'[{"id": "0"}, {"value": 6.30}]'
    with ingest_store.batch(HOSPITAL) as batch:
        document = batch.add_document("application/fhir+json", "a.json", body)
        source = StoredResource("DiagnosticReport/1", b"x" * 32, None, 1, document, 14, 15)
        batch.index_reports([replace(lab(), source=source), imaging()])
    with database.read() as conn:
        ((_, candidate),) = evidence.results_of(conn, [1], ["718-7"], 0)
        assert documents.read_source(conn, keys, candidate.head.id) == b'{"value": 6.30}'
        ((_, exam),) = evidence.exams_of(conn, [1], ["CT"], 0)
        for report_id in (exam.head.id, 99):
            with pytest.raises(NotFound):
                documents.read_source(conn, keys, report_id)


def test_report_sent_in_other_bytes_is_a_new_version(ingest_store: SqlIngestStore) -> None:
    first = StoredResource("DiagnosticReport/1", b"x" * 32, None, 1, 1, 0, 9)
    with ingest_store.batch(HOSPITAL) as batch:
        batch.index_reports([replace(lab(), source=first)])
        assert batch.index_reports([replace(lab(), source=replace(first, document_id=7))]).unchanged == 1
        assert batch.index_reports([replace(lab(), source=replace(first, sha256=b"y" * 32))]).updated == 1


@pytest.mark.parametrize(
    "ref",
    [
        "Observation/1",
        "Patient/1",
        "Patient?identifier=urn:x|123",
        "Patient/~0123456789abcdef",
        "http://h/Patient/1",
        "Observation/" + "a" * 500,
    ],
)
def test_resource_is_found_under_its_own_ref(ingest_store: SqlIngestStore, ref: str) -> None:
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_resources([stored(ref)])
    with ingest_store.batch(HOSPITAL) as batch:
        assert batch.find_resources([ref, "Observation/none"]) == {ref: stored(ref)}
        batch.put_resources([stored(ref, version=2)])
        assert batch.find_resources([ref]) == {ref: stored(ref, version=2)}
    with ingest_store.batch("other") as batch:
        assert batch.find_resources([ref]) == {}


def test_more_resources_than_one_statement_takes_are_found(ingest_store: SqlIngestStore) -> None:
    refs = [f"Observation/{n}" for n in range(2000)]
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_resources(map(stored, refs))
        assert batch.find_resources(refs) == {ref: stored(ref) for ref in refs}


def test_parts_of_a_root_are_replaced_as_a_whole(ingest_store: SqlIngestStore) -> None:
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_parts({"DiagnosticReport/1": ["Patient/1", "Observation/1"], "DiagnosticReport/2": ["Patient/1"]})
    with ingest_store.batch(HOSPITAL) as batch:
        assert batch.find_roots(["Patient/1", "Observation/1", "Observation/2"]) == {
            "Patient/1": {"DiagnosticReport/1", "DiagnosticReport/2"},
            "Observation/1": {"DiagnosticReport/1"},
        }
        batch.put_parts({"DiagnosticReport/1": ["Observation/2"]})
        assert batch.find_roots(["Patient/1", "Observation/1", "Observation/2"]) == {
            "Patient/1": {"DiagnosticReport/2"},
            "Observation/2": {"DiagnosticReport/1"},
        }
        batch.put_parts({"DiagnosticReport/1": []})
        assert batch.find_roots(["Observation/2"]) == {}


@pytest.mark.parametrize(
    "root", ["study/1.2.3", "Observation/a_b:c", "DiagnosticReport/报告~1", "Observation/" + "a" * 120]
)
def test_root_comes_back_as_it_was_named(ingest_store: SqlIngestStore, root: str) -> None:
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_parts({root: ["Patient/1"]})
        assert batch.find_roots(["Patient/1"]) == {"Patient/1": {root}}


def test_asking_what_hangs_on_a_patient_stores_nothing(database: Database, ingest_store: SqlIngestStore) -> None:
    with ingest_store.batch(HOSPITAL) as batch:
        assert batch.find_roots(["Patient/1", "identifier|urn:x|1", "Observation/1"]) == {}
    with database.read() as conn:
        assert conn.execute(select(func.count()).select_from(hidden_ref)).scalar_one() == 0


def test_patient_who_bears_an_identifier_is_found_in_the_own_institution(ingest_store: SqlIngestStore) -> None:
    told = PatientFacts("identifier|urn:mr|7", "7", identifiers=(PatientIdentifier("urn:mr", "7"),))
    written = (PatientIdentifier("urn:mr", " 7 "), PatientIdentifier("", "11010519491231002x", "NI"))
    own = replace(told, key="Patient/7", identifiers=written)
    number, card = PatientIdentifier("urn:mr", "7"), PatientIdentifier("urn:mr", "8")
    resident = PatientIdentifier("urn:testonce:identifier:resident", "11010519491231002X")
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_patients([told, own])
        assert batch.find_patients([number, card, resident]) == {number: {"Patient/7"}, resident: {"Patient/7"}}
        batch.put_patients([replace(own, key="Patient/8")])
    with ingest_store.batch(HOSPITAL) as batch:
        assert batch.find_patients([number]) == {number: {"Patient/7", "Patient/8"}}
    with ingest_store.batch("other") as batch:
        assert batch.find_patients([number, resident]) == {}


def test_patient_is_found_by_resident_number_and_by_local_number(
    database: Database, ingest_store: SqlIngestStore, keys: KeyRing
) -> None:
    facts = patient()
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_patients([facts])
    local = local_token(keys, HOSPITAL, "urn:h", "H1")
    with database.read() as conn:
        for token in (resident_token(keys), local):
            (row,) = evidence.find_records(conn, keys, [token, b"\x00" * 32])
            assert (row.institution, row.facts) == (HOSPITAL, facts)
        assert evidence.find_records(conn, keys, [local_token(keys, "other", "urn:h", "H1")]) == []
        assert evidence.find_records(conn, keys, []) == []


def test_record_of_the_same_hospital_number_is_found_beside(
    database: Database, ingest_store: SqlIngestStore, keys: KeyRing
) -> None:
    bare = patient("mr|1", local_id="H1", identifiers=())
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_patients([patient(), bare])
    with ingest_store.batch("other") as batch:
        batch.put_patients([bare])
    with database.read() as conn:
        found = evidence.find_records(conn, keys, [resident_token(keys)])
    assert [row.facts and row.facts.key for row in found] == ["Patient/1", "mr|1"]
    assert {row.institution for row in found} == {HOSPITAL}


def test_corrected_patient_is_found_no_more_by_the_wrong_number(
    database: Database, ingest_store: SqlIngestStore, keys: KeyRing
) -> None:
    newer = replace(
        patient(), identifiers=(PatientIdentifier(RESIDENT, "22010219851123004X"),), version_at=NOON + timedelta(1)
    )
    older = replace(patient(), version_at=NOON)
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_patients([older, newer])
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_patients([older])  # comes late
    with database.read() as conn:
        assert evidence.find_records(conn, keys, [resident_token(keys)]) == []
        (row,) = evidence.find_records(conn, keys, [resident_token(keys, "22010219851123004X")])
    assert row.facts == newer


def test_report_may_come_before_its_patient(database: Database, ingest_store: SqlIngestStore, keys: KeyRing) -> None:
    for step in (lambda batch: batch.index_reports([lab()]), lambda batch: batch.put_patients([patient()])):
        with ingest_store.batch(HOSPITAL) as batch:
            step(batch)
    with database.read() as conn:
        (row,) = evidence.find_records(conn, keys, [resident_token(keys)])
        assert len(evidence.results_of(conn, [row.id], ["718-7"], 0)) == 1


def test_result_is_read_as_it_was_indexed(database: Database, ingest_store: SqlIngestStore) -> None:
    results = (
        result("6.30", reference_range="3.9-6.1", interpretation=("H",), specimen_issues=("haemolysed", "lipaemic")),
        result("5", performed=parse_when("2026-11", NOON.tzinfo), methods=("roche cobas", "e801"), name="血红蛋白"),
        result("7", performed=None, measured=Measured("＜7", "mg", None, "<"), ref="Observation/7"),
        result("8", measured=Measured("132", None, "132")),
        result("9", measured=Measured()),
    )
    incoming = lab("N1", *results)
    with ingest_store.batch(HOSPITAL) as batch:
        batch.index_reports([incoming])
    with database.read() as conn:
        found = [candidate for _, candidate in evidence.results_of(conn, [1], ["718-7"], 0)]
    assert isinstance(incoming.content, LabReport)
    assert {replace(one.head, id=0) for one in found} == {incoming.content.head}
    assert sorted((one.result for one in found), key=str) == sorted(results, key=str)
    assert Decimal("6.30").as_tuple() in {
        one.result.measured.value.as_tuple() for one in found if isinstance(one.result.measured.value, Decimal)
    }


def test_only_what_is_recent_or_undated_is_read(database: Database, ingest_store: SqlIngestStore) -> None:
    with ingest_store.batch(HOSPITAL) as batch:
        batch.index_reports(
            [
                lab("N1", result("1", performed=at(-1)), result("2", performed=at(0)), result("3", performed=None)),
                imaging("E1", performed=at(-1), root="study/1"),
                imaging("E2", performed=at(0), root="study/2"),
                imaging("E3", performed=None, root="study/3"),
            ]
        )
    with database.read() as conn:
        results = evidence.results_of(conn, [1], ["718-7"], to_us(NOON))
        exams = evidence.exams_of(conn, [1], ["CT"], to_us(NOON))
    assert [one.result.measured.reported for _, one in results] == ["2", "3"]
    assert [one.head.number for _, one in exams] == ["E2", "E3"]


def test_result_of_1970_is_not_taken_for_undated(database: Database, ingest_store: SqlIngestStore) -> None:
    with ingest_store.batch(HOSPITAL) as batch:
        batch.index_reports([lab("N1", result("1", performed=parse_when("1970-01-01T00:00:00Z", NOON.tzinfo)))])
    with database.read() as conn:
        assert evidence.results_of(conn, [1], ["718-7"], to_us(NOON)) == []


def test_consents_of_a_record_are_read(database: Database, ingest_store: SqlIngestStore) -> None:
    first = ConsentFacts("Consent/1", "Patient/1", denies=True, from_at=NOON)
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_consents([first, ConsentFacts("Consent/2", "Patient/2", denies=False)])
    with database.read() as conn:
        rows = evidence.consents_of(conn, [1, 2])
        assert evidence.consents_of(conn, [rows[0].record_id]) == rows[:1]
    assert sorted((row.denies, row.from_at, row.to_at) for row in rows if row.denies) == [(True, NOON, None)]
    assert [(row.from_at, row.to_at) for row in rows if not row.denies] == [(None, None)]
    with ingest_store.batch(HOSPITAL) as batch:
        batch.put_consents([replace(first, denies=False)])
    with database.read() as conn:
        assert not any(row.denies for row in evidence.consents_of(conn, [1, 2]))


def test_instances_are_counted_by_series_and_facts(ingest_store: SqlIngestStore) -> None:
    plain = SeriesFacts("1.2", "1.2.1", {"Modality": "CT", "Names": ["李敏"]})
    other = SeriesFacts("1.2", "1.2.1", {"Modality": "MR"}, 2)
    with ingest_store.batch(HOSPITAL) as batch:
        batch.add_instances([plain, plain, other])
    with ingest_store.batch(HOSPITAL) as batch:
        batch.add_instances([plain, replace(plain, study_uid="1.3")])
        assert batch.find_series(["1.2", "1.3", "1.4"]) == {
            "1.2": [replace(plain, instances=3), other],
            "1.3": [replace(plain, study_uid="1.3")],
        }


def test_rejection_waits_until_it_is_resolved_and_again_when_it_recurs(
    database: Database, ingest_store: SqlIngestStore, keys: KeyRing
) -> None:
    with ingest_store.batch(HOSPITAL) as batch:
        document = batch.add_document("application/fhir+json", "a.json", b"{}")
        batch.reject([Rejection(document, "Bundle.entry[3]", "no-subject", "names no subject\x00")])
    with ingest_store.batch(HOSPITAL) as batch:
        batch.reject([Rejection(document, "Bundle.entry[3]", "subject-differs", "names another subject")])
        (waiting,) = batch.waiting_rejections()
        assert (waiting.name, waiting.place, waiting.code) == ("a.json", "Bundle.entry[3]", "subject-differs")
        batch.resolve_rejections([waiting.id])
        assert batch.waiting_rejections() == []
        batch.reject([Rejection(document, "Bundle.entry[3]", "no-subject", "names no subject")])
        assert len(batch.waiting_rejections()) == 1
    with ingest_store.batch("other") as batch:
        assert batch.waiting_rejections() == []
        batch.resolve_rejections([waiting.id])
    with database.read() as conn:
        assert len(rejections.waiting(conn, keys)) == 1


def test_reference_file_of_a_decision_is_found_after_newer_ones(database: Database) -> None:
    with database.write() as conn:
        assert reference_store.current(conn, "network") is None
        assert reference_store.save(conn, "network", "v1", "吉林")
        assert not reference_store.save(conn, "network", "v1", "吉林")
        assert reference_store.save(conn, "catalogue", "v1", "{}")
        assert reference_store.save(conn, "network", "v2", "二")
    with database.read() as conn:
        assert reference_store.current(conn, "network") == ("v2", "二")
        assert reference_store.current_version(conn, "catalogue") == "v1"
        assert reference_store.get(conn, "network", "v1") == "吉林"
        assert reference_store.get(conn, "network", "v3") is None
    with database.write() as conn:  # what was loaded before can be made current again
        assert reference_store.save(conn, "network", "v1", "吉林")
    with database.read() as conn:
        assert reference_store.current(conn, "network") == ("v1", "吉林")
