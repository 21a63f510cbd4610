"""Records become documents with their bytes untouched, and one that is broken spoils no neighbour."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from service.ingest.fhir_r4.document import read_json
from service.ingest.source import DICOM_JSON, FHIR_JSON, RawRecord
from service.pulling.packing import pack, tombstones, too_large


def fhir(number: int, body: bytes | None = None) -> RawRecord:
    return RawRecord(
        f"Observation/o{number}", FHIR_JSON, body or b'{"resourceType":"Observation","id":"o%d","v": 6.30 }' % number
    )


def test_fhir_resources_stand_side_by_side_in_the_bytes_they_came_in() -> None:
    (one,) = pack([fhir(1), fhir(2)], "source")
    assert (one.media, one.records, one.problem) == (FHIR_JSON, 2, None)
    assert [found.raw for found in read_json(one.body).resources] == [fhir(1).body, fhir(2).body]


def test_a_broken_resource_is_a_document_of_its_own_and_the_order_stays() -> None:
    packed = pack([fhir(1), fhir(2, b'{"resourceType":"Observation","id":"o2"},{"x":{}'), fhir(3)], "source")
    assert [one.records for one in packed] == [1, 1, 1]
    assert read_json(packed[0].body).resources[0].ref == "Observation/o1"
    assert read_json(packed[2].body).resources[0].ref == "Observation/o3"


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6))
def test_no_bytes_make_a_neighbour_vanish(bodies: list[bytes]) -> None:
    records = [fhir(0), *(fhir(n, body) for n, body in enumerate(bodies, 1)), fhir(99)]
    packed = pack(records, "source")
    assert sum(one.records for one in packed) == len(records)
    found = {one.ref for each in packed if each.media == FHIR_JSON for one in read_json(each.body).resources}
    assert {"Observation/o0", "Observation/o99"} <= found


def test_a_deletion_is_kept_as_the_source_said_it_or_as_a_history_says_it() -> None:
    said = b'{"request":{"method":"DELETE","url":"Observation/o1"},"response":{"lastModified":"2026-11-01T08:00:00Z"}}'
    (one,) = pack(
        [
            RawRecord("Observation/o1", FHIR_JSON, said, is_deletion=True),
            RawRecord("Observation/o2", FHIR_JSON, b"gone", is_deletion=True),
        ],
        "s",
    )
    found = read_json(one.body).resources
    assert [(each.ref, each.raw, each.modified_at) for each in found] == [
        ("Observation/o1", None, "2026-11-01T08:00:00Z"),
        ("Observation/o2", None, None),
    ]


def test_what_its_adapter_could_not_use_stands_alone_with_the_reason() -> None:
    bad = RawRecord("Patient/1", FHIR_JSON, b"{}", problem=("no-id", "the resource has no id"))
    assert [one.problem for one in pack([fhir(1), bad], "source")] == [None, "no-id|the resource has no id"]


def test_records_of_other_media_are_documents_of_their_own() -> None:
    series = RawRecord("series/1.2/3.4", DICOM_JSON, b"[]")
    assert [(one.media, one.body) for one in pack([series, series], "source")] == [(DICOM_JSON, b"[]")] * 2


def test_many_small_records_are_split_at_some_megabytes() -> None:
    body = b'{"resourceType":"Observation","id":"o1","note":"%b"}' % (b"x" * 1_000_000)
    assert [one.records for one in pack([fhir(n, body) for n in range(9)], "source")] == [4, 4, 1]


def test_a_record_that_is_too_large_keeps_its_beginning_and_the_limit_that_refused_it() -> None:
    large = too_large(fhir(1, b"x" * 200_000), 100_000)
    assert large.problem is not None
    assert (large.problem[0], len(large.body)) == ("too-large", 65_536)
    assert "100000" in large.problem[1]
    assert too_large(fhir(1), 100_000) == fhir(1)


def test_what_listings_miss_is_deleted_in_the_words_of_its_standard() -> None:
    at = datetime(2026, 11, 22, 8, tzinfo=UTC)
    resource, series = tombstones({"Patient/p1": at, "series/1.2/3.4": at})
    assert (resource.media, resource.is_deletion, series.media, series.is_deletion) == (
        FHIR_JSON,
        True,
        DICOM_JSON,
        True,
    )
    assert read_json(pack([resource], "s")[0].body).resources[0].modified_at == "2026-11-22T08:00:00.000+00:00"
    assert b'"1.2/3.4"' in series.body


def test_what_a_record_holds_is_not_in_its_repr() -> None:
    shown = repr(RawRecord("Patient/22010219851123004X", FHIR_JSON, "李敏".encode()))
    assert "2201" not in shown
    assert "\\x" not in shown
