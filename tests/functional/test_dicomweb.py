"""DICOMweb over images that a hospital's archive holds: who may open what, in which form, and what is written down."""

from __future__ import annotations

import asyncio
import io
import threading
from dataclasses import replace
from email.parser import BytesParser
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from service.ingest.dicom.rejections import Rejections
from service.ingest.source import Retriable
from service.security.caller import Role
from tests.support.fake_archive import of_patient
from tests.support.imaging_world import SOURCE, ImagingWorld, chest, index
from tests.support.serving import ISSUER, NUMBER, OTHER, REQUESTER, assert_problem, refuse_at

RELATED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
SLICES = chest()


def parts_of(answer: Any) -> list[tuple[str, bytes]]:
    """The parts of a multipart answer."""
    assert answer.status_code == 200, answer.text
    head = b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n\r\n"
    message = BytesParser().parsebytes(head + answer.content)
    return [(one["content-type"], one.get_payload(decode=True)) for one in message.get_payload()]  # type: ignore[union-attr]


def picture(answer: Any) -> np.ndarray[Any, Any]:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_study_is_opened_by_whom_a_decision_offered_it(imaging: ImagingWorld) -> None:
    assert_problem(imaging.ask(imaging.path()), 404, "not-found")
    imaging.decide()
    found = parts_of(imaging.ask(imaging.path(), Accept=RELATED))
    assert [body for _, body in found] == [one.body for one in SLICES]
    assert {kind for kind, _ in found} == {"application/dicom; transfer-syntax=1.2.840.10008.1.2.1"}


def test_own_study_is_opened_without_a_decision(imaging: ImagingWorld) -> None:
    assert len(parts_of(imaging.ask(imaging.path(), ISSUER))) == 4


def test_others_see_nothing_anywhere(imaging: ImagingWorld) -> None:
    imaging.decide()
    series = f"series/{imaging.series}"
    for path in ("", "/metadata", f"/{series}", f"/{series}/rendered", "/series"):
        answer = imaging.ask(f"{imaging.path()}{path}", OTHER)
        absent = imaging.ask(f"/dicomweb/studies/1.2.9{path}", OTHER)
        assert (answer.status_code, answer.content) == (absent.status_code, absent.content)
        assert answer.status_code in (204, 404)
    assert imaging.archive.asked == []


def test_decision_named_must_be_the_callers_own_and_offer_it(imaging: ImagingWorld) -> None:
    mine = imaging.decide()
    assert imaging.ask(f"{imaging.path('metadata')}?decision={mine}").status_code == 200
    other = imaging.match("58410-2")["decisionId"]
    for wrong in (other, "x", mine[:-1] + ("0" if mine[-1] != "0" else "1")):
        assert_problem(imaging.ask(f"{imaging.path('metadata')}?decision={wrong}"), 404, "not-found")


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.STEWARD])
def test_roles_that_treat_nobody_open_nothing(imaging: ImagingWorld, role: Role) -> None:
    assert_problem(imaging.ask(imaging.path(), ISSUER, role), 403, "not-permitted")
    assert_problem(imaging.ask("/dicomweb/studies?PatientID=1", ISSUER, role), 403, "not-permitted")


def test_without_a_token_nothing_is_said(imaging: ImagingWorld) -> None:
    assert_problem(imaging.client.get(imaging.path()), 401, "not-authenticated")


@pytest.mark.parametrize(("state", "kind"), [("superseded", 404), ("identity-invalidated", 404)])
def test_decision_that_stands_no_more_opens_nothing(imaging: ImagingWorld, state: str, kind: int) -> None:
    decided = imaging.decide()
    with imaging.parts.database.write() as conn:
        conn.exec_driver_sql(f"UPDATE decision SET state = '{state}' WHERE id = '{decided}'")
    assert imaging.ask(imaging.path()).status_code == kind


def test_report_withdrawn_since_takes_the_images_with_it(imaging: ImagingWorld) -> None:
    imaging.decide()
    assert imaging.ask(imaging.path("metadata")).status_code == 200
    with imaging.parts.database.write() as conn:
        conn.exec_driver_sql("UPDATE report SET state = 'retired'")
    assert_problem(imaging.ask(imaging.path("metadata")), 404, "not-found")


