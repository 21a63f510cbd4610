"""A real archive by DIMSE: what was stored with C-STORE is pulled, followed, and fetched."""

from __future__ import annotations

import json
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.dimse import open_archive, open_receiver
from adapters.dimse.peer import read_peer
from adapters.dimse.source import DimseSource
from service.ingest.archive import NotHeld, Place
from service.ingest.dicom.header import read_dicom
from service.ingest.dicom.json_model import DicomJson, read_dicom_json
from service.ingest.source import Cursor, Limits, Pulled, RawRecord, SourceConfig
from tests.support.archives import Instance, bodies, ct, dx_two_sides, named, rejection_note, save, sr, two_patients
from tests.support.orthanc import AET, REGISTRY_AET, Orthanc, free_port

pytestmark = pytest.mark.slow
NOW = datetime(2026, 11, 20, 4, tzinfo=UTC)
LIMITS = Limits(connections=3, requests_per_second=100_000.0)


def config(orthanc: Orthanc, **options: Any) -> SourceConfig:
    address = f"dicom://{AET}@127.0.0.1:{orthanc.dicom_port}"
    given = {"since": "2026-11-17", "calling_aet": REGISTRY_AET, **options}
    return SourceConfig("pacs", "dimse", "h1", address, limits=LIMITS, options=given)


def pull(given: SourceConfig, cursor: Cursor | None = None) -> list[Pulled]:
    with closing(DimseSource(read_peer(given), lambda: NOW)) as source:
        return list(source.pull(cursor))


def records(batches: list[Pulled]) -> dict[str, RawRecord]:
    return {one.key: one for batch in batches for one in batch.records}


def read(record: RawRecord) -> DicomJson:
    found = read_dicom_json(record.body, UTC)
    assert not found.problems
    return found


def key(images: list[Instance]) -> str:
    return f"series/{images[0].study_uid}/{images[0].series_uid}"


@pytest.fixture
def held(empty_orthanc: Orthanc) -> Orthanc:
    """The archive with a CT, both knees, a report and two mislabelled names."""
    empty_orthanc.upload(bodies(CT, DX, [REPORT], GBK, UTF8))
    return empty_orthanc


CT, DX = ct("A000123", 20, size=64, ContrastBolusAgent="碘海醇"), dx_two_sides()
REPORT = sr(CT)
GBK, UTF8 = named("胸部CT增强", "ISO_IR 100", "gbk", "A1"), named("头颅CT平扫", "ISO_IR 192", "utf-8", "A2")


def test_check_says_that_it_is_ready_and_shows_records(held: Orthanc) -> None:
    with closing(DimseSource(read_peer(config(held)), lambda: NOW)) as source:
        found = source.check()
        source.probe()
    assert found.is_ready
    assert found.software.startswith("OFFIS_DCMTK")
    assert 0 < len(found.sample) <= 20
    assert all(one.problem is None for one in found.sample)


def test_stored_studies_come_with_the_facts_of_their_headers(held: Orthanc) -> None:
    batches = pull(config(held))
    found = records(batches)
    assert found.keys() >= {key(CT), key(DX), key([REPORT]), key(GBK), key(UTF8)}
    slices = [dict(one.facts) for _, one in read(found[key(CT)]).instances]
    assert len(slices) == 20
    assert all(one == slices[0] for one in slices)
    assert (slices[0]["ContrastBolusAgent"], slices[0]["SliceThickness"]) == ("碘海醇", "5")
    assert sorted(str(one.facts["Laterality"]) for _, one in read(found[key(DX)]).instances) == ["L", "R"]
    listing = next(one.listing for one in batches if one.scope == "studies/2026-11-18" and one.listing)
    assert listing.keys >= found.keys()
    assert max(filter(None, (one.watermark for one in batches))) == datetime(2026, 11, 18, 10, 15, tzinfo=UTC)


def test_series_by_dimse_has_the_facts_of_its_files(held: Orthanc) -> None:
    """The same, whichever way it comes: else one exam would look like two."""
    found = records(pull(config(held)))
    for images in (CT, DX, GBK, UTF8):
        given = {one.sop_uid: one for _, one in read(found[key(images)]).instances}
        for image in images:
            file = read_dicom(image.body)
            assert dict(given[image.sop_uid].facts) == dict(file.facts)
            assert given[image.sop_uid].patient_names == file.patient_names
            assert given[image.sop_uid].study_started == file.study_started


