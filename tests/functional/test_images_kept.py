"""Which way images take: from the source that has them, compressed over a slow link, kept for a while, gone in time."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from service.domain.person import PatientFacts, PatientIdentifier
from service.ingest.archive import JPEG_LS_LOSSLESS, ORIGINAL, HeldInstance, Place
from service.registry import retrievals
from service.registry.ingest_store import SqlIngestStore
from service.registry.retrievals import add_retrieval, link_speed, retrieval_times
from tests.support.fake_archive import FakeArchive
from tests.support.imaging_world import SOURCE, ImagingWorld, chest, index, note_again, serve_images
from tests.support.parting import part, records_of
from tests.support.serving import ISSUER, NUMBER, OTHER, REQUESTER, RESIDENT, assert_problem

SLICES = chest()
ANY = 'multipart/related; type="application/dicom"; transfer-syntax=*'
SECOND = "city-second"


def picture(imaging: ImagingWorld, n: int = 0, institution: str = REQUESTER) -> Any:
    return imaging.ask(imaging.path("rendered", sop=SLICES[n].sop_uid), institution)


def opened_before(imaging: ImagingWorld, **more: Any) -> None:
    """An opening of the past."""
    now = imaging.parts.database.now_us()
    row = {
        "id": more.pop("id", 999), "source": SOURCE, "requester": REQUESTER, "decision_id": None, "study_uid": "1.2",
        "started_at": now - 60_000_000, "bytes": 0, "streamed_bytes": 0, "streamed_us": 0, "outcome": "given", **more,
    }  # fmt: skip
    with imaging.parts.database.write() as conn:
        add_retrieval(conn, row)


@pytest.mark.parametrize(
    ("mbits", "accept", "syntax"),
    [
        (8.0, ANY, JPEG_LS_LOSSLESS),
        (100.0, ANY, ORIGINAL),
        (8.0, ANY.replace("*", "1.2.840.10008.1.2.1"), "1.2.840.10008.1.2.1"),
    ],
)
def test_originals_over_a_slow_link_come_compressed_where_any_form_will_do(
    imaging: ImagingWorld, mbits: float, accept: str, syntax: str
) -> None:
    imaging.decide()
    size = 16 * 1024 * 1024
    opened_before(imaging, streamed_bytes=size, streamed_us=int(size * 8 / mbits))
    imaging.ask(imaging.path(), Accept=accept)
    assert imaging.archive.syntaxes == [syntax]


def test_what_is_kept_goes_in_time_also_where_nobody_asks_for_pictures_any_more(imaging: ImagingWorld) -> None:
    imaging.decide()
    assert picture(imaging).status_code == 200
    kept = files(imaging)
    tidy_up(imaging)
    assert files(imaging) == kept != []
    for one in kept:
        os.utime(one, (1, 1))
    tidy_up(imaging)
    assert files(imaging) == []


def files(imaging: ImagingWorld) -> list[Path]:
    return [one for one in (imaging.settings.home / "images").rglob("*") if one.is_file()]


def tidy_up(imaging: ImagingWorld) -> None:
    """What the served application does of itself, once."""
    imaging.parts.images._room.pictures._cache._swept = 0.0  # a minute later

    async def once() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(imaging.parts.images.keep_tidy(), 0.3)

    imaging.client.run(once())


def test_little_tells_nothing_of_a_link(imaging: ImagingWorld) -> None:
    opened_before(imaging, streamed_bytes=1000, streamed_us=1_000_000)
    with imaging.parts.database.read() as conn:
        assert link_speed(conn, REQUESTER, 0, 1001) is None
        assert link_speed(conn, REQUESTER, 0, 1000) == 1000.0
        assert link_speed(conn, OTHER, 0, 1) is None


def test_times_of_a_source_are_those_that_half_and_nearly_all_were_below(imaging: ImagingWorld) -> None:
    for n in range(1, 101):
        opened_before(imaging, id=n, first_image_us=n * 10_000, outcome="given" if n > 2 else "images-gone")
    with imaging.parts.database.read() as conn:
        found = retrieval_times(conn, 0)[SOURCE]
        assert retrieval_times(conn, imaging.parts.database.now_us()) == {}
    assert found["firstImage"] == {"count": 100, "p50": 0.5, "p95": 0.95}
    assert found["outcomes"] == {"given": 98, "images-gone": 2}
    assert "complete" not in found
    assert retrievals._at([7_000_000], 0.95) == 7.0


def test_second_source_gives_what_the_first_has_not(imaging: ImagingWorld) -> None:
    second = FakeArchive(list(SLICES))
    archives = imaging.parts.images._room.lines._archives
    archives.by_name[SECOND] = second  # type: ignore[attr-defined]
    note_again(imaging.parts, [imaging.study], source=SECOND)
    imaging.decide()
    imaging.archive.not_held = "not-held"
    assert picture(imaging).status_code == 200
    assert second.count("rendered") == 1
    (opened,) = imaging.audited("images:study:opened")
    assert SECOND in opened.detail
    assert imaging.audited("images:study:refused") == []
    imaging.decide()  # one of two is enough


def test_same_study_of_a_hospital_that_was_not_offered_is_not_opened(imaging: ImagingWorld) -> None:
    """A copy under the same UID at a third hospital: its archive is not asked by the right to the first's."""
    index(imaging.parts, SLICES, source="third-archive", institution=OTHER)
    imaging.decide()
    assert picture(imaging).status_code == 200
    (opened,) = imaging.audited("images:study:opened")
    assert f'"holder":"{ISSUER}"' in opened.detail


