"""However a hospital's resources are ordered, cut into files and repeated, the same reports are known."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from service.ingest.pipeline import Document
from tests.support.fhir import House, observation, patient, report

Json = dict[str, Any]


def dated(resource: Json, day: int, **more: Any) -> Json:
    return {**resource, "meta": {"lastUpdated": f"2026-11-{day:02d}T00:00:00Z"}, **more}


def specimen(id: str, **more: Any) -> Json:
    return {"resourceType": "Specimen", "id": id, "collection": {"collectedDateTime": "2026-11-19"}, **more}


def study(**more: Any) -> Json:
    uid = {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3.4"}
    return {"resourceType": "ImagingStudy", "id": "s", "status": "available", "identifier": [uid],
            "subject": {"reference": "Patient/p1"}, "endpoint": [{"reference": "Endpoint/e"}], **more}  # fmt: skip


IMAGING = {
    "category": [{"coding": [{"code": "RAD"}]}],
    "result": None,
    "imagingStudy": [{"reference": "ImagingStudy/s"}],
}
POOL = [
    patient(),
    dated(report("a", ["Observation/1", "Observation/2"]), 1, status="preliminary"),
    dated(report("a", ["Observation/1", "Observation/3"]), 2),
    dated(report("b", ["Observation/panel"]), 1, specimen=[{"reference": "Specimen/y"}]),
    dated(report("b", ["Observation/panel"]), 3, status="entered-in-error"),
    dated(observation("1", value=1), 1, specimen={"reference": "Specimen/x"}),
    dated(observation("1", value=2), 2, status="corrected"),
    dated(observation("2", "777-3"), 1),
    dated(observation("3", "6690-2", subject={"reference": "Patient/other"}), 1),
    dated(observation("panel", hasMember=[{"reference": "Observation/m"}]), 1),
    dated(observation("m", "789-8"), 1),
    dated(observation("alone", "718-7"), 1, specimen={"reference": "Specimen/x"}),
    dated(specimen("x"), 1),
    dated(specimen("x", condition=[{"text": "溶血"}]), 2),
    dated(specimen("y"), 1),
    dated(report("img", **IMAGING), 1),
    dated(report("img", **IMAGING, status="cancelled"), 4),
    dated(study(), 1),
    dated(study(status="cancelled"), 2),
    {"resourceType": "Endpoint", "id": "e", "status": "active", "address": "https://pacs"},
]


def loaded(files: list[list[Json]]) -> House:
    house = House()
    for n, resources in enumerate(files):
        lines = "\n".join(json.dumps(one) for one in resources)
        house.loader.load([Document("ndjson", f"{n}.ndjson", lines.encode())])
    return house


@given(st.data())
@settings(deadline=None, max_examples=80)
def test_order_cuts_and_repetition_change_nothing(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(POOL), unique_by=json.dumps, min_size=1))
    shuffled = data.draw(st.permutations(chosen))
    repeated = [*shuffled, *data.draw(st.lists(st.sampled_from(chosen), max_size=4))]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(repeated)), max_size=5)))
    files = [repeated[a:b] for a, b in zip([0, *cuts], [*cuts, len(repeated)], strict=True) if a < b]
    assert loaded(files).reports == loaded([chosen]).reports


_KEYS = st.sampled_from(
    ["code", "coding", "reference", "system", "value", "start", "text", "id", "contained", "resourceType"]
)
_ELEMENTS = st.sampled_from(
    [
        "id",
        "status",
        "code",
        "subject",
        "result",
        "hasMember",
        "component",
        "valueQuantity",
        "valueString",
        "meta",
        "issued",
        "effectiveDateTime",
        "effectivePeriod",
        "specimen",
        "collection",
        "identifier",
        "series",
        "endpoint",
        "performer",
        "referenceRange",
        "interpretation",
        "note",
        "contained",
        "method",
        "device",
        "basedOn",
        "category",
        "name",
    ]
)
_PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False)
)
_JSON = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=8
)


@given(st.sampled_from(POOL), st.dictionaries(_ELEMENTS, _JSON, min_size=1, max_size=4))
@settings(deadline=None, max_examples=200)
def test_any_shape_ends_counted_and_costs_no_neighbour(resource: Json, noise: Json) -> None:
    house = House()
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": {**resource, **noise}}, {"resource": patient("neighbour")}],
    }
    counts = house.load(bundle)
    assert sum(counts.outcomes.values()) == 2
    assert "Patient/neighbour" in house.store.of("h1").patients


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.integers(0, 200), st.integers(0, 200))
@settings(deadline=None, max_examples=200)
def test_damaged_documents_are_rejected_or_read_never_a_crash(noise: bytes, at: int, cut: int) -> None:
    whole = json.dumps({"resourceType": "Bundle", "entry": [{"resource": patient()}]}).encode()
    House().load(whole[:at] + noise + whole[at + cut :])
