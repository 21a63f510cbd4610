"""Small FHIR resources for tests, and a loader over a store in memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from service.domain.codes import LOINC, UCUM
from service.domain.network import Institution, Network
from service.domain.report import ImagingExam, ItemResult, LabReport
from service.ingest.counts import LoadCounts
from service.ingest.pipeline import Document, Loader
from service.reference.catalogue_file import package_catalogue
from tests.support.ingest_memory import MemoryStore

USCC = "91350100M000100Y43"
NETWORK = Network(
    "test",
    "Asia/Shanghai",
    institutions=(
        Institution("h1", "第一医院", "220200"),
        Institution("h2", "第二医院", "220200", uscc=USCC),
    ),
)
Json = dict[str, Any]


def observation(id: str = "o1", loinc: str = "718-7", value: Any = 132, unit: str = "g/L", **more: Any) -> Json:
    """A final haemoglobin of Patient/p1."""
    made: Json = {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": loinc}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-11-20T08:00:00+08:00",
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
    }
    return _without_none({**made, **more})


def report(id: str = "r1", results: Iterable[str] = ("Observation/o1",), **more: Any) -> Json:
    """A final laboratory report of Patient/p1."""
    made: Json = {
        "resourceType": "DiagnosticReport",
        "id": id,
        "status": "final",
        "category": [{"coding": [{"code": "LAB"}]}],
        "code": {"coding": [{"system": LOINC, "code": "58410-2"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-11-20T09:00:00+08:00",
        "issued": "2026-11-20T12:00:00+08:00",
        "result": [{"reference": one} for one in results],
    }
    return _without_none({**made, **more})


def patient(id: str = "p1", **more: Any) -> Json:
    """A patient with a hospital number."""
    number = {"type": {"coding": [{"code": "MR"}]}, "system": "urn:h1", "value": "000123"}
    return {"resourceType": "Patient", "id": id, "identifier": [number], **more}


def bundle(*resources: Json, **more: Any) -> Json:
    """A collection of resources, without fullUrls."""
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources], **more}


def document(*given: Json | bytes, format: str = "json") -> list[Document]:
    """Each given thing as a document of its own."""
    bodies = (one if isinstance(one, bytes) else json.dumps(one, ensure_ascii=False).encode() for one in given)
    return [Document(format, f"{n}.json", body) for n, body in enumerate(bodies)]


class House:
    """One institution's loader over a store in memory."""

    def __init__(self, network: Network = NETWORK, institution: str = "h1") -> None:
        self.store = MemoryStore()
        self.institution = institution
        self.loader = Loader(self.store, institution, package_catalogue(), network)

    def load(self, *given: Json | bytes) -> LoadCounts:
        """Loads all in one batch."""
        return self.loader.load(document(*given))

    def load_apart(self, *given: Json | bytes) -> list[LoadCounts]:
        """Loads each in a batch of its own."""
        return [self.loader.load([one]) for one in document(*given)]

    @property
    def reports(self) -> dict[str, LabReport | ImagingExam]:
        """The current reports by number."""
        return self.store.current(self.institution)

    @property
    def report(self) -> LabReport:
        """The only current report."""
        (only,) = self.reports.values()
        assert isinstance(only, LabReport)
        return only

    @property
    def exam(self) -> ImagingExam:
        """The only current exam."""
        (only,) = self.reports.values()
        assert isinstance(only, ImagingExam)
        return only

    @property
    def result(self) -> ItemResult:
        """The only result of the only report."""
        (only,) = self.report.results
        return only

    @property
    def rejected(self) -> list[tuple[str, str]]:
        """Place and code of what waits."""
        return [(one.place, one.code) for one in self.store.of(self.institution).rejected]


def read(*given: Json | bytes) -> House:
    """A house into which `given` was loaded."""
    house = House()
    house.load(*given)
    return house


def orders(given: list[Json]) -> Iterable[list[Json]]:
    """Every order in which files can come."""
    return (list(one) for one in itertools.permutations(given))


def _without_none(given: Json) -> Json:
    return {key: value for key, value in given.items() if value is not None}
