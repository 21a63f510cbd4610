"""DICOMweb against a real Orthanc, with what its Debian version breaks (research: imaging, 2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from adapters.dicomweb import DicomWebArchive, open_archive, open_source
from service.domain.report import ImagingExam
from service.ingest.archive import JPEG_LS_LOSSLESS, CannotRender, NotHeld, Place, View
from service.ingest.pipeline import document_of
from service.ingest.source import Cursor, Pulled, SourceConfig
from tests.support import archives
from tests.support.archives import Instance, bodies, ct, dx_two_sides, named, rejection_note, save, sr, us_cine
from tests.support.fhir import House
from tests.support.orthanc import PASSWORD, USER, Orthanc
from tests.support.pulling import LIMITS

pytestmark = pytest.mark.slow

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime.now(ZONE)
DAY = f"{NOW:%Y%m%d}"
ON = dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate"), DAY)


def config(server: Orthanc) -> SourceConfig:
    return SourceConfig(
        "a", "dicomweb", "h1", server.url, zone=ZONE, limits=LIMITS, credentials="basic",
        secrets={"username": USER, "password": PASSWORD}, options={"settle_seconds": 0},
    )  # fmt: skip


def pull(server: Orthanc, house: House, cursor: Cursor | None = None) -> list[Pulled]:
    with closing(open_source(config(server))) as source:
        given = list(source.pull(cursor))
    for record in (one for pulled in given for one in pulled.records):
        assert record.problem is None
        house.loader.load([document_of(record.media, "", record.body)])
    return given


def exams(house: House) -> dict[str, ImagingExam]:
    found = {one.study_uid or "": one for one in house.reports.values() if isinstance(one, ImagingExam)}
    assert len(found) == len(house.reports)
    return found


@pytest.fixture
def archive(empty_orthanc: Orthanc) -> Iterator[DicomWebArchive]:
    with closing(open_archive(config(empty_orthanc))) as made:
        yield made


def place(one: Instance) -> Place:
    return Place(one.study_uid, one.series_uid, one.sop_uid)


def test_studies_sent_by_modalities_are_pulled_with_sides_names_and_counts(
    empty_orthanc: Orthanc, tmp_path: Path
) -> None:
    chest, knees, cine = ct(n=5, size=16, **ON), dx_two_sides(size=16, **ON), us_cine(frames=2, size=16, **ON)
    empty_orthanc.store(save(tmp_path, [*chest, *knees, *cine]))
    house = House()
    pull(empty_orthanc, house)
    found = exams(house)
    assert found[chest[0].study_uid].instance_count == 5
    assert [(one.modality, one.region, one.contrast) for one in found[chest[0].study_uid].parts] == [
        ("CT", "CHEST", "without")
    ]
    assert {one.laterality for one in found[knees[0].study_uid].parts} == {"L", "R"}
    assert house.store.of("h1").patients["mr|A000123"].names == ("张伟",)


@pytest.mark.parametrize(
    ("label", "codec"), [("GB18030", "gb18030"), ("ISO_IR 192", "utf-8"), ("ISO_IR 100", "gbk"), ("", "gbk")]
)
def test_names_are_right_whatever_the_header_declares(empty_orthanc: Orthanc, label: str, codec: str) -> None:
    empty_orthanc.upload(bodies(named("胸部CT平扫", label, codec, **ON)))
    house = House()
    pull(empty_orthanc, house)
    assert house.store.of("h1").patients["mr|A000126"].names == ("张伟",)
    assert [one.region for one in house.exam.parts] == ["CHEST"]


def test_changes_since_are_taken_and_nothing_else(empty_orthanc: Orthanc) -> None:
    study, other = ct(n=3, size=16, **ON), ct("A000200", 2, size=16, **ON)
    empty_orthanc.upload(bodies(study[:2], other))
    house = House()
    cursor = pull(empty_orthanc, house)[-1].cursor
    assert sum(len(one.records) for one in pull(empty_orthanc, house, cursor)) == 0
    empty_orthanc.upload(bodies(study[2:], [sr(study, **ON)]))
    changed = pull(empty_orthanc, house, cursor)
    assert sum(len(one.records) for one in changed) == 2
    assert exams(house)[study[0].study_uid].instance_count == 4
    empty_orthanc.upload([rejection_note(study, **ON).body])
    empty_orthanc.delete("studies", other[0].study_uid)
    after = pull(empty_orthanc, house, changed[-1].cursor)
    assert [one.is_deletion for pulled in after for one in pulled.records].count(True) == 1
    listed = [one.listing.keys for one in after if one.listing and one.listing.scope == f"studies/{NOW.date()}"]
    assert not any(other[0].study_uid in key for key in listed[0])


def test_one_study_uid_under_two_patients_is_read_and_a_conflict(
    empty_orthanc: Orthanc, archive: DicomWebArchive
) -> None:
    shared = archives.two_patients()
    redated = [pydicom.dcmread(BytesIO(one.body)) for one in shared]
    for one in redated:
        one.StudyDate = DAY
    empty_orthanc.upload(_written(one) for one in redated)
    with empty_orthanc.client() as client:
        assert client.get(f"/dicom-web/studies/{shared[0].study_uid}/metadata").status_code == 404
    house = House()
    pull(empty_orthanc, house)
    assert house.exam.subject_conflict
    with pytest.raises(NotHeld) as refused:
        archive.find_study(shared[0].study_uid, frozenset({shared[0].patient_id}))
    assert refused.value.code == "ambiguous"


def test_queries_are_not_decoded_there_so_only_plain_keys_may_leave(empty_orthanc: Orthanc) -> None:
    """Why the adapter asks as it does; an Orthanc that decodes them makes this fail, and the rule could go."""
    empty_orthanc.upload(bodies(ct(n=1, size=16, PatientName="ZHANG^WEI")))
    with empty_orthanc.client() as client:
        raw, encoded = (client.get(f"/dicom-web/studies?PatientName=ZHANG{one}").json() for one in ("*", "%2A"))
        assert (len(raw), len(encoded)) == (1, 0)
        assert client.get("/dicom-web/studies?BodyPartExamined=CHEST").json() == []


def test_originals_come_whole_and_smaller_without_loss(empty_orthanc: Orthanc, archive: DicomWebArchive) -> None:
    study = ct(n=4, size=64)
    empty_orthanc.upload(bodies(study))
    series = Place(study[0].study_uid, study[0].series_uid)
    with archive.instances(series) as parts:
        assert {one.sop_uid: b"".join(one.chunks) for one in parts} == {one.sop_uid: one.body for one in study}
    with archive.instances(place(study[0]), JPEG_LS_LOSSLESS) as parts:
        ((syntax, body),) = [(one.transfer_syntax, b"".join(one.chunks)) for one in parts]
    assert syntax == JPEG_LS_LOSSLESS
    assert len(body) < len(study[0].body) / 2
    assert len(archive.find_instances(series)) == 4
    assert archive.find_study(study[0].study_uid, frozenset({"A000123"})).instances == 4


def test_frames_and_pictures_are_drawn_there(empty_orthanc: Orthanc, archive: DicomWebArchive) -> None:
    (cine,) = us_cine(frames=5, size=32)
    empty_orthanc.upload([cine.body])
    with archive.frames(place(cine), (2, 5)) as parts:
        frames = [b"".join(one.chunks) for one in parts]
    pixels = pydicom.dcmread(BytesIO(cine.body)).PixelData
    assert frames == [pixels[32 * 32 * n : 32 * 32 * (n + 1)] for n in (1, 4)]
    for view in (View("image/png", (16, 16)), View("image/jpeg", thumbnail=True), View(window=(128, 256, "LINEAR"))):
        with archive.rendered(place(cine), 2, view) as parts:
            ((media, body),) = [(one.media, b"".join(one.chunks)) for one in parts]
        picture = Image.open(BytesIO(body))
        assert Image.MIME[picture.format or ""] == media == view.media
    for frame in (0, 6):
        with pytest.raises(CannotRender), archive.rendered(place(cine), frame, View()):
            pass


def test_what_it_cannot_draw_comes_as_it_is(empty_orthanc: Orthanc, archive: DicomWebArchive) -> None:
    study = ct(n=1, size=16)
    compressed = pydicom.dcmread(BytesIO(study[0].body))
    compressed.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(40)])
    compressed["PixelData"].VR = "OB"
    compressed.file_meta.TransferSyntaxUID = JPEG2000Lossless
    report = sr(study)
    empty_orthanc.upload([_written(compressed), report.body])
    for one in (study[0], report):
        with pytest.raises(CannotRender), archive.rendered(place(one), 1, View()):
            pass
    with archive.instances(place(study[0]), JPEG_LS_LOSSLESS) as parts:
        ((syntax, body),) = [(one.transfer_syntax, b"".join(one.chunks)) for one in parts]
    assert syntax == JPEG2000Lossless
    assert body == _written(compressed)


def test_metadata_tells_no_address(empty_orthanc: Orthanc, archive: DicomWebArchive) -> None:
    study = ct(n=2, size=16)
    empty_orthanc.upload(bodies(study))
    with archive.metadata(Place(study[0].study_uid)) as parts:
        (body,) = [b"".join(one.chunks) for one in parts]
    assert len(json.loads(body)) == 2
    assert b"http" not in body


def test_check_finds_it_ready(empty_orthanc: Orthanc) -> None:
    empty_orthanc.upload(bodies(ct(n=2, size=16, **dict.fromkeys(ON, f"{NOW - timedelta(days=1):%Y%m%d}"))))
    with closing(open_source(config(empty_orthanc))) as source:
        assert source.check().is_ready


def _written(data: pydicom.Dataset) -> bytes:
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
