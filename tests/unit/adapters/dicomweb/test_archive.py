"""Images by DICOMweb, from an archive that misbehaves in one way at a time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest

from adapters.dicomweb import DicomWebArchive, open_archive
from adapters.dicomweb import archive as archive_module
from adapters.dicomweb.questions import Questions, Row
from adapters.transport import GuardedClient
from service.ingest.archive import (
    JPEG_LS_LOSSLESS,
    CannotRender,
    NotHeld,
    Place,
    View,
)
from service.ingest.dicom.rejections import UNREADABLE, Rejections
from service.ingest.source import Fatal, Retriable, Skippable, SourceConfig, SourceError
from tests.support.archives import Instance, ct, rejection_note, sr, two_patients
from tests.support.dicomweb_server import DicomWebServer
from tests.support.pulling import LIMITS

STUDY = ct(n=3, size=8)
FIRST = STUDY[0]
SERIES = Place(FIRST.study_uid, FIRST.series_uid)
ONE = Place(FIRST.study_uid, FIRST.series_uid, FIRST.sop_uid)
ANYBODY: frozenset[str] = frozenset()


@pytest.fixture
def server() -> Iterator[DicomWebServer]:
    with DicomWebServer() as made:
        made.put(STUDY)
        yield made


@contextmanager
def archive_of(server: DicomWebServer, **options: Any) -> Iterator[DicomWebArchive]:
    config = SourceConfig("a", "dicomweb", "h1", server.url, limits=LIMITS, options=options)
    with closing(open_archive(config)) as made:
        yield made


@pytest.fixture
def archive(server: DicomWebServer) -> Iterator[DicomWebArchive]:
    with archive_of(server) as made:
        yield made


def files(archive: DicomWebArchive, place: Place, *syntax: str) -> dict[str, bytes]:
    with archive.instances(place, *syntax) as parts:
        return {one.sop_uid: b"".join(one.chunks) for one in parts}


# -- finding ----------------------------------------------------------------------------------------------------------


def test_study_is_found_under_its_patient_with_its_series(server: DicomWebServer, archive: DicomWebArchive) -> None:
    server.put([sr(STUDY)])
    found = archive.find_study(FIRST.study_uid, frozenset({"A000123", "other"}))
    assert (found.patient_id, found.instances, found.rejections) == ("A000123", 4, Rejections())
    assert {one.series_uid: (one.modality, one.instances) for one in found.series}[FIRST.series_uid] == ("CT", 3)


@pytest.mark.parametrize("ids", [{"A00012"}, {"a000123"}, {""}])
def test_study_of_another_patient_is_not_given(archive: DicomWebArchive, ids: set[str]) -> None:
    with pytest.raises(NotHeld) as refused:
        archive.find_study(FIRST.study_uid, frozenset(ids))
    assert refused.value.code == "other-patient"


def test_absent_study_is_not_held_even_where_the_filter_lets_everything_through(
    server: DicomWebServer, archive: DicomWebArchive
) -> None:
    for ignores in (False, True):
        server.faults.ignores_filter = ignores
        with pytest.raises(NotHeld) as refused:
            archive.find_study("1.2.3", ANYBODY)
        assert refused.value.code == "not-held"


def test_study_under_two_patients_is_ambiguous(server: DicomWebServer, archive: DicomWebArchive) -> None:
    shared = two_patients()
    server.put(shared)
    with pytest.raises(NotHeld) as refused:
        archive.find_study(shared[0].study_uid, frozenset({"A000127"}))
    assert refused.value.code == "ambiguous"


@pytest.mark.parametrize(
    ("availability", "code"), [("OFFLINE", "offline"), ("UNAVAILABLE", "offline"), ("NEARLINE", "")]
)
def test_study_that_is_not_online_is_said_so(
    server: DicomWebServer, archive: DicomWebArchive, availability: str, code: str
) -> None:
    server.faults.availability = availability
    if not code:
        assert archive.find_study(FIRST.study_uid, ANYBODY).availability == availability
        return
    with pytest.raises(NotHeld) as refused:
        archive.find_study(FIRST.study_uid, ANYBODY)
    assert refused.value.code == code


def test_archive_that_answers_again_is_believed_at_the_first_question(
    server: DicomWebServer, archive: DicomWebArchive
) -> None:
    now = [0.0]
    archive._http._breaker._clock = lambda: now[0]
    server.faults.status = {"studies": 503, "series": 503}
    for _ in range(6):
        with pytest.raises(Retriable):
            archive.find_study(FIRST.study_uid, ANYBODY)
    server.faults.status = {}
    now[0] += 60.0  # the breaker lets one question through
    assert len(archive.find_study(FIRST.study_uid, ANYBODY).series) == 1


def test_rejection_notes_are_told(server: DicomWebServer, archive: DicomWebArchive) -> None:
    note = rejection_note(STUDY[:1])
    server.put([note])
    told = archive.find_study(FIRST.study_uid, ANYBODY).rejections
    assert (told.study, dict(told.images), told.notes) == ("", {FIRST.sop_uid: "113001"}, {note.sop_uid})
    server.put([rejection_note(STUDY[:1], "113037")])
    assert archive.find_study(FIRST.study_uid, ANYBODY).rejections.study == "113037"


def test_key_object_selection_that_is_listed_and_not_given_forbids_the_study(
    server: DicomWebServer, archive: DicomWebArchive
) -> None:
    note = rejection_note(STUDY[:1], "113000")
    server.put([note])
    assert not archive.find_study(FIRST.study_uid, ANYBODY).rejections.study
    server.faults.metadata = {note.series_uid: b"[]"}
    assert archive.find_study(FIRST.study_uid, ANYBODY).rejections.study == UNREADABLE


def test_instances_of_a_series_are_all_found_page_by_page(server: DicomWebServer) -> None:
    server.put(ct(n=25, name="long", size=8))
    long = ct(n=25, name="long", size=8)
    with archive_of(server, page=10) as archive:
        found = archive.find_instances(Place(long[0].study_uid, long[0].series_uid))
        assert sorted(one.number or 0 for one in found) == list(range(1, 26))
        assert {one.position for one in found} == {5.0 * k for k in range(1, 26)}
        server.faults.row_limit = 10
        assert len(archive.find_instances(Place(long[0].study_uid, long[0].series_uid))) == 25


@pytest.mark.parametrize(("page", "held"), [(20, 20), (200, 50), (200, 60)])
def test_list_of_an_archive_that_knows_no_paging_is_whole_where_the_archive_counts_as_many(
    server: DicomWebServer, page: int, held: int
) -> None:
    long = ct(n=held, name="long", size=8)
    server.put(long)
    server.faults.ignores_offset = True
    with archive_of(server, page=page) as archive:
        assert len(archive.find_instances(Place(long[0].study_uid, long[0].series_uid))) == held


@pytest.mark.parametrize(("page", "cut"), [(10, 10), (200, 50)])
def test_list_that_is_cut_where_offset_is_ignored_is_not_taken_for_the_whole(
    server: DicomWebServer, page: int, cut: int
) -> None:
    long = ct(n=55, name="long", size=8)
    server.put(long)
    server.faults.row_limit, server.faults.ignores_offset = cut, True
    with archive_of(server, page=page) as archive, pytest.raises(Fatal) as refused:
        archive.find_instances(Place(long[0].study_uid, long[0].series_uid))
    assert refused.value.code == "truncated"


@pytest.mark.parametrize(("written", "number"), [("7", 7), ("-7", -7), ("--7", None), ("9" * 5000, None), ("x", None)])
def test_number_that_is_none_is_left_out_of_a_list(written: str, number: int | None) -> None:
    assert archive_module._held(Row({"00200013": {"vr": "IS", "Value": [written]}})).number == number


def test_list_without_an_end_is_refused() -> None:
    numbers = itertools.count()

    def endless(_: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, json=[{"0020000D": {"vr": "UI", "Value": [f"1.2.{next(numbers)}"]}} for _ in range(10)]
        )

    config = SourceConfig("a", "dicomweb", "h1", "http://127.0.0.1/dicom-web", limits=LIMITS)
    client = GuardedClient(config, network=httpx.MockTransport(endless))
    with closing(client), pytest.raises(Fatal) as refused:
        Questions(client, 10, 20).search("studies")
    assert refused.value.code == "too-many-pages"
    assert next(numbers) < 250


def test_no_wildcard_no_empty_id_and_nothing_encoded_ever_leaves(
    server: DicomWebServer, archive: DicomWebArchive
) -> None:
    for bad in ("", "*", "1.2.*", "1.2\\1.3", "1.2,1.3", "../1.2", "1.2.3?x=1", "张伟", "1..2", "1.02"):
        with pytest.raises((ValueError, SourceError)):
            archive.find_study(bad, ANYBODY)
        with pytest.raises(ValueError, match="not a DICOM UID"):
            Place(FIRST.study_uid, bad)
    assert server.asked == []
    archive.find_study(FIRST.study_uid, ANYBODY)
    assert not any(one in request.path for request in server.asked for one in "%*\\,")


# -- fetching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "count"), [(Place(FIRST.study_uid), 3), (SERIES, 3), (ONE, 1)])
def test_files_come_as_they_are(archive: DicomWebArchive, place: Place, count: int) -> None:
    found = files(archive, place)
    assert found == {one.sop_uid: one.body for one in STUDY[:count]}


def test_pixels_are_asked_for_uncompressed_and_metadata_compressed(
    server: DicomWebServer, archive: DicomWebArchive
) -> None:
    files(archive, ONE)
    with archive.metadata(ONE) as parts:
        list(parts)
    assert [one.headers["accept-encoding"] for one in server.asked] == ["identity", "gzip"]


def test_answer_that_is_compressed_all_the_same_is_read(server: DicomWebServer, archive: DicomWebArchive) -> None:
    server.faults.gzips = True
    assert files(archive, SERIES).keys() == {one.sop_uid for one in STUDY}


def test_what_is_stored_comes_where_the_syntax_cannot_be_given_and_jls_is_never_asked_for(
    server: DicomWebServer, archive: DicomWebArchive
) -> None:
    server.faults.without_syntax = True
    assert files(archive, ONE, JPEG_LS_LOSSLESS) == {FIRST.sop_uid: FIRST.body}
    with archive.frames(ONE, (1,), JPEG_LS_LOSSLESS) as parts:
        assert len(list(parts)) == 1
    assert not any("image/" in one.headers["accept"] for one in server.asked)


def test_a_file_that_comes_alone_is_one_part(server: DicomWebServer, archive: DicomWebArchive) -> None:
    server.faults.plain_file = True
    assert files(archive, ONE) == {FIRST.sop_uid: FIRST.body}


def test_preamble_is_emptied(server: DicomWebServer, archive: DicomWebArchive) -> None:
    server.put([replace(FIRST, body=b"MZ" + b"\x90" * 126 + FIRST.body[128:])])
    assert files(archive, ONE)[FIRST.sop_uid] == FIRST.body


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_instance_of_somebody_else_is_never_given(server: DicomWebServer, archive: DicomWebArchive, level: str) -> None:
    other: Instance = {
        "study": ct("B000999", 1, size=8)[0],
        "series": ct(n=1, size=8, SeriesInstanceUID="1.2.9", SOPInstanceUID="1.2.9.1")[0],
        "instance": STUDY[1],
    }[level]
    server.put([other])
    server.faults.swap = {FIRST.sop_uid: other.sop_uid}
    with pytest.raises(Fatal) as refused:
        files(archive, ONE)
    assert refused.value.code == "wrong-part"


def test_answer_without_an_instance_is_no_answer(server: DicomWebServer, archive: DicomWebArchive) -> None:
    server.faults.body = b"\r\n--a-boundary--\r\n"
    with pytest.raises(NotHeld):
        files(archive, SERIES)


def test_instance_that_comes_twice_is_refused(server: DicomWebServer, archive: DicomWebArchive) -> None:
    server.faults.repeats_part = True
    with pytest.raises(Fatal, match="twice"):
        files(archive, SERIES)


@pytest.mark.parametrize("cut", [20, 400, 1500, -1, -20, -200])
def test_answer_that_is_cut_anywhere_is_never_whole(server: DicomWebServer, archive: DicomWebArchive, cut: int) -> None:
    server.faults.cut = cut
    with pytest.raises(Retriable) as refused:
        files(archive, SERIES)
    assert refused.value.code == "cut-off"


DEFLATED = FIRST.body.replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x16\x001.2.840.10008.1.2.1.99", 1)


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"<html>busy</html>", "not-dicom"), (b" ", "not-dicom"), (FIRST.body[:400], "cut-off"), (DEFLATED, "deflated")],
)
def test_what_is_no_instance_is_not_given(
    server: DicomWebServer, archive: DicomWebArchive, body: bytes, code: str
) -> None:
    server.faults.plain_file, server.faults.body = True, body
    with pytest.raises((Skippable, Retriable)) as refused:
        files(archive, ONE)
    assert refused.value.code == code


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_not_held(server: DicomWebServer, archive: DicomWebArchive, status: int) -> None:
    server.faults.status = {FIRST.sop_uid: status}
    with pytest.raises(NotHeld) as refused:
        files(archive, ONE)
    assert refused.value.code == "not-held"


def test_part_of_a_study_is_incomplete(server: DicomWebServer, archive: DicomWebArchive) -> None:
    server.faults.status = {FIRST.series_uid: 206}
    with pytest.raises(NotHeld) as refused:
        files(archive, SERIES)
    assert refused.value.code == "incomplete"


def test_redirect_is_not_followed(server: DicomWebServer, archive: DicomWebArchive) -> None:
    server.faults.status = {FIRST.sop_uid: 302}
    with pytest.raises(Fatal) as refused:
        files(archive, ONE)
    assert refused.value.code == "redirected"


def test_archive_that_does_not_answer_in_time_is_slow(server: DicomWebServer) -> None:
    server.faults.wait = 2.0
    limits = replace(LIMITS, read_seconds=0.2)
    config = SourceConfig("a", "dicomweb", "h1", server.url, limits=limits)
    with closing(open_archive(config)) as archive, pytest.raises(Retriable) as refused:
        files(archive, ONE)
    assert refused.value.code == "slow"


def test_leaving_half_way_ends_the_transfer_and_the_next_works(archive: DicomWebArchive) -> None:
    for _ in range(8):  # more than there are connections
        with archive.instances(SERIES) as parts:
            next(iter(parts))
    assert len(files(archive, SERIES)) == 3


def test_frames_come_in_order_and_none_is_missing(server: DicomWebServer, archive: DicomWebArchive) -> None:
    with archive.frames(ONE, (2, 1)) as parts:
        told = [b"".join(one.chunks) for one in parts]
    assert told == [f"frame {n} of {FIRST.sop_uid}".encode() for n in (2, 1)]
    server.faults.drops_frames = True
    with pytest.raises(Retriable), archive.frames(ONE, (1, 2)) as parts:
        list(parts)


@pytest.mark.parametrize("numbers", [(), (0,), (1, -2)])
def test_frames_that_cannot_be_are_not_asked_for(archive: DicomWebArchive, numbers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="from 1"), archive.frames(ONE, numbers):
        pass


def test_picture_is_asked_for_as_it_is_wanted(server: DicomWebServer, archive: DicomWebArchive) -> None:
    view = View("image/png", (512, 400), (40.0, 400.0, "LINEAR"), 80)
    with archive.rendered(ONE, 2, view) as parts:
        (only,) = [(one.media, b"".join(one.chunks)) for one in parts]
    assert only == ("image/png", f"a picture of {FIRST.sop_uid}".encode())
    asked = server.asked[-1]
    assert asked.path.endswith("/frames/2/rendered?viewport=512,400&window=40,400,linear&quality=80")
    assert asked.headers["accept"] == "image/png"
    with archive.rendered(ONE, None, View(thumbnail=True)) as parts:
        list(parts)
    assert server.asked[-1].path.endswith(f"{FIRST.sop_uid}/rendered?viewport=200,200")


@pytest.mark.parametrize("status", [400, 404, 406, 415, 500, 501])
def test_archive_that_cannot_draw_says_so_at_once(
    server: DicomWebServer, archive: DicomWebArchive, status: int
) -> None:
    server.faults.status = {"rendered": status}
    with pytest.raises(CannotRender), archive.rendered(ONE, 1, View()):
        pass
    assert len(server.asked) == 1


def test_answer_that_is_no_picture_is_none(server: DicomWebServer, archive: DicomWebArchive) -> None:
    server.faults.kind = "text/html"
    with pytest.raises(CannotRender), archive.rendered(ONE, 1, View("image/jpeg")):
        pass


def test_metadata_has_no_address_of_the_archive(archive: DicomWebArchive) -> None:
    with archive.metadata(SERIES) as parts:
        ((only),) = [b"".join(one.chunks) for one in parts]
    assert len(json.loads(only)) == 3
    assert b"elsewhere" not in only
    assert b"BulkDataURI" not in only


def test_metadata_of_somebody_else_is_refused(server: DicomWebServer, archive: DicomWebArchive) -> None:
    other = ct("B1", 1, size=8)[0]
    server.put([other])
    with archive.metadata(Place(other.study_uid)) as parts:
        server.faults.body = b"".join(next(iter(parts)).chunks)
    with pytest.raises(Fatal) as refused, archive.metadata(ONE):
        pass
    assert refused.value.code == "wrong-part"


def test_metadata_nested_without_end_are_refused(server: DicomWebServer, archive: DicomWebArchive) -> None:
    for depth in (400, 900, 100_000):
        told = json.dumps({tag: {"vr": "UI", "Value": [uid]} for tag, uid in zip(
            ("0020000D", "0020000E", "00080018"), (ONE.study_uid, ONE.series_uid, ONE.sop_uid), strict=True
        )})[:-1]  # fmt: skip
        server.faults.body = f'[{told}, "00400275": {"[" * depth}{"]" * depth}}}]'.encode()
        with suppress(Fatal), archive.metadata(ONE) as parts:
            assert b"".join(next(iter(parts)).chunks).count(b"[") > depth


def test_answer_that_is_no_dicom_json_names_the_mistake(server: DicomWebServer, archive: DicomWebArchive) -> None:
    for body in (b"<html/>", b'{"a":1}', b"[1]"):
        server.faults.body = body
        with pytest.raises(Fatal) as refused:
            archive.find_study(FIRST.study_uid, ANYBODY)
        assert refused.value.code == "not-dicomweb"
        assert "DICOMweb root" in refused.value.message


def test_probe_is_one_question_with_no_answer(server: DicomWebServer, archive: DicomWebArchive) -> None:
    archive.probe()
    assert len(server.asked) == 1
    server.close()
    with pytest.raises(Retriable):
        archive.probe()


def test_unknown_option_is_refused(server: DicomWebServer) -> None:
    with pytest.raises(Fatal, match="no_such"), archive_of(server, no_such=1):
        pass
    with pytest.raises(Fatal, match="page is 0"), archive_of(server, page=0):
        pass