def test_refusal_to_share_since_takes_the_images_away(imaging: ImagingWorld) -> None:
    imaging.decide()
    with imaging.parts.database.write() as conn:
        conn.exec_driver_sql(
            "INSERT INTO consent (institution, ref, record_id, denies) "
            "SELECT institution, 'Consent/' || id, id, 1 FROM patient_record WHERE institution = 'city-hospital'"
        )
    assert_problem(imaging.ask(imaging.path("metadata")), 404, "not-found")
    assert imaging.ask(imaging.path("metadata"), ISSUER).status_code == 200


def test_refusal_at_a_hospital_that_had_no_record_then_takes_the_images_away(imaging: ImagingWorld) -> None:
    imaging.decide()
    assert imaging.ask(imaging.path("metadata")).status_code == 200
    refuse_at(imaging.parts, OTHER)
    assert_problem(imaging.ask(imaging.path("metadata")), 404, "not-found")
    assert imaging.ask(f"/dicomweb/studies?StudyInstanceUID={imaging.study}").status_code == 204
    assert imaging.ask(imaging.path("metadata"), ISSUER).status_code == 200


def test_forms_of_originals(imaging: ImagingWorld) -> None:
    imaging.decide()
    one = SLICES[1]
    single = imaging.ask(imaging.path(sop=one.sop_uid), Accept="application/dicom; transfer-syntax=*")
    assert single.content == one.body
    assert single.headers["content-type"].startswith("application/dicom")
    assert len(parts_of(imaging.ask(imaging.path(sop=one.sop_uid)))) == 1
    assert len(parts_of(imaging.ask(imaging.path("series", imaging.series), Accept="*/*"))) == 4
    assert imaging.archive.syntaxes == ["*", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1"]
    for accept in ("application/dicom", 'multipart/related; type="image/jpeg"', "text/html", "*/*;q=0"):
        assert_problem(imaging.ask(imaging.path(), Accept=accept), 406, "not-acceptable")


def test_frames_are_the_stored_values(imaging: ImagingWorld) -> None:
    imaging.decide()
    one = SLICES[0]
    expected = pydicom.dcmread(io.BytesIO(one.body)).PixelData
    path = imaging.path("frames", "1", sop=one.sop_uid)
    ((kind, body),) = parts_of(imaging.ask(path))
    assert (kind, body) == ("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1", expected)
    assert imaging.ask(path, Accept="application/octet-stream").content == expected
    assert_problem(imaging.ask(imaging.path("frames", "2", sop=one.sop_uid)), 404, "not-found")
    for wrong in ("0", "-1", "1,", "x", "1-2", "1,1"):
        assert_problem(imaging.ask(imaging.path("frames", wrong, sop=one.sop_uid)), 400, "invalid-input")


@pytest.mark.parametrize("renders", [True, False])
def test_picture_by_the_archive_or_by_us_is_the_same(imaging: ImagingWorld, renders: bool) -> None:
    imaging.decide()
    imaging.archive.renders = renders
    path = imaging.path("rendered", sop=SLICES[0].sop_uid)
    drawn = picture(imaging.ask(f"{path}?window=40,400,linear&viewport=32,32", Accept="image/png"))
    assert drawn.shape == (32, 32)
    assert (imaging.archive.count("instances") == 0) is renders
    again = picture(imaging.ask(f"{path}?window=40,400,linear&viewport=32,32", Accept="image/png"))
    assert (drawn == again).all()
    assert imaging.archive.count("rendered") == 1  # the second was kept


def test_series_whose_pictures_are_drawn_here_is_fetched_once(imaging: ImagingWorld) -> None:
    imaging.decide()
    imaging.archive.renders = False
    picture(imaging.ask(imaging.path("rendered", sop=SLICES[0].sop_uid)))
    imaging.client.run(asyncio.sleep(0.3))
    assert imaging.archive.count("instances") == 2  # the one wanted, then the series
    for one in SLICES[1:]:
        picture(imaging.ask(imaging.path("rendered", sop=one.sop_uid)))
    assert imaging.archive.count("instances") == 2
    assert clocks(imaging) == (True, True, False)  # what was fetched ahead was given to nobody


def test_pictures_at_each_level(imaging: ImagingWorld) -> None:
    imaging.decide()
    for path in (
        imaging.path("series", imaging.series, "rendered"), imaging.path("rendered", sop=SLICES[0].sop_uid),
        imaging.path("frames", "1", "rendered", sop=SLICES[0].sop_uid),
    ):  # fmt: skip
        answer = imaging.ask(path)
        assert answer.headers["content-type"] == "image/jpeg"
        assert picture(answer).shape == (64, 64)
        assert max(picture(imaging.ask(path.replace("rendered", "thumbnail"))).shape) == 128
    assert_problem(imaging.ask(imaging.path("frames", "1,2", "rendered", sop=SLICES[0].sop_uid)), 400, "invalid-input")


def test_view_that_is_not_understood_is_refused(imaging: ImagingWorld) -> None:
    imaging.decide()
    for query in ("window=1", "viewport=0,1", "quality=101", "annotation=patient", "window=1,2&window=40,400"):
        path = f"{imaging.path('rendered', sop=SLICES[0].sop_uid)}?{query}"
        assert_problem(imaging.ask(path), 400, "invalid-input")


def test_metadata_is_passed_on(imaging: ImagingWorld) -> None:
    imaging.decide()
    answer = imaging.ask(imaging.path("metadata"), Accept="application/dicom+json")
    assert answer.headers["content-type"] == "application/dicom+json"
    assert {one["00080018"]["Value"][0] for one in answer.json()} == {one.sop_uid for one in SLICES}
    assert_problem(imaging.ask(imaging.path("metadata"), Accept="application/dicom+xml"), 406, "not-acceptable")


def test_storing_is_refused(imaging: ImagingWorld) -> None:
    answer = imaging.client.post("/dicomweb/studies", content=b"x", headers=imaging.headers())
    assert_problem(answer, 405, "method-not-allowed")


def test_what_is_no_uid_names_nothing(imaging: ImagingWorld) -> None:
    for path in ("1.2..3", "../1", "1.2.3%2F..", "a" * 70, "*", "1.02"):
        assert imaging.ask(f"/dicomweb/studies/{path}").status_code == 404
    assert imaging.archive.asked == []


def test_series_and_instance_of_another_study_are_not_opened_through_one_that_may_be(imaging: ImagingWorld) -> None:
    imaging.decide()
    secret = chest(2, "secret", patient_id="S1", PatientName="王^五", PatientBirthDate="19700101")
    imaging.archive.instances_ += secret
    index(imaging.parts, secret)
    series = f"/dicomweb/studies/{imaging.study}/series/{secret[0].series_uid}"
    instance = f"{series}/instances/{secret[0].sop_uid}"
    mixed = imaging.path(sop=secret[0].sop_uid)
    for path in (
        series,
        f"{series}/metadata",
        f"{series}/rendered",
        instance,
        f"{mixed}/rendered",
        f"{mixed}/frames/1",
    ):
        assert_problem(imaging.ask(path), 404, "not-found")
    assert {"rendered", "instances", "frames", "metadata"}.isdisjoint(imaging.archive.asked)


# --- what the archive says when it is asked again --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "status", "kind", "state"),
    [
        ({"patient_id": "X9"}, 409, "other-patient", "other-patient"),
        ({"availability": "OFFLINE"}, 409, "images-offline", "offline"),
        ({"rejections": Rejections(study="113037")}, 409, "images-rejected", "rejected"),
        ({"instances": 3}, 409, "images-incomplete", "incomplete"),
    ],
)
def test_study_that_is_not_as_it_was_is_refused_and_the_next_match_knows(
    imaging: ImagingWorld, says: dict[str, object], status: int, kind: str, state: str
) -> None:
    imaging.decide()
    imaging.archive.study_says = says
    assert_problem(imaging.ask(imaging.path()), status, kind)
    found = imaging.match("CT.CHEST")["orders"][0]["candidates"]
    (one,) = [one for one in found if one["report"] != "DiagnosticReport/2"]
    assert "images-unavailable" in {reason["code"] for reason in one["reasons"]}
    (refused,) = imaging.audited("images:study:refused")
    assert kind in refused.detail
    assert imaging.archive.count("instances") == 0


