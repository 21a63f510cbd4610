"""Defects of real archives, one test each: what is wrong there never becomes wrong, or lost, here."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.dimse.peer import read_peer
from adapters.dimse.source import DimseSource
from service.ingest.dicom.json_model import DicomJson, read_dicom_json
from service.ingest.source import Cursor, Fatal, Level, Limits, Pulled, RawRecord, Retriable, SourceConfig
from tests.support.archives import Instance, ct, dx_two_sides, named, rejection_note, two_patients, us_cine
from tests.support.dimse_peer import AET, DimsePeer, Faults
from tests.support.orthanc import free_port

pytestmark = pytest.mark.slow
NOW = datetime(2026, 11, 20, 4, tzinfo=UTC)
LIMITS = Limits(requests_per_second=100_000.0, connect_seconds=2.0, read_seconds=1.0, answer_seconds=4.0)


@pytest.fixture(scope="module")
def standing() -> Iterator[DimsePeer]:
    with DimsePeer() as made:
        yield made


@pytest.fixture
def archive(standing: DimsePeer) -> DimsePeer:
    """The archive of this module, emptied and mended."""
    standing.faults = Faults()
    standing.instances.clear()
    standing.asked.clear()
    return standing


def config(archive: DimsePeer, aet: str = AET, limits: Limits = LIMITS, **options: Any) -> SourceConfig:
    given = {"since": "2026-11-18", **options}
    return SourceConfig("pacs", "dimse", "h1", f"dicom://{aet}@127.0.0.1:{archive.port}", limits=limits, options=given)


def pull(given: SourceConfig, cursor: Cursor | None = None, now: datetime = NOW) -> list[Pulled]:
    with closing(DimseSource(read_peer(given), lambda: now)) as source:
        return list(source.pull(cursor))


def records(batches: list[Pulled]) -> dict[str, RawRecord]:
    return {one.key: one for batch in batches for one in batch.records}


def read(record: RawRecord) -> DicomJson:
    return read_dicom_json(record.body, UTC)


def key(images: list[Instance]) -> str:
    return f"series/{images[0].study_uid}/{images[0].series_uid}"


def listings(batches: list[Pulled]) -> dict[str, frozenset[str]]:
    return {one.listing.scope: one.listing.keys for one in batches if one.listing}


def studies(n: int) -> list[list[Instance]]:
    return [ct(f"P{k}", 1, f"s{k}", 8, StudyTime=f"{k // 60:02}{k % 60:02}00") for k in range(n)]


def test_silent_truncation_at_a_round_number_is_seen_and_the_day_asked_in_pieces(archive: DimsePeer) -> None:
    every = studies(12)
    for one in every:
        archive.put(one)
    archive.faults.most_rows = 5
    batches = pull(config(archive, round_limits=[5], retrieve="none"))
    assert {key(one) for one in every} == records(batches).keys()
    assert listings(batches)["studies/2026-11-18"] >= records(batches).keys()


def test_truncation_that_cannot_be_narrowed_gives_no_listing_and_is_a_problem_of_check(archive: DimsePeer) -> None:
    for one in studies(12):
        archive.put(one)
    archive.faults.most_rows, archive.faults.heeds_time = 5, False
    given = config(archive, round_limits=[5], retrieve="none")
    assert "studies/2026-11-18" not in listings(pull(given))
    assert len(archive.asked) < 40
    with closing(DimseSource(read_peer(given), lambda: NOW)) as source:
        assert not source.check().is_ready


def test_rows_that_were_not_asked_for_are_counted_and_not_used(archive: DimsePeer) -> None:
    images = ct("A1", 1)
    archive.put(images)
    archive.faults.foreign_rows = (
        {"StudyInstanceUID": "1.2.3", "PatientID": "B", "StudyDate": "20250101"},
        {"StudyInstanceUID": "../../etc/passwd", "PatientID": "B"},
        {"StudyInstanceUID": "", "PatientID": "B"},
    )
    batches = pull(config(archive))
    assert records(batches).keys() == {key(images)}
    assert [one.ignored for one in batches if one.scope == "studies/2026-11-18"] == [
        {"other-date": 1, "invalid-uid": 2}
    ]


def test_study_under_two_patients_is_refused_and_what_was_taken_before_is_withdrawn(archive: DimsePeer) -> None:
    both = two_patients()
    archive.put(both[:2])
    before = pull(config(archive))
    assert all(one.problem is None for one in records(before).values())
    archive.put(both[2:])
    after = records(pull(config(archive), before[-1].cursor))
    study = after[f"study/{both[0].study_uid}"]
    assert study.problem
    assert study.problem[0] == "two-patients"
    assert after[key(both[:2])].is_deletion
    assert not any(one.problem is None and not one.is_deletion for one in after.values())


def test_images_of_another_patient_than_the_row_says_are_refused(archive: DimsePeer) -> None:
    images = ct("A1", 1)
    archive.put(images)
    wrong = ct("B2", 1, StudyInstanceUID=images[0].study_uid, SeriesInstanceUID=images[0].series_uid)
    archive.faults.sends_instead = wrong[0]
    found = records(pull(config(archive)))[key(images)]
    assert found.problem
    assert found.problem[0] == "two-patients"


def test_instance_of_another_series_than_was_asked_for_is_refused(archive: DimsePeer) -> None:
    images = ct("A1", 1)
    archive.put(images)
    archive.faults.sends_instead = ct("A1", 1, "other")[0]
    found = records(pull(config(archive)))[key(images)]
    assert found.problem
    assert found.problem[0] == "other-series"


def test_uid_that_is_none_names_nothing(archive: DimsePeer) -> None:
    images = ct("A1", 1)
    archive.put(images)
    archive.faults.sends_uid = "../../tmp/x"
    found = records(pull(config(archive)))[key(images)]
    assert b"../" not in found.body
    assert len(read(found).instances) == 1


@pytest.mark.parametrize("image_keys", [True, False])
def test_both_sides_of_one_series_are_told_apart_whatever_the_image_level_answers(
    archive: DimsePeer, image_keys: bool
) -> None:
    images = dx_two_sides()
    archive.put(images)
    archive.faults.image_keys = image_keys
    found = read(records(pull(config(archive)))[key(images)])
    assert sorted(str(one.facts.get("Laterality")) for _, one in found.instances) == ["L", "R"]


def test_side_that_no_header_was_read_for_stays_unknown(archive: DimsePeer) -> None:
    images = dx_two_sides()
    archive.put(images)
    archive.faults.image_keys = False
    found = read(records(pull(config(archive, headers_per_series=1)))[key(images)])
    sides = [one.facts.get("Laterality") for _, one in found.instances]
    assert sides.count(None) == 1


def test_instances_of_an_ultrasound_that_say_a_side_each_say_their_own(archive: DimsePeer) -> None:
    first = us_cine(frames=1, size=8, ImageLaterality="L")
    other = us_cine(
        frames=1, size=8, ImageLaterality="R", SeriesInstanceUID=first[0].series_uid, SOPInstanceUID="1.2.3.4",
        InstanceNumber=2,
    )  # fmt: skip
    archive.put(first + other)
    found = read(records(pull(config(archive)))[key(first)])
    assert sorted(str(one.facts.get("Laterality")) for _, one in found.instances) == ["L", "R"]


def test_facts_of_a_volume_are_those_of_one_slice(archive: DimsePeer) -> None:
    images = ct("A1", 5, ContrastBolusAgent="碘海醇")
    archive.put(images)
    found = read(records(pull(config(archive)))[key(images)])
    assert archive.sent
    facts = [dict(one.facts) for _, one in found.instances]
    assert all(one == facts[0] for one in facts)
    assert facts[0]["ContrastBolusAgent"] == "碘海醇"


@pytest.mark.parametrize(
    ("label", "codec"),
    [("GB18030", "gb18030"), ("ISO_IR 192", "utf-8"), ("ISO_IR 100", "gbk"), ("", "gbk"), ("ISO_IR 192", "gb18030"),
     ("GB18030", "utf-8")],
)  # fmt: skip
def test_text_is_read_from_its_bytes_whatever_they_are_declared_as(archive: DimsePeer, label: str, codec: str) -> None:
    images = named("双膝关节正位片检查", label, codec)
    archive.put(images)
    ((_, one),) = read(records(pull(config(archive)))[key(images)]).instances
    assert one.facts["StudyDescription"] == "双膝关节正位片检查"
    assert "张伟" in one.patient_names


def test_late_images_of_an_archive_that_does_not_count_are_found_within_the_hour(archive: DimsePeer) -> None:
    images = ct("A1", 3)
    archive.put(images[:2])
    archive.faults.counts = False
    given = config(archive)
    first = pull(given)
    second = pull(given, first[-1].cursor)
    asked = len(archive.asked)
    archive.put(images)
    assert key(images) not in records(pull(given, second[-1].cursor))
    assert len(archive.asked) - asked < 6
    late = records(pull(given, second[-1].cursor, now=NOW.replace(hour=5)))
    assert len(read(late[key(images)]).instances) == 3


def test_unchanged_study_costs_no_question_and_a_late_image_brings_it_again(archive: DimsePeer) -> None:
    images = ct("A1", 3)
    archive.put(images[:2])
    first = pull(config(archive))
    asked = len(archive.asked)
    again = pull(config(archive), first[-1].cursor)
    assert not records(again)
    assert {one.QueryRetrieveLevel for one in archive.asked[asked:]} == {"STUDY"}
    archive.put(images)
    assert len(read(records(pull(config(archive), again[-1].cursor))[key(images)]).instances) == 3


def test_rejection_note_withdraws_what_it_names(archive: DimsePeer) -> None:
    images = ct("A1", 3)
    archive.put([*images, rejection_note(images[:1])])
    batches = pull(config(archive))
    assert read(records(batches)[key(images)]).rejected == {images[0].sop_uid: "113001"}
    assert records(batches).keys() == {key(images)}
    assert sum(one.ignored.get("rejection-note", 0) for one in batches) == 1


def test_every_note_of_a_study_is_read_and_patient_safety_withdraws_all(archive: DimsePeer) -> None:
    images = ct("A1", 3)
    many = [rejection_note(images[:1], SOPInstanceUID=f"2.25.7{n}", InstanceNumber=n) for n in range(3)]
    safety = rejection_note(images[:1], "113037", SOPInstanceUID="2.25.80", InstanceNumber=9)
    archive.put([*images, *many, safety])
    batches = pull(config(archive, headers_per_series=1))
    assert read(records(batches)[key(images)]).rejected == {one.sop_uid: "113037" for one in images}


def test_key_object_selection_whose_header_does_not_come_withdraws_all(archive: DimsePeer) -> None:
    images = ct("A1", 3)
    archive.put([*images, rejection_note(images[:1], "113000")])
    archive.faults.aborts_get_after = 0
    found = records(pull(config(archive)))[key(images)]
    assert set(read(found).rejected.values()) == {"unreadable-note"}
    assert len(read(found).rejected) == 3
    assert not read(records(pull(config(archive, retrieve="none")))[key(images)]).rejected


def test_study_that_the_archive_cannot_send_keeps_no_other_waiting(archive: DimsePeer) -> None:
    every = [ct(f"P{k}", 1, f"s{k}", 8) for k in range(3)]
    for one in every:
        archive.put(one)
    archive.faults.aborts_get_after = 0
    batches = pull(config(archive))
    assert records(batches).keys() == {key(one) for one in every}
    archive.faults = Faults()
    again = records(pull(config(archive), batches[-1].cursor))
    assert all(b"KVP" in one.body or b"00180060" in one.body for one in again.values())
    assert again.keys() == {key(one) for one in every}


@pytest.mark.parametrize(
    ("change", "kind", "code"),
    [
        (lambda faults: setattr(faults, "find_status", 0xA700), Retriable, "out-of-resources"),
        (lambda faults: setattr(faults, "find_status", 0xC000), Retriable, "unable"),
        (lambda faults: setattr(faults, "find_status", 0xA900), Fatal, "refused-query"),
        (lambda faults: setattr(faults, "find_status", 0x0124), Fatal, "unauthorised"),
        (lambda faults: setattr(faults, "aborts", True), Retriable, "aborted"),
        (lambda faults: setattr(faults, "is_silent", 2.0), Retriable, "slow"),
    ],
)
def test_refusals_say_whether_to_try_again(
    archive: DimsePeer, change: Callable[[Faults], None], kind: type[Exception], code: str
) -> None:
    archive.put(ct("A1", 1) + ct("A2", 1))
    change(archive.faults)
    started = time.monotonic()
    with pytest.raises(kind) as told:
        pull(config(archive))
    assert told.value.code == code  # type: ignore[attr-defined]
    assert time.monotonic() - started < 3.5


def test_pending_with_unsupported_keys_is_an_answer(archive: DimsePeer) -> None:
    archive.put(ct("A1", 1))
    archive.faults.pending = 0xFF01
    assert len(records(pull(config(archive)))) == 1


def test_unknown_ae_titles_are_fatal_and_say_whom_to_tell() -> None:
    with DimsePeer(calling=("SOMEBODY",)) as archive:
        with pytest.raises(Fatal, match="does not know our AE title TESTONCE") as told:
            pull(config(archive))
        assert told.value.code == "refused"
        with pytest.raises(Fatal, match="does not answer to the AE title HOSPB"):
            pull(config(archive, aet="HOSPB", calling_aet="SOMEBODY"))
        assert pull(config(archive, calling_aet="SOMEBODY"))


def test_archive_without_c_get_says_so_and_is_pulled_without_headers_when_told() -> None:
    with DimsePeer(offers=("1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.2.2.1")) as archive:
        archive.put(ct("A1", 2))
        with pytest.raises(Fatal) as told:
            pull(config(archive))
        assert told.value.code == "not-offered"
        with closing(DimseSource(read_peer(config(archive)), lambda: NOW)) as source:
            found = {one.name: one for one in source.check().findings}
        assert found["headers"].level is Level.PROBLEM
        (record,) = records(pull(config(archive, retrieve="none"))).values()
        assert len(read(record).instances) == 2


def test_nothing_of_a_patient_reaches_a_log_or_an_error(archive: DimsePeer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    archive.put(ct("SECRET77", 2, PatientName="秘^密"))
    pull(config(archive))
    archive.faults.aborts = True
    archive.put(ct("SECRET78", 2, PatientName="秘^密"))
    with pytest.raises(Retriable) as told:
        pull(config(archive))
    text = caplog.text + repr(told.value)
    assert not any(one in text for one in ("SECRET7", "秘", "2.25."))


def test_archive_with_one_association_for_us_is_read_in_turns_or_says_that_it_is_busy() -> None:
    images = ct("A1", 2)
    with DimsePeer(associations=1) as archive:
        archive.put(images)
        one = dataclasses.replace(LIMITS, connections=1)
        found = records(pull(config(archive, limits=one)))[key(images)]
        assert b"00180050" in found.body, "from the header"
        with pytest.raises(Retriable) as told:
            pull(config(archive))
    assert told.value.code == "busy"


@pytest.mark.parametrize("stranger", ["", "1.2.3.4.5"], ids=["the-same", "nobody-asked"])
@pytest.mark.parametrize("retrieve", ["get", "move"])
def test_archive_that_never_stops_sending_is_left_and_the_rows_are_taken(
    archive: DimsePeer, stranger: str, retrieve: str
) -> None:
    images = ct(n=2, size=8)
    archive.put(images)
    archive.faults.repeats, archive.faults.sends_uid = True, stranger
    limits = dataclasses.replace(LIMITS, answer_seconds=0.4)
    port = free_port()
    archive.move_to = ("127.0.0.1", port)
    started = time.monotonic()
    batches = pull(config(archive, limits=limits, retrieve=retrieve, receive_host="127.0.0.1", receive_port=port))
    assert time.monotonic() - started < 6
    found = read(records(batches)[key(images)]).instances
    assert {one.sop_uid for _, one in found} == {one.sop_uid for one in images}


@pytest.mark.parametrize(("omitted", "reason"), [("StudyDate", "undated"), ("StudyInstanceUID", "invalid-uid")])
def test_day_whose_rows_do_not_say_what_they_are_tells_no_deletions(
    archive: DimsePeer, omitted: str, reason: str
) -> None:
    archive.put(ct(n=1, size=8))
    archive.faults.omits = omitted
    batches = pull(config(archive))
    assert sum(one.ignored.get(reason, 0) for one in batches) == 1
    assert "studies/2026-11-18" not in listings(batches)


@pytest.mark.parametrize(("omitted", "code"), [("SeriesInstanceUID", "no-series"), ("SOPInstanceUID", "no-metadata")])
def test_study_of_which_the_archive_names_no_part_waits_and_takes_nothing_back(
    archive: DimsePeer, omitted: str, code: str
) -> None:
    images = ct(n=2, size=8)
    archive.put(images)
    taken = pull(config(archive))
    archive.faults.omits = omitted
    archive.put(ct(n=2, size=8, StudyDescription="another"))  # the row says something else: it is read again
    first = pull(config(archive), taken[-1].cursor)
    (found,) = records(first).values()
    assert found.problem
    assert found.problem[0] == code
    assert images[0].study_uid in found.key
    assert "studies/2026-11-18" not in listings(first)
    second = pull(config(archive), first[-1].cursor)
    archive.faults.omits = ""
    mended = records(pull(config(archive), second[-1].cursor))
    assert mended[key(images)].problem is None