def test_second_pull_reads_only_what_changed(empty_orthanc: Orthanc, tmp_path: Path) -> None:
    images = ct("B1", 4, "grows", size=16)
    empty_orthanc.store(save(tmp_path, images[:3]))
    first = pull(config(empty_orthanc))
    assert len(read(records(first)[key(images)]).instances) == 3
    assert not records(pull(config(empty_orthanc), first[-1].cursor))
    empty_orthanc.upload([images[3].body, rejection_note(images[:1]).body])
    second = pull(config(empty_orthanc), json.loads(json.dumps(first[-1].cursor)))
    found = read(records(second)[key(images)])
    assert (len(found.instances), found.rejected) == (4, {images[0].sop_uid: "113001"})
    empty_orthanc.delete("studies", images[0].study_uid)
    third = pull(config(empty_orthanc), second[-1].cursor)
    assert all(key(images) not in one.listing.keys for one in third if one.listing)


def test_study_under_two_patients_is_refused(empty_orthanc: Orthanc) -> None:
    both = two_patients()
    empty_orthanc.upload(bodies(both))
    found = records(pull(config(empty_orthanc)))
    problems = {one.problem[0] for one in found.values() if one.problem}
    assert problems == {"two-patients"}
    assert not any(one.problem is None and not one.is_deletion for one in found.values())
    with closing(open_archive(config(empty_orthanc))) as archive, pytest.raises(NotHeld) as told:
        archive.find_study(both[0].study_uid, frozenset())
    assert told.value.code == "ambiguous"


@pytest.mark.parametrize("how", ["get", "move"])
def test_images_come_as_they_were_stored(empty_orthanc: Orthanc, how: str) -> None:
    empty_orthanc.upload(bodies(CT, [REPORT]))
    port = free_port()
    empty_orthanc.send_registry_to(port)
    more = {"retrieve": how, "receive_port": port, "receive_host": "127.0.0.1", "receive_aet": REGISTRY_AET}
    with closing(open_archive(config(empty_orthanc, **more))) as archive:
        study = archive.find_study(CT[0].study_uid, frozenset({"A000123"}))
        assert (study.instances, {one.modality for one in study.series}) == (21, {"CT", "SR"})
        assert {one.position for one in archive.find_instances(Place(*_series(CT)))} == {5.0 * n for n in range(1, 21)}
        with archive.instances(Place(CT[0].study_uid)) as parts:
            files = {part.sop_uid: b"".join(part.chunks) for part in parts}
        assert files.keys() == {one.sop_uid for one in [*CT, REPORT]}
        assert all(files[one.sop_uid][-8192:] == one.body[-8192:] for one in CT), "not a pixel differs"
        with archive.frames(Place(*_series(CT), CT[4].sop_uid), (1,)) as parts:
            assert [b"".join(part.chunks) for part in parts] == [CT[4].body[-8192:]]
        with archive.metadata(Place(*_series(CT), CT[0].sop_uid)) as parts:
            ((_, one),) = read_dicom_json(b"".join(next(parts).chunks), UTC).instances
        assert one.sop_uid == CT[0].sop_uid


def test_pushed_study_is_kept_and_then_acknowledged(empty_orthanc: Orthanc, tmp_path: Path) -> None:
    images = ct("B2", 5, "pushed", size=16)
    empty_orthanc.upload(bodies(images))
    kept: list[RawRecord] = []
    port = free_port()
    empty_orthanc.send_registry_to(port)
    given = config(empty_orthanc, receive_port=port, receive_host="127.0.0.1", receive_aet=REGISTRY_AET)
    with open_receiver(given, kept.append), empty_orthanc.client() as client:
        answer = client.post("/modalities/registry/store", json={"Resources": client.get("/studies").json()})
        assert answer.json()["FailedInstancesCount"] == 0
    assert {one.key for one in kept} == {f"instance/{one.sop_uid}" for one in images}
    assert all(read_dicom(one.body).patient_id == "B2" for one in kept)


def test_series_comes_without_the_wait_for_delayed_acknowledgements(empty_orthanc: Orthanc) -> None:
    """Research measured 12 to 19 instances a second where each message waits 40 ms for its acknowledgement."""
    images = ct("B3", 60, "quick", size=64)
    empty_orthanc.upload(bodies(images))
    with closing(open_archive(config(empty_orthanc))) as archive:
        started = time.perf_counter()
        with archive.instances(Place(*_series(images))) as parts:
            assert sum(1 for _ in parts) == 60
        assert time.perf_counter() - started < 60 * 0.04


def _series(images: list[Instance]) -> tuple[str, str]:
    return images[0].study_uid, images[0].series_uid