def test_study_that_is_right_again_is_opened_again(imaging: ImagingWorld) -> None:
    imaging.decide()
    imaging.archive.not_held = "ambiguous"
    assert_problem(imaging.ask(imaging.path()), 409, "other-patient")
    imaging.archive.not_held = ""
    assert imaging.ask(imaging.path()).status_code == 200
    imaging.decide()


def test_archive_that_lost_the_study_says_gone(imaging: ImagingWorld) -> None:
    imaging.decide()
    imaging.archive.instances_.clear()
    assert_problem(imaging.ask(imaging.path()), 410, "images-gone")


def test_study_whose_instances_are_another_patients_in_the_archive_is_refused(imaging: ImagingWorld) -> None:
    imaging.decide()
    imaging.archive.instances_ = of_patient(SLICES, "X9")
    assert_problem(imaging.ask(imaging.path()), 409, "other-patient")


def test_archive_that_does_not_answer_is_told_with_when_to_come_again(imaging: ImagingWorld) -> None:
    imaging.decide()
    imaging.archive.error = Retriable("unreachable", "secret-host refused", retry_after=7)
    answer = imaging.ask(imaging.path())
    body = assert_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "7"
    assert "secret-host" not in body["detail"]
    assert SOURCE in body["detail"]


def test_study_is_looked_at_once_a_minute(imaging: ImagingWorld) -> None:
    imaging.decide()
    for _ in range(3):
        imaging.ask(imaging.path("metadata"))
    assert imaging.archive.count("study") == 1


