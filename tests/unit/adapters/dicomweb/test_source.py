"""Pulling by DICOMweb, from an archive that grows, shrinks, changes and misbehaves in one way at a time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from adapters.dicomweb import DicomWebSource
from adapters.dicomweb.options import read_options
from adapters.transport import GuardedClient
from service.ingest.pipeline import document_of
from service.ingest.source import Cursor, Fatal, Level, Pulled, RawRecord, Retriable, SourceConfig
from tests.support.archives import Instance, ct, dx_two_sides, rejection_note, sr, two_patients, us_cine
from tests.support.dicomweb_server import DicomWebServer
from tests.support.fhir import House
from tests.support.pulling import LIMITS

ZONE = ZoneInfo("Asia/Shanghai")
TODAY = "20261120"  # the server's clock begins at ten in the morning of it, in Shanghai


def on(day: str) -> dict[str, str]:
    """The dates of a study of that day."""
    return dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate"), day)


def small(patient_id: str = "A000123", n: int = 2, day: str = TODAY, **more: Any) -> list[Instance]:
    return ct(patient_id, n, f"ct {patient_id}", 8, **{**on(day), **more})


def key_of(one: Instance) -> str:
    return f"series/{one.study_uid}/{one.series_uid}"


@dataclass
class Puller:
    """Runs of one source, and a house that reads what they give."""

    server: DicomWebServer
    options: dict[str, Any] = field(default_factory=lambda: {"settle_seconds": 0})
    house: House = field(default_factory=House)
    cursor: Cursor | None = None
    between: Callable[[], None] = lambda: None
    slept: list[float] = field(default_factory=list)
    answer_bytes: int = LIMITS.answer_bytes

    def source(self) -> DicomWebSource:
        limits = replace(LIMITS, answer_bytes=self.answer_bytes)
        config = SourceConfig("a", "dicomweb", "h1", self.server.url, zone=ZONE, limits=limits, options=self.options)

        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.between()

        return DicomWebSource(config, GuardedClient(config), read_options(config), sleep=sleep)

    def batches(self) -> Generator[Pulled]:
        with closing(self.source()) as source:
            for pulled in source.pull(self.cursor):
                self.cursor = json.loads(json.dumps(pulled.cursor))
                for one in pulled.records:
                    if one.problem is None:
                        self.house.loader.load([document_of(one.media, "", one.body)])
                yield pulled

    def run(self) -> list[RawRecord]:
        return [one for pulled in self.batches() for one in pulled.records]

    def asked(self, end: str) -> int:
        """How often a path with this end was asked for since the last time."""
        count = sum(one.path.partition("?")[0].endswith(end) for one in self.server.asked)
        self.server.asked.clear()
        return count

    @property
    def instances(self) -> int:
        """The instances the house counts."""
        return sum(one.instances for one in self.house.store.of("h1").series.values())


@pytest.fixture
def server() -> Iterator[DicomWebServer]:
    with DicomWebServer() as made:
        yield made


@pytest.fixture
def puller(server: DicomWebServer) -> Puller:
    return Puller(server)


def test_every_series_comes_with_the_bytes_of_the_archive(server: DicomWebServer, puller: Puller) -> None:
    study = [*small(), *dx_two_sides(size=8, **on(TODAY)), *us_cine(frames=2, size=8, **on(TODAY))]
    server.put(study)
    found = puller.run()
    assert {one.key for one in found} == {key_of(one) for one in study}
    assert puller.instances == 5
    body = httpx.get(f"{server.url}/studies/{study[0].study_uid}/series/{study[0].series_uid}/metadata").content
    assert any(body in one.body for one in found)
    sides = {part.laterality for one in puller.house.reports.values() for part in getattr(one, "parts", ())}
    assert {"L", "R"} <= sides


def test_what_did_not_change_is_listed_and_not_fetched_again(server: DicomWebServer, puller: Puller) -> None:
    server.put(small())
    assert len(puller.run()) == 1
    assert puller.asked("/metadata") == 1
    assert puller.run() == []
    assert puller.asked("/metadata") == 0


def test_a_study_that_is_being_sent_is_waited_for(server: DicomWebServer, puller: Puller) -> None:
    study = small(n=5)
    server.put(study[:2])
    puller.options = {"settle_seconds": 7}
    puller.between = lambda: server.put(study[2:3])
    assert puller.run() == []
    assert 6 < puller.slept[0] <= 7
    puller.between = lambda: None
    server.put(study)
    assert puller.run()
    assert puller.instances == 5
    assert len(puller.slept) == 2
    assert puller.run() == []
    assert len(puller.slept) == 2, "nothing to wait for"


def test_a_study_that_is_the_same_in_two_runs_is_taken(server: DicomWebServer, puller: Puller) -> None:
    study = small(n=3)
    server.put(study[:1])
    puller.between = lambda: server.put(study)
    assert puller.run() == []
    puller.between = lambda: pytest.fail("it was seen twice already")
    assert len(puller.run()) == 1


def test_late_series_and_slices_come_with_the_next_run(server: DicomWebServer, puller: Puller) -> None:
    study = small()
    server.put(study)
    puller.run()
    server.put([*small(n=3), sr(study, **on(TODAY))])
    found = puller.run()
    assert {one.key for one in found} == {key_of(study[0]), key_of(sr(study, **on(TODAY)))}
    assert puller.instances == 4


def test_an_instance_that_is_gone_is_withdrawn(server: DicomWebServer, puller: Puller) -> None:
    study = small(n=3)
    server.put(study)
    puller.run()
    server.remove(study[1].sop_uid)
    puller.run()
    assert puller.instances == 2


def test_a_correction_that_shows_in_the_lists_is_taken_at_once_and_any_other_on_the_last_day(
    server: DicomWebServer, puller: Puller
) -> None:
    server.put(small())
    puller.run()
    server.put(small(StudyDescription="腹部CT平扫"))
    assert len(puller.run()) == 1
    server.put(small(StudyDescription="腹部CT平扫", SliceThickness="1"))
    for _ in range(2):
        assert puller.run() == []
        server.advance(timedelta(days=1))
    server.advance(timedelta(days=1))
    (found,) = puller.run()
    assert b'"00180050": {"vr": "DS", "Value": [1' in found.body
    assert puller.run() == []


def test_days_since_the_beginning_are_read_once_and_at_once(server: DicomWebServer, puller: Puller) -> None:
    for day in ("20261101", "20261105", "20261120"):
        server.put(small(f"P{day}", day=day))
    puller.options = {"settle_seconds": 0, "since": "2026-11-02"}
    assert {one.scope for one in puller.batches() if one.records} == {"studies/2026-11-05", "studies/2026-11-20"}
    assert puller.cursor is not None
    assert "2026-11-05" not in puller.cursor["studies"]
    assert puller.asked("/studies") > 19
    puller.run()
    assert puller.asked("/studies") < 8


def test_what_comes_or_goes_late_on_an_older_day_is_noticed_when_its_turn_comes(
    server: DicomWebServer, puller: Puller
) -> None:
    for n, day in enumerate(("20261110", "20261112")):
        server.put(small(f"P{n}", day=day))
    puller.options["since"] = "2026-11-10"
    puller.run()
    puller.asked("")
    runs = [[one.key for one in puller.run()] for _ in range(8)]
    assert not any(runs)
    assert puller.asked("/metadata") == 0
    late = small("P9", day="20261111")
    server.put(late)
    server.remove(small("P1", day="20261112")[0].study_uid)
    listed: dict[str, list[int]] = {}
    for _ in range(16):
        for pulled in puller.batches():
            if pulled.listing and pulled.listing.scope in ("studies/2026-11-11", "studies/2026-11-12"):
                listed.setdefault(pulled.listing.scope[-2:], []).append(len(pulled.listing.keys))
    assert puller.instances == 6, "the late one came; what is gone is told by listings"
    assert listed["12"] == [0, 0], "twice in sixteen runs, for eight older days"


def test_older_days_are_left_alone_where_that_is_wanted(server: DicomWebServer, puller: Puller) -> None:
    puller.options |= {"since": "2026-11-10", "sweep_days": 0}
    puller.run()
    puller.asked("")
    puller.run()
    assert "20261116" not in repr(server.asked)


def test_the_day_is_that_of_the_archive_in_the_zone_of_the_source(server: DicomWebServer, puller: Puller) -> None:
    server.now = datetime(2026, 11, 19, 17, tzinfo=UTC)  # one in the morning of the 20th, in Shanghai
    server.put(small(day="20261121"))  # a modality whose clock is ahead
    *_, last = puller.batches()
    assert puller.instances == 2
    assert last.watermark == server.now, "a clock that is ahead counts as now"
    assert puller.cursor is not None
    assert puller.cursor["through"] == "2026-11-20"


def test_what_a_day_lists_no_more_is_not_in_its_listing(server: DicomWebServer, puller: Puller) -> None:
    one, other = small("A1"), small("A2")
    server.put([*one, *other])
    puller.run()
    server.remove(one[0].study_uid)
    listings = [pulled.listing for pulled in puller.batches() if pulled.listing]
    (of_today,) = [one for one in listings if one.scope == "studies/2026-11-20"]
    assert of_today.keys == {key_of(other[0])}
    assert len({one.scope for one in listings}) == len(listings), "twice in a run would count as twice in a row"


def test_killed_after_any_batch_it_goes_on_and_loses_nothing(server: DicomWebServer) -> None:
    for n, day in enumerate(("20261110", "20261112", "20261119", "20261120")):
        server.put(small(f"P{n}", day=day))
    options = {"settle_seconds": 0, "since": "2026-11-09"}
    whole = len(list(Puller(server, options).batches()))
    for stop in range(1, whole):
        puller = Puller(server, options)
        batches = puller.batches()
        for _ in range(stop):
            next(batches)
        batches.close()
        puller.run()
        assert puller.instances == 8, f"killed after batch {stop}"


# -- defects ----------------------------------------------------------------------------------------------------------


def test_only_dates_and_uids_leave_in_plain_ascii(server: DicomWebServer, puller: Puller) -> None:
    server.put(small())
    puller.run()
    queries = {one.path.partition("?")[2] for one in server.asked}
    names = {pair.partition("=")[0] for query in queries for pair in query.split("&") if pair}
    assert names <= {"StudyDate", "StudyInstanceUID", "limit", "offset", "includefield"}
    assert not any(one in query for query in queries for one in ("%", "*", "+", "all", "BodyPart", "PatientName"))
    assert all(one.path.startswith("/dicom-web/") for one in server.asked), "RetrieveURL leads elsewhere"


@pytest.mark.parametrize("ignores_offset", [False, True])
def test_archive_that_cuts_its_lists_in_silence_hides_nothing(
    server: DicomWebServer, puller: Puller, ignores_offset: bool
) -> None:
    for n in range(25):
        server.put(small(f"P{n:02}", 1, StudyTime=f"{n % 12:02}3000"))
    puller.options["page"] = 10
    server.faults.row_limit, server.faults.ignores_offset = 10, ignores_offset
    listings = [one.listing for one in puller.batches() if one.listing and one.listing.scope.endswith("11-20")]
    assert puller.instances == 25
    assert [len(one.keys) for one in listings] == ([] if ignores_offset else [25])


@pytest.mark.parametrize("date", ["", "unknown"])
def test_studies_without_a_date_are_found_where_all_may_be_listed(
    server: DicomWebServer, puller: Puller, date: str
) -> None:
    for n in range(12):
        server.put(small(f"P{n:02}", 1))
    undated = small("A000999", 1, "" if not date else "20261120", StudyDate=date)
    server.put(undated)
    assert key_of(undated[0]) not in {one.key for one in puller.run()}
    puller.options |= {"undated_hours": 24, "page": 5}
    listings = []
    for hours in (0, 1, 24):
        server.advance(timedelta(hours=hours))
        listings.append([one.listing for one in puller.batches() if one.scope == "studies/undated" and one.listing])
    (key,) = {key_of(one) for one in undated}
    assert [[set(one.keys) for one in some] for some in listings] == [[{key}], [], [{key}]]
    assert puller.instances == 13


def test_archive_that_cuts_the_list_of_all_tells_no_deletion_of_what_has_no_date(
    server: DicomWebServer, puller: Puller
) -> None:
    for n in range(12):
        server.put(small(f"P{n:02}", 1, StudyDate="", StudyTime=f"{n:02}3000"))
    puller.options |= {"undated_hours": 24, "page": 10}
    server.faults.row_limit, server.faults.ignores_offset = 10, True
    found = [one for one in puller.batches() if one.scope == "studies/undated"]
    assert (sum(len(one.records) for one in found), [one.listing for one in found if one.listing]) == (10, [])


def test_archive_that_cuts_within_an_hour_is_refused(server: DicomWebServer, puller: Puller) -> None:
    for n in range(12):
        server.put(small(f"P{n:02}", 1))
    puller.options["page"] = 10
    server.faults.row_limit, server.faults.ignores_offset = 10, True
    with pytest.raises(Fatal) as refused:
        puller.run()
    assert refused.value.code == "truncated"


def test_archive_that_ignores_the_question_is_refused(server: DicomWebServer, puller: Puller) -> None:
    server.put(small(day="20250101"))
    server.faults.ignores_filter = True
    with pytest.raises(Fatal) as refused:
        puller.run()
    assert refused.value.code == "filter-ignored"


def test_rows_of_other_days_are_left_out_and_counted(server: DicomWebServer, puller: Puller) -> None:
    server.put([*small("A1", day="20250101"), *small("A2")])
    server.faults.ignores_filter = True
    puller.options["days_ahead"] = 0
    with pytest.raises(Fatal):
        puller.run()  # on the days that have none
    puller.cursor = None
    server.put([small(f"B{day}", 1, day=str(day))[0] for day in range(20261117, 20261120)])
    ignored = [one.ignored for one in puller.batches() if one.ignored]
    assert all(set(one) == {"other-date"} for one in ignored)
    assert puller.instances == 5


def test_series_listed_under_another_patient_is_withdrawn_and_waits(server: DicomWebServer, puller: Puller) -> None:
    server.put(small())
    puller.run()
    server.faults.lists_patient = "B000999"
    gone, problem = puller.run()
    assert gone.is_deletion
    assert problem.problem
    assert problem.problem[0] == "two-patients"
    assert gone.key == problem.key
    assert puller.instances == 0
    assert "B000999" not in repr(problem.problem)


def test_one_study_under_two_patients_is_a_conflict_and_reused_by_nobody(
    server: DicomWebServer, puller: Puller
) -> None:
    server.put([])
    for one in two_patients():
        server.put([one])
    puller.options["since"] = "2026-11-17"
    assert len(puller.run()) == 2
    assert puller.house.exam.subject_conflict


@pytest.mark.parametrize("status", [400, 404, 501])
def test_archive_without_a_list_of_all_series_is_asked_by_study(
    server: DicomWebServer, puller: Puller, status: int
) -> None:
    server.put([*small("A1"), *small("A2")])
    server.faults.status = {"/dicom-web/series": status}
    assert len(puller.run()) == 2
    assert puller.run() == []


def test_archive_whose_every_search_is_not_found_has_lost_nothing(server: DicomWebServer, puller: Puller) -> None:
    server.put(small())
    assert len(puller.run()) == 1
    server.faults.status = {"/dicom-web/studies": 404}  # its gateway has moved
    for _ in range(3):
        with pytest.raises(Fatal, match="DICOMweb root") as caught:
            puller.run()
        assert caught.value.code == "not-dicomweb"
    server.faults.status = {}
    assert puller.run() == []


@pytest.mark.parametrize("status", [404, 406, 500])
def test_archive_without_metadata_of_a_series_is_asked_by_instance(
    server: DicomWebServer, puller: Puller, status: int
) -> None:
    study = small(n=3)
    server.put(study)
    server.faults.status = {f"{study[0].series_uid}/metadata": status}
    assert [one.problem for one in puller.run()] == [None]
    assert puller.instances == 3


def test_series_without_any_metadata_waits_beside_its_neighbours(server: DicomWebServer, puller: Puller) -> None:
    bad, good = small("A1"), small("A2")
    server.put([*bad, *good])
    server.faults.status = {f"{bad[0].series_uid}/metadata": 404} | {f"{one.sop_uid}/metadata": 500 for one in bad}
    found = {one.key: one.problem for one in puller.run()}
    assert found[key_of(good[0])] is None
    assert (found[key_of(bad[0])] or ("",))[0] == "no-metadata"
    server.faults.status = {}
    assert [one.problem for one in puller.run()] == [None], "what was listed and could not be had is asked for again"


@pytest.mark.parametrize(("day", "poisoned"), [(TODAY, 1), (TODAY, 7), ("20261110", 1), ("20261110", 7)])
def test_study_that_the_archive_fails_to_give_stops_no_other(
    server: DicomWebServer, puller: Puller, day: str, poisoned: int
) -> None:
    bad = [small(f"A{n}", 1, day=day)[0] for n in range(poisoned)]
    server.put([*bad, *small("B1", day=day), *small("B2")])
    server.faults.status = {f"{one.series_uid}/metadata": 503 for one in bad}
    puller.options["since"] = "2026-11-09"
    problems: dict[str, str] = {}
    runs = 0
    while runs < 8:
        runs += 1
        try:
            for pulled in puller.batches():
                problems |= {one.key: one.problem[0] for one in pulled.records if one.problem}
            break
        except Retriable:
            continue
    assert runs == 2 + poisoned // 5
    assert problems == {key_of(one): "unavailable" for one in bad}
    assert puller.instances == 4


def test_archive_that_fails_altogether_ends_the_run_at_once(server: DicomWebServer, puller: Puller) -> None:
    server.put([small(f"A{n}", 1)[0] for n in range(3)])
    puller.between = lambda: setattr(server.faults, "status", {"": 503})
    with pytest.raises(Retriable):
        puller.run()
    server.faults.status = {}
    assert len(puller.run()) == 3


def test_metadata_larger_than_the_limits_waits_beside_its_neighbours(server: DicomWebServer, puller: Puller) -> None:
    large = small("A1", 1, SeriesDescription="x" * 60, PatientComments="x" * 9000)
    server.put([*large, *small("A2", 1)])
    puller.answer_bytes = 8000
    problems = {one.key: one.problem[0] if one.problem else "" for one in puller.run()}
    assert sorted(problems.values()) == ["", "too-large"]
    assert problems[key_of(large[0])] == "too-large"


def test_metadata_that_is_no_dicom_json_waits_beside_its_neighbours(server: DicomWebServer, puller: Puller) -> None:
    server.put([*small("A1"), *small("A2")])
    puller.between = lambda: setattr(server.faults, "metadata", {small("A1")[0].series_uid: b"<html/>"})
    problems = sorted(one.problem[0] if one.problem else "" for one in puller.run())
    assert problems == ["", "not-dicomweb"]


def test_rejected_instances_are_not_counted_and_a_rejected_series_is_withdrawn(
    server: DicomWebServer, puller: Puller
) -> None:
    study = small(n=3)
    server.put(study)
    puller.run()
    server.put([rejection_note(study[:1], "113001", **on(TODAY))])
    assert sum((Counter(one.ignored) for one in puller.batches()), Counter()) == {"rejection-note": 1}
    assert puller.instances == 2
    server.put([rejection_note(study[1:], "113039", **on(TODAY))])
    gone = [one for one in puller.run() if one.is_deletion]
    assert [one.key for one in gone] == [key_of(study[0])]
    assert json.loads(gone[0].body) == {"deleted": [key_of(study[0]).removeprefix("series/")], "reason": "113039"}
    assert all(
        one.instances <= 0 or one.facts["Modality"] == "KO" for one in puller.house.store.of("h1").series.values()
    )


@pytest.mark.parametrize(("code", "reason"), [("113037", "113037"), ("113038", "113038"), ("777", "unknown-note")])
def test_note_that_casts_doubt_on_the_study_withdraws_all_its_series(
    server: DicomWebServer, puller: Puller, code: str, reason: str
) -> None:
    study = small(n=3)
    server.put([*study, rejection_note(study[:1], code, **on(TODAY))])
    (gone,) = puller.run()
    assert json.loads(gone.body) == {"deleted": [key_of(study[0]).removeprefix("series/")], "reason": reason}
    assert puller.instances == 0


def test_key_object_selection_that_cannot_be_read_withdraws_the_study_and_waits(
    server: DicomWebServer, puller: Puller
) -> None:
    study, note = small(n=3), rejection_note(small(n=3)[:1], "113000", **on(TODAY))
    server.put([*study, note])
    server.faults.metadata = {note.series_uid: b"<html/>"}
    found = {one.key: one for one in puller.run()}
    assert json.loads(found.pop(key_of(study[0])).body)["reason"] == "unreadable-note"
    assert [one.problem[0] for one in found.values() if one.problem] == ["not-dicomweb"]


@pytest.mark.parametrize("cut", [1, 100, -1, -30])
def test_cut_answer_ends_the_run_and_nothing_is_lost(server: DicomWebServer, puller: Puller, cut: int) -> None:
    server.put(small())
    server.faults.cut = cut
    with pytest.raises(Retriable) as refused:
        puller.run()
    assert refused.value.code == "cut-off"
    server.faults.cut = 0
    puller.run()
    assert puller.instances == 2


def test_growth_is_noticed_by_the_series_when_no_counts_are_told(server: DicomWebServer, puller: Puller) -> None:
    server.faults.without_counts = True
    study = small()
    server.put(study)
    puller.run()
    server.put([sr(study, **on(TODAY))])
    puller.run()
    assert puller.instances == 3


# -- check ------------------------------------------------------------------------------------------------------------


def test_check_says_what_it_found_and_takes_a_sample(server: DicomWebServer, puller: Puller) -> None:
    server.put([*small(), *dx_two_sides(size=8, **on("20261118"))])
    with closing(puller.source()) as source:
        found = source.check()
    assert found.is_ready
    assert {one.name for one in found.findings if one.level is not Level.OK} == {"transport"}  # no TLS on loopback
    assert len(found.sample) == 1
    assert "A000123" not in repr(found.findings)


def test_check_of_an_empty_archive_warns(puller: Puller) -> None:
    with closing(puller.source()) as source:
        found = source.check()
    assert {one.name: one.level for one in found.findings if one.name != "transport"} == {
        "reached": Level.OK, "studies": Level.WARNING,
    }  # fmt: skip


def test_check_warns_of_what_will_hurt(server: DicomWebServer, puller: Puller) -> None:
    study = small()
    server.put([*study, *small("B1", StudyInstanceUID=study[0].study_uid, SeriesInstanceUID="1.2.8")])
    server.faults.without_counts = True
    with closing(puller.source()) as source:
        found = source.check()
    assert {one.name for one in found.findings if one.level is Level.WARNING} == {"transport", "patients", "counts"}


def test_check_finds_series_that_cannot_be_used(server: DicomWebServer, puller: Puller) -> None:
    server.put(small())
    server.faults.status = {"metadata": 500}
    with closing(puller.source()) as source:
        found = source.check()
    assert not found.is_ready


@pytest.mark.parametrize(("options", "named"), [
    ({"days_back": 0}, "days_back"), ({"since": "yesterday"}, "since"), ({"sinse": "2026-01-01"}, "sinse"),
    ({"page": "many"}, "page"),
])  # fmt: skip
def test_options_that_cannot_be_are_named(server: DicomWebServer, options: dict[str, Any], named: str) -> None:
    with pytest.raises(Fatal, match=named) as refused:
        Puller(server, options).run()
    assert refused.value.code == "bad-option"


@pytest.mark.parametrize("status", [202, 206])
def test_an_answer_that_is_not_the_whole_list_lists_nothing(
    server: DicomWebServer, puller: Puller, status: int
) -> None:
    server.put(small())
    puller.run()
    server.faults.status = {"studies": status}
    with pytest.raises(Retriable) as caught:
        puller.run()
    assert caught.value.code == "incomplete-answer"


@pytest.mark.parametrize("row", ["null", '"1.2.3"', '{"0020000D":{"vr":"UI","Value":[null]}}'])
def test_a_row_that_names_no_study_costs_no_neighbour_and_nothing_counts_as_deleted(
    server: DicomWebServer, puller: Puller, row: str
) -> None:
    server.put(small())
    puller.run()
    other = json.dumps({"0020000D": {"vr": "UI", "Value": ["1.2.9"]}, "00080020": {"vr": "DA", "Value": [TODAY]}})
    server.faults.body = f"[{row},{other}]".encode()
    told = list(puller.batches())
    assert not any(one.listing and one.scope == "studies/2026-11-20" for one in told)
    assert sum(one.ignored.get("invalid-uid", 0) for one in told)


def test_a_byte_order_mark_before_an_answer_is_passed_over(server: DicomWebServer, puller: Puller) -> None:
    server.put(small())
    server.faults.mark = b"\xef\xbb\xbf"
    assert len(puller.run()) == 1
    assert puller.instances == 2


def test_series_of_another_study_are_left_out_and_counted(server: DicomWebServer, puller: Puller) -> None:
    server.put(small())
    server.faults.lists_study = "1.2.3"
    assert sum(one.ignored.get("other-study", 0) for one in puller.batches())
