"""Images by C-GET and C-MOVE from an archive that does not do what it should."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from adapters.dimse import open_archive
from adapters.dimse.archive import DimseArchive
from service.ingest.archive import CannotRender, HeldInstance, NotHeld, Place, View
from service.ingest.dicom.rejections import Rejections
from service.ingest.source import Fatal, Limits, Retriable, SourceConfig, SourceError
from tests.support.archives import Instance, ct, rejection_note, two_patients, us_cine
from tests.support.dimse_peer import AET, DimsePeer, Faults
from tests.support.orthanc import free_port

pytestmark = pytest.mark.slow
LIMITS = Limits(connections=3, requests_per_second=100_000.0, connect_seconds=2.0, read_seconds=1.0, answer_seconds=5.0)


@pytest.fixture(scope="module")
def standing() -> Iterator[DimsePeer]:
    with DimsePeer() as made:
        yield made


@pytest.fixture
def peer(standing: DimsePeer) -> DimsePeer:
    standing.faults = Faults()
    standing.instances.clear()
    standing.cancelled.clear()
    standing.sent = 0
    return standing


@pytest.fixture
def archive(peer: DimsePeer) -> Iterator[DimseArchive]:
    with closing(opened(peer)) as made:
        yield made


def opened(peer: DimsePeer, limits: Limits = LIMITS, **options: Any) -> DimseArchive:
    address = f"dicom://{AET}@127.0.0.1:{peer.port}"
    return open_archive(SourceConfig("pacs", "dimse", "h1", address, limits=limits, options=options))


def series_of(images: list[Instance]) -> Place:
    return Place(images[0].study_uid, images[0].series_uid)


def fetch(archive: DimseArchive, place: Place) -> dict[str, bytes]:
    with archive.instances(place) as parts:
        return {part.sop_uid: b"".join(part.chunks) for part in parts}


def test_study_comes_whole_with_its_series_side_by_side(peer: DimsePeer, archive: DimseArchive) -> None:
    images = ct("A1", 4)
    more = ct("A1", 3, "more", StudyInstanceUID=images[0].study_uid)
    peer.put(images + more)
    found = fetch(archive, Place(images[0].study_uid))
    assert found.keys() == {one.sop_uid for one in images + more}
    assert all(body[:132] == b"\0" * 128 + b"DICM" for body in found.values())
    assert all(one.sop_uid.encode() in found[one.sop_uid] for one in images)


def test_instances_are_listed_with_their_place(peer: DimsePeer, archive: DimseArchive) -> None:
    images = ct("A1", 2, size=16)
    peer.put(images)
    listed = sorted(archive.find_instances(series_of(images)), key=lambda one: one.number or 0)
    assert listed[1] == HeldInstance(images[1].sop_uid, images[1].sop_class, 2, 1, 16, 16, 10.0)


def test_study_is_asked_anew_and_told_with_its_owner_and_notes(peer: DimsePeer, archive: DimseArchive) -> None:
    images = ct("A1", 3)
    note = rejection_note(images[:1])
    peer.put([*images, note])
    held = archive.find_study(images[0].study_uid, frozenset({"A1", "X"}))
    assert (held.patient_id, held.instances) == ("A1", 4)
    assert held.rejections == Rejections("", {images[0].sop_uid: "113001"}, frozenset({note.sop_uid}))
    assert {one.modality: one.instances for one in held.series} == {"CT": 3, "KO": 1}


@pytest.mark.parametrize(
    ("images", "patients", "code"),
    [
        (ct("A1", 2), {"B"}, "other-patient"),
        (two_patients(), set(), "ambiguous"),
        (ct("A1", 2, InstanceAvailability="OFFLINE"), set(), "offline"),
    ],
    ids=["other-patient", "ambiguous", "offline"],
)
def test_study_that_may_not_be_opened_is_refused(
    peer: DimsePeer, archive: DimseArchive, images: list[Instance], patients: set[str], code: str
) -> None:
    peer.put(images)
    with pytest.raises(NotHeld) as told:
        archive.find_study(images[0].study_uid, frozenset(patients))
    assert told.value.code == code


def test_what_is_not_there_is_not_held(archive: DimseArchive) -> None:
    for place in (Place("1.2.3"), Place("1.2.3", "1.2.4"), Place("1.2.3", "1.2.4", "1.2.5")):
        with pytest.raises(NotHeld):
            fetch(archive, place)
    with pytest.raises(NotHeld):
        archive.find_study("1.2.3", frozenset())


def test_missing_instance_is_told_after_those_that_came(peer: DimsePeer, archive: DimseArchive) -> None:
    images = ct("A1", 3)
    peer.put(images)
    peer.faults.leaves_out = frozenset({images[1].sop_uid})
    with archive.instances(series_of(images)) as parts:
        assert {next(parts).sop_uid, next(parts).sop_uid} == {images[0].sop_uid, images[2].sop_uid}
        with pytest.raises(NotHeld) as told:
            next(parts)
    assert told.value.code == "incomplete"


def test_instance_of_somebody_else_is_never_given_on(peer: DimsePeer, archive: DimseArchive) -> None:
    images = ct("A1", 1)
    peer.put(images)
    peer.faults.sends_instead = ct("B2", 1, "other")[0]
    with pytest.raises(Fatal) as told:
        fetch(archive, series_of(images))
    assert told.value.code == "wrong-part"


def test_archive_that_breaks_off_is_no_end(peer: DimsePeer, archive: DimseArchive) -> None:
    images = ct("A1", 4)
    peer.put(images)
    peer.faults.aborts_get_after = 2
    with pytest.raises(Retriable) as told:
        fetch(archive, series_of(images))
    assert told.value.code == "aborted"


def test_refused_retrieval_says_why(peer: DimsePeer, archive: DimseArchive) -> None:
    peer.put(ct("A1", 1))
    peer.faults.get_status = 0xA702
    with pytest.raises(Retriable, match="0xA702"):
        fetch(archive, series_of(ct("A1", 1)))


def test_leaving_early_ends_the_transfer_at_the_archive(peer: DimsePeer, archive: DimseArchive) -> None:
    images = ct("A1", 40, size=16)
    peer.put(images)
    with archive.instances(series_of(images)) as parts:
        next(parts)
    deadline = time.monotonic() + 3
    while any("c-get" in one.name.casefold() for one in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert peer.sent < 40
    assert fetch(archive, series_of(images)).keys() == {one.sop_uid for one in images}, "lines were given back"


def test_slow_reader_holds_the_archive_back_and_is_not_taken_for_a_slow_archive(
    peer: DimsePeer, archive: DimseArchive
) -> None:
    images = ct("A1", 8, size=16)
    peer.put(images)
    with archive.instances(series_of(images)) as parts:
        next(parts)
        time.sleep(1.2)  # longer than the archive may be silent
        assert peer.sent <= 5
        assert sum(1 for _ in parts) == 7


def test_instance_larger_than_the_limit_is_refused_while_it_comes(peer: DimsePeer) -> None:
    images = ct("A1", 1, size=512)
    peer.put(images)
    with closing(opened(peer, Limits(answer_bytes=100_000, read_seconds=1.0))) as archive:
        with pytest.raises(Retriable) as told:
            fetch(archive, series_of(images))
        assert told.value.code == "too-large"


def test_lines_are_as_many_as_the_limit_says(peer: DimsePeer) -> None:
    images = ct("A1", 3, size=16)
    peer.put(images)
    limits = Limits(connections=1, read_seconds=0.3, requests_per_second=1000.0)
    with closing(opened(peer, limits)) as archive, archive.instances(series_of(images)) as parts:
        next(parts)
        with pytest.raises(Retriable) as told:
            archive.find_study(images[0].study_uid, frozenset())
    assert told.value.code == "busy"


def test_frames_are_cut_out_of_the_instance(peer: DimsePeer, archive: DimseArchive) -> None:
    images = us_cine(frames=4, size=8)
    peer.put(images)
    place = Place(images[0].study_uid, images[0].series_uid, images[0].sop_uid)
    with archive.frames(place, (3, 1)) as parts:
        found = [b"".join(part.chunks) for part in parts]
    pixels = images[0].body[-4 * 64 :]
    assert found == [pixels[128:192], pixels[:64]]
    with pytest.raises(Retriable), archive.frames(place, (5,)) as parts:
        list(parts)


def test_pictures_are_left_to_whoever_asks(archive: DimseArchive) -> None:
    with pytest.raises(CannotRender):
        archive.rendered(Place("1.2", "1.3", "1.4"), 1, View())


def test_c_move_serves_where_there_is_no_c_get() -> None:
    offers = ("1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2")
    port = free_port()
    with DimsePeer(offers=offers, move_to=("127.0.0.1", port)) as peer:
        images = ct("A1", 3, size=16)
        peer.put(images)
        with closing(opened(peer)) as refused, pytest.raises(SourceError):
            fetch(refused, series_of(images))
        with closing(opened(peer, retrieve="move", receive_port=port, receive_host="127.0.0.1")) as archive:
            assert fetch(archive, Place(images[0].study_uid)).keys() == {one.sop_uid for one in images}
            assert fetch(archive, series_of(images)).keys() == {one.sop_uid for one in images}
            statuses = peer.send(images, port, "TESTONCE")
    assert statuses == [0xA900] * 3, "what nobody asked for is refused"