def test_viewers_that_open_a_study_with_many_requests_at_once_open_it_once(imaging: ImagingWorld) -> None:
    imaging.decide()
    paths = [imaging.path("rendered", sop=one.sop_uid) for one in SLICES] * 3
    answers = imaging.client.get_all(paths, headers=imaging.headers())
    assert {one.status_code for one in answers} == {200}
    assert imaging.archive.count("study") == 1
    assert len(imaging.audited("images:study:opened")) == 1
    with imaging.parts.database.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM image_retrieval").scalar_one() == 1


def test_instance_that_took_the_place_of_another_is_given_and_the_other_not(imaging: ImagingWorld) -> None:
    imaging.decide()
    gone, new = SLICES[0], replace(SLICES[0], sop_uid=f"{SLICES[0].series_uid}.7")
    listed = imaging.path("series", imaging.series, "instances")
    assert gone.sop_uid in imaging.ask(listed).text
    imaging.archive.instances_ = [new, *SLICES[1:]]
    imaging.parts.images._room.checks._known.clear()  # the minute is over, and the caller goes on
    assert imaging.ask(imaging.path("rendered", sop=new.sop_uid)).status_code == 200
    assert_problem(imaging.ask(imaging.path("rendered", sop=gone.sop_uid)), 404, "not-found")
    assert gone.sop_uid not in imaging.ask(listed).text


def test_picture_that_is_kept_of_an_instance_that_is_gone_is_given_to_nobody(imaging: ImagingWorld) -> None:
    imaging.decide()
    gone, new = SLICES[0], replace(SLICES[0], sop_uid=f"{SLICES[0].series_uid}.7")
    assert imaging.ask(imaging.path("rendered", sop=gone.sop_uid)).status_code == 200
    imaging.archive.instances_ = [new, *SLICES[1:]]
    imaging.parts.images._room.checks._known.clear()  # the minute is over
    assert_problem(imaging.ask(imaging.path("rendered", sop=gone.sop_uid)), 404, "not-found")


def test_answer_that_breaks_off_never_looks_whole(imaging: ImagingWorld) -> None:
    imaging.decide()
    imaging.archive.chunk = 100_000
    imaging.archive.cut_after = (0, Retriable("cut-off", "gone"))
    assert_problem(imaging.ask(imaging.path("rendered", sop=SLICES[0].sop_uid)), 503, "unavailable")
    sent = told(imaging, imaging.path())
    assert [one["type"] for one in sent].count("http.response.start") == 1
    assert sent[-1]["more_body"] is True
    assert not sent[-1]["body"].endswith(b"--\r\n")
    assert imaging.archive.open_now == 0


def test_caller_who_goes_away_ends_the_transfer(imaging: ImagingWorld) -> None:
    imaging.decide()
    imaging.archive.instances_ *= 50  # more than fits into one piece
    sent = told(imaging, imaging.path(), leaves_after=2)
    assert len(sent) < 50
    imaging.client.run(asyncio.sleep(0.1))  # a piece that is being read is waited for, though not by the caller
    assert imaging.archive.open_now == 0
    assert imaging.ask(imaging.path("metadata")).status_code == 200  # its place is free again


def test_picture_that_nobody_waits_for_any_more_is_not_drawn(imaging: ImagingWorld) -> None:
    imaging.decide()
    imaging.archive.hold = threading.Event()
    paths = [imaging.path("rendered", sop=one.sop_uid) for one in SLICES] * 5
    for path in paths:
        assert told(imaging, path, leaves_after=0, accept="image/jpeg")[0]["status"] == 499
    imaging.archive.hold.set()
    assert imaging.ask(paths[0]).status_code == 200  # a viewer that scrolled on does not wait for what it left
    assert imaging.archive.open_now == 0
    assert imaging.archive.count("rendered") <= 3  # two were on their way


