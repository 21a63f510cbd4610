"""What others wrote loads whole, on both databases: each ends as accepted, ignored or rejected with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from service.ingest.pipeline import Loader
from service.reference.catalogue_file import package_catalogue
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from tests.support.fhir import NETWORK, House, bundle, document, observation, orders, patient, report
from tests.support.ingest_memory import SAMPLES

FHIR = SAMPLES / "fhir-r4"
needs_samples = pytest.mark.skipif(not FHIR.is_dir(), reason=f"the samples are not beside the repository ({FHIR.name})")


@pytest.fixture
def loader(ingest_store: SqlIngestStore) -> Loader:
    return Loader(ingest_store, "h1", package_catalogue(), NETWORK)


def resources_in(folder: Path) -> int:
    """Resources as a reader that knows nothing of ours counts them."""
    found = 0
    for path in folder.rglob("*.json"):
        body = json.loads(path.read_bytes())
        found += len(body["entry"]) if body["resourceType"] == "Bundle" else 1
    return found


@needs_samples
@pytest.mark.slow
@pytest.mark.parametrize("folder", ["us-core", "test-cases", "mii-labor", "synthea"])
def test_every_resource_of_the_samples_is_accounted_for(loader: Loader, folder: str) -> None:
    counts = loader.load_paths([FHIR / folder])
    assert sum(counts.outcomes.values()) == resources_in(FHIR / folder)
    assert {code for (_, what, code) in counts.reasons if what == "rejected"} <= {"no-subject"}
    again = loader.load_paths([FHIR / folder])
    assert (again.total("new"), again.total("updated"), dict(again.reports)) == (0, 0, {})


@needs_samples
def test_haemolysed_and_lipaemic_words_of_us_core_are_found() -> None:
    (path,) = FHIR.glob("us-core/Specimen-example-serum-hemolyzed.json")
    specimen = json.loads(path.read_bytes())
    one = observation(specimen={"reference": f"Specimen/{specimen['id']}"})
    house = House()
    house.load(bundle(report(), one, {**specimen, "subject": {"reference": "Patient/p1"}}))
    assert house.result.specimen_issues == ("lipaemic",)


@pytest.mark.slow
def test_every_dicom_file_that_comes_with_pydicom_is_read_or_refused(loader: Loader) -> None:
    pydicom = pytest.importorskip("pydicom")
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    counts = loader.load_paths([folder])
    assert counts.files == len(files)
    assert sum(n for (kind, _), n in counts.outcomes.items() if kind != "file") >= len(files)
    assert counts.total("new") > 50
    again = loader.load_paths([folder])
    assert (again.total("new"), again.total("updated"), dict(again.reports)) == (0, 0, {})


def test_any_order_of_files_leaves_the_same_current_reports(database: Database, ingest_store: SqlIngestStore) -> None:
    taken = {"resourceType": "Specimen", "id": "s1", "collection": {"collectedDateTime": "2026-11-20T07:00:00+08:00"}}
    parts = [patient(), report(), observation(specimen={"reference": "Specimen/s1"}), taken]
    seen = set()
    for n, order in enumerate(orders(parts)):
        institution = f"h{n}"
        loader = Loader(ingest_store, institution, package_catalogue(), NETWORK)
        for one in document(*order):
            loader.load([one])
        with database.read() as conn:
            query = text(
                "SELECT r.item, r.performed, r.reported, r.value, p.number FROM result r"
                " JOIN report p ON p.id = r.report_id WHERE p.institution = :i"
            )
            seen.add(tuple(tuple(row) for row in conn.execute(query, {"i": institution})))
    assert seen == {(("718-7", "2026-11-20T07:00:00+08:00", "132", "132", "r1"),)}