@pytest.mark.parametrize(("moved", "status"), [(0, 200), (5000, 404)])
def test_corrected_report_keeps_the_images_open_unless_it_is_another_patients_now(
    imaging: ImagingWorld, moved: int, status: int
) -> None:
    imaging.decide()
    assert picture(imaging).status_code == 200
    with imaging.parts.database.write() as conn:
        columns = "institution, number, kind, ref, root, status, rank, received_at, digest, head, body"
        conn.exec_driver_sql("UPDATE report SET state = 'superseded' WHERE kind = 'imaging'")
        conn.exec_driver_sql(
            f"INSERT INTO report ({columns}, id, version, state, record_id) "
            f"SELECT {columns}, id + 5000, version + 1, 'current', record_id + {moved} FROM report "
            "WHERE kind = 'imaging'"
        )
        conn.exec_driver_sql(f"UPDATE exam SET report_id = report_id + 5000, record_id = record_id + {moved}")
    assert picture(imaging).status_code == status


def test_what_is_kept_is_given_only_after_the_same_checks(imaging: ImagingWorld) -> None:
    imaging.decide()
    assert picture(imaging).status_code == 200
    kept = imaging.settings.home / "images"
    assert [one for one in kept.rglob("*") if one.is_file()]
    imaging.parts.images._room.checks._known.clear()  # the minute is over
    imaging.archive.not_held = "rejected"
    assert_problem(picture(imaging), 409, "images-rejected")
    assert [one for one in kept.rglob("*") if one.is_file()] == []
    assert_problem(picture(imaging, institution=OTHER), 404, "not-found")


def test_kept_study_whose_reports_were_withdrawn_goes_though_nobody_asks_for_it(imaging: ImagingWorld) -> None:
    imaging.decide()
    assert picture(imaging).status_code == 200
    pictures = imaging.parts.images._room.pictures
    abouts = [about for one in pictures._cache._folders() if (about := pictures._cache._about(one)) is not None]
    assert pictures._may_stay(abouts) == set(abouts) != set()
    with imaging.parts.database.write() as conn:
        conn.exec_driver_sql("UPDATE report SET state = 'retired'")
    assert pictures._may_stay(abouts) == set()


def test_image_that_nobody_can_show_is_told_with_why(imaging: ImagingWorld) -> None:
    imaging.decide()
    imaging.archive.renders = False
    broken = next(one for one in imaging.archive.instances_ if one.sop_uid == SLICES[0].sop_uid)
    at = imaging.archive.instances_.index(broken)
    cut = broken.body[:-4000]
    imaging.archive.instances_[at] = type(broken)(
        broken.patient_id, broken.study_uid, broken.series_uid, broken.sop_uid, broken.sop_class, cut
    )
    body = assert_problem(picture(imaging), 406, "cannot-show")
    assert body["detail"].endswith("(unreadable-pixels)")
    assert picture(imaging, 1).status_code == 200


def test_first_picture_waits_for_no_list_of_its_series(imaging: ImagingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    imaging.decide()
    is_first_given, listed = threading.Event(), imaging.archive.find_instances

    def find_instances(place: Place) -> tuple[HeldInstance, ...]:
        assert is_first_given.wait(10)
        return listed(place)

    monkeypatch.setattr(imaging.archive, "find_instances", find_instances)
    assert picture(imaging).status_code == 200
    is_first_given.set()
    assert_problem(imaging.ask(imaging.path("frames", "2", "rendered", sop=SLICES[1].sop_uid)), 404, "not-found")
    assert imaging.archive.count("list") == 1


def test_instance_whose_header_was_withdrawn_is_looked_for_in_the_archive(imaging: ImagingWorld) -> None:
    imaging.decide()
    with imaging.parts.database.write() as conn:
        conn.exec_driver_sql("DELETE FROM resource WHERE ref LIKE 'dicom/%'")
    assert picture(imaging).status_code == 200
    assert imaging.archive.asked.index("list") < imaging.archive.asked.index("rendered")


@pytest.mark.slow
def test_images_are_opened_and_found_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    with serve_images(tmp_path / "home", postgres_url, SLICES) as imaging:
        imaging.decide()
        assert picture(imaging).status_code == 200
        for key in (f"PatientID={NUMBER}", "AccessionNumber=ACC1", f"StudyInstanceUID={imaging.study}"):
            assert len(imaging.ask(f"/dicomweb/studies?{key}").json()) == 1
        assert picture(imaging, institution=OTHER).status_code == 404
        imaging.parts.journal.submit(lambda _conn: None)
        with imaging.parts.database.read() as conn:
            assert retrieval_times(conn, 0)[SOURCE]["firstImage"]["count"] == 1
            assert link_speed(conn, REQUESTER, 0, 1) is None


def test_images_close_with_the_decision_and_open_with_the_one_in_its_place(imaging: ImagingWorld) -> None:
    parts = imaging.parts
    person = (PatientIdentifier(RESIDENT, NUMBER, "RI"), PatientIdentifier("urn:county", "Z9", "MR"))
    with SqlIngestStore(parts.database, parts.keys).batch(REQUESTER) as batch:
        batch.put_patients([PatientFacts("Patient/z9", "Z9", ("李敏",), "1949-12-31", "female", person)])
    imaging.decide()
    assert picture(imaging).status_code == 200
    (here,) = records_of(parts.database, REQUESTER)
    _, marked = part(parts.database, [{here}, set(records_of(parts.database, ISSUER))])
    assert len(marked) == 1
    assert_problem(picture(imaging), 404, "not-found")
    (one,) = parts.reach.run()  # nothing else was said of them: the same question finds the same records again
    assert picture(imaging).status_code == 200
    assert one.superseded_by is not None
    assert one.superseded_by in imaging.audited("images:study:opened")[-1].detail