def told(
    imaging: ImagingWorld, path: str, leaves_after: int | None = None, accept: str = RELATED
) -> list[dict[str, Any]]:
    """What the application sends; the caller leaves after so many messages."""
    authorization = imaging.headers()["Authorization"].encode()
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "method": "GET", "path": path, "raw_path": path.encode(),
        "query_string": b"", "scheme": "http", "server": ("test", 80), "client": ("test", 1), "http_version": "1.1",
        "headers": [(b"authorization", authorization), (b"accept", accept.encode())],
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def call() -> None:
        left = asyncio.Event()
        asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            if (first := next(asked, None)) is not None:
                return first
            if leaves_after == 0:
                await asyncio.sleep(0.02)
                left.set()
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if leaves_after is not None and len(sent) >= leaves_after:
                left.set()
                await asyncio.sleep(0.01)

        await imaging.client.app(scope, receive, send)

    imaging.client.run(call())
    return sent


# --- what is written down --------------------------------------------------------------------------------------------


def test_opening_is_audited_before_a_pixel_leaves(imaging: ImagingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    decided = imaging.decide()

    def refuse(*_: object) -> None:
        raise RuntimeError("no audit")

    with monkeypatch.context() as broken:
        broken.setattr(imaging.parts.audit, "append", refuse)
        assert imaging.ask(imaging.path()).status_code == 500
        assert imaging.archive.count("instances") == 0
    imaging.ask(imaging.path())
    imaging.ask(imaging.path("metadata"))
    (opened,) = imaging.audited("images:study:opened")
    assert (opened.institution, opened.actor) == (REQUESTER, "dr-wang")
    assert opened.subject.startswith("Report/")
    assert decided in opened.detail
    assert imaging.study not in opened.detail
    assert NUMBER not in opened.detail


def test_own_opening_is_audited_too(imaging: ImagingWorld) -> None:
    imaging.ask(imaging.path(), ISSUER)
    (opened,) = imaging.audited("images:study:opened")
    assert opened.subject.startswith("ImageHolding/")


def test_three_clocks_and_what_was_given(imaging: ImagingWorld) -> None:
    imaging.decide()
    picture(imaging.ask(imaging.path("rendered", sop=SLICES[0].sop_uid)))
    assert clocks(imaging) == (True, False, False)
    for one in SLICES[1:]:
        picture(imaging.ask(imaging.path("rendered", sop=one.sop_uid)))
    assert clocks(imaging) == (True, True, False)
    parts_of(imaging.ask(imaging.path(), Accept=RELATED))
    assert clocks(imaging) == (True, True, True)
    imaging.parts.images.close()
    imaging.parts.journal.submit(lambda _conn: None)
    (given,) = imaging.audited("images:study:given")
    assert '"originals":4' in given.detail
    assert '"shown":4' in given.detail
    times = retrieval_times(imaging)
    assert times[SOURCE]["count"] == 1
    assert times[SOURCE]["outcomes"] == {"given": 1}
    assert times[SOURCE]["bytes"] > sum(len(one.body) for one in SLICES)
    for clock in ("firstImage", "keySeries", "complete"):
        assert 0 <= times[SOURCE][clock]["p50"] <= times[SOURCE][clock]["p95"] < 30


def clocks(imaging: ImagingWorld) -> tuple[bool, ...]:
    imaging.parts.journal.submit(lambda _conn: None)
    with imaging.parts.database.read() as conn:
        row = conn.exec_driver_sql("SELECT first_image_us, key_series_us, complete_us FROM image_retrieval").one()
    return tuple(one is not None for one in row)


def retrieval_times(imaging: ImagingWorld) -> dict[str, Any]:
    from service.registry.retrievals import retrieval_times as times

    with imaging.parts.database.read() as conn:
        return times(conn, 0)


def test_nothing_of_a_patient_stands_in_the_folder_of_kept_images(imaging: ImagingWorld) -> None:
    imaging.decide()
    imaging.archive.renders = False
    picture(imaging.ask(imaging.path("rendered", sop=SLICES[0].sop_uid)))
    folder = imaging.settings.home / "images"
    files = [one for one in folder.rglob("*") if one.is_file()]
    assert len(files) >= 3  # the picture, the original, whose they are; perhaps the rest of the series
    for one in files:
        body = one.read_bytes()
        assert one.stat().st_mode & 0o077 == 0
        assert all(secret.encode() not in body for secret in (imaging.study, NUMBER, "DICM", "PNG", "JFIF"))
        assert imaging.study not in str(one)
