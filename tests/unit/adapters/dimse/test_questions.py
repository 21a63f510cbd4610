"""What is asked of an archive, whom, and what its answers are taken for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode, encode

from adapters.dimse import queries
from adapters.dimse.contexts import COMMON, MOST, ORIGINALS, for_get, for_questions, foreign
from adapters.dimse.cursor import Known, Progress
from adapters.dimse.finding import Finder
from adapters.dimse.peer import read_peer
from adapters.dimse.statuses import lost, refusal, rejection
from service.ingest.source import Fatal, Retriable, SourceConfig

DAY = date(2026, 11, 18)


def config(address: str = "dicom://HOSPA@10.0.0.1:104", **options: Any) -> SourceConfig:
    return SourceConfig("pacs", "dimse", "h1", address, options=options)


def test_address_names_the_archive() -> None:
    peer = read_peer(config("dicoms://HOSP_A@pacs.example:2762", calling_aet=" US1 ", since="2026-11-01"))
    assert (peer.aet, peer.host, peer.port, peer.tls) == ("HOSP_A", "pacs.example", 2762, True)
    assert (peer.options.calling_aet, peer.options.since) == ("US1", date(2026, 11, 1))


@pytest.mark.parametrize("address", [
    "http://HOSPA@10.0.0.1:104", "dicom://10.0.0.1:104", "dicom://HOSPA@10.0.0.1", "dicom://HOSPA@10.0.0.1:x",
    "dicom://AETITLETHATISTOOLONG@10.0.0.1:104", "",
])  # fmt: skip
def test_address_that_names_none_is_refused(address: str) -> None:
    with pytest.raises(Fatal) as told:
        read_peer(config(address))
    assert told.value.code == "bad-address"


@pytest.mark.parametrize("options", [
    {"retrive": "get"}, {"retrieve": "push"}, {"days_back": -1}, {"days_back": True}, {"since": "yesterday"},
    {"round_limits": 100}, {"retrieve": "move"}, {"headers_per_series": 0}, {"default_charset": "中"},
])  # fmt: skip
def test_option_that_is_none_is_refused_and_named(options: dict[str, Any]) -> None:
    with pytest.raises(Fatal) as told:
        read_peer(config(**options))
    assert told.value.code == "bad-option"
    assert next(iter(options)) in told.value.message or "receive_port" in told.value.message


def test_option_that_nobody_knows_is_named_with_the_nearest_known() -> None:
    with pytest.raises(Fatal, match="unknown key 'day_back'; did you mean 'days_back'"):
        read_peer(config(day_back=3))


@pytest.mark.parametrize("value", ["*", "", " ", "A?", "A\\B", "A,B", "张"])
def test_key_that_would_open_more_than_one_is_never_sent(value: str) -> None:
    with pytest.raises(ValueError, match="no exact key"):
        queries.studies(PatientID=value)
    with pytest.raises(ValueError, match="whole archive"):
        queries.studies()


def test_uid_that_is_none_is_never_asked_for() -> None:
    for given in (("1.2", "../x"), ("1.2", "1.3", ["*"])):
        with pytest.raises(ValueError, match=r"not a DICOM UID|no exact key"):
            queries.retrieve(*given)  # type: ignore[arg-type]


def test_no_name_is_ever_a_key() -> None:
    for asked in (
        queries.studies(StudyDate="20261118"),
        queries.series("1.2"),
        queries.images("1.2", "1.3", True, True),
    ):
        assert not asked.get("PatientName")
        assert "SpecificCharacterSet" not in asked
        filled = {one.keyword for one in asked if one.value} - {"QueryRetrieveLevel"}
        assert filled <= {"StudyDate", "StudyInstanceUID", "SeriesInstanceUID"}


def row(n: int, time: str = "") -> Dataset:
    made = Dataset()
    made.StudyInstanceUID, made.PatientID, made.StudyDate, made.StudyTime = f"1.2.{n}", f"P{n}", "20261118", time
    return made


def archive(rows: list[Dataset], most: int, heeds: bool = True) -> Callable[[Dataset, str], list[Dataset]]:
    def find(keys: Dataset, _: str) -> list[Dataset]:
        first, _, last = str(keys.StudyTime).partition("-")
        found = [one for one in rows if not first or not heeds or (one.StudyTime and first <= one.StudyTime <= last)]
        return [decode(BytesIO(encode(one, False, True) or b""), False, True) for one in found[:most]]

    return find


@pytest.mark.parametrize("count", [0, 4, 5, 6, 40])
def test_day_is_asked_in_pieces_until_no_answer_is_suspicious(count: int) -> None:
    rows = [row(n, f"{n % 24:02}{n:02}00") for n in range(count)]
    found = Finder(archive(rows, 5), "", [5]).day(DAY)
    assert {one.uid(queries.STUDY_UID) for one in found.rows} == {f"1.2.{n}" for n in range(count)}
    assert len(found.rows) == count
    assert found.is_whole
    assert found.narrowed is (count >= 5)


def test_day_that_cannot_be_asked_in_pieces_is_not_whole() -> None:
    same_minute = [row(n, "101500") for n in range(9)]
    assert not Finder(archive(same_minute, 5), "", [5]).day(DAY).is_whole
    spread = [row(n, f"{n:02}1500") for n in range(9)]
    assert not Finder(archive(spread, 5, heeds=False), "", [5]).day(DAY).is_whole


@pytest.mark.parametrize("classes", [[], ["1.2.840.10008.5.1.4.1.1.2"], list(map(str, COMMON))])
def test_contexts_are_as_many_as_may_be_and_never_deflated(classes: list[str]) -> None:
    contexts, roles = for_get(classes)
    assert len(contexts) <= MOST
    offered = {(one.abstract_syntax, ts) for one in contexts for ts in one.transfer_syntax}
    assert len(roles) == len(classes or COMMON)
    for one in classes or COMMON:
        assert {ts for cls, ts in offered if cls == one} == set(map(str, ORIGINALS))
    syntaxes = {ts for _, ts in offered} | {ts for one in for_questions() for ts in one.transfer_syntax}
    assert "1.2.840.10008.1.2.1.99" not in syntaxes


def test_transfer_syntax_that_was_not_offered_is_noticed() -> None:
    def one(*syntaxes: str) -> SimpleNamespace:
        return SimpleNamespace(context_id=1, transfer_syntax=list(syntaxes))

    for chosen, expected in (("1.2.840.10008.1.2", []), ("1.2.840.10008.1.2.1.99", [1])):
        requestor = SimpleNamespace(requested_contexts=[one("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")])
        assert foreign(SimpleNamespace(requestor=requestor, accepted_contexts=[one(chosen)])) == expected


@pytest.mark.parametrize(("error", "kind", "code"), [
    (refusal(0xA700, "C-FIND"), Retriable, "out-of-resources"), (refusal(0xC001, "C-FIND"), Retriable, "unable"),
    (refusal(0x0122, "C-GET"), Fatal, "not-offered"), (refusal(0xA801, "C-MOVE"), Fatal, "move-destination"),
    (rejection(1, 1, 3, "US", "THEM"), Fatal, "refused"), (rejection(1, 1, 1, "US", "THEM"), Fatal, "refused"),
    (rejection(2, 1, 1, "US", "THEM"), Retriable, "busy"), (rejection(1, 3, 2, "US", "THEM"), Retriable, "busy"),
    (lost("", "THEM", "C-FIND"), Retriable, "aborted"), (lost("tls", "THEM", "C-FIND"), Fatal, "tls"),
])  # fmt: skip
def test_refusals_are_told_with_what_to_do(error: Exception, kind: type[Exception], code: str) -> None:
    assert isinstance(error, kind)
    assert error.code == code  # type: ignore[attr-defined]


def test_cursor_comes_back_as_it_was_and_forgets_old_days() -> None:
    progress = Progress()
    known = {"1.2": Known("d", ("1.3",), True, 7)}
    cursor = progress.end_day(DAY, known, DAY, DAY, "look")
    again = Progress.read(cursor)
    assert (again.through, again.days) == (DAY, {DAY: known})
    assert Progress.read(again.end_day(date(2026, 11, 19), {}, DAY, date(2026, 11, 19), "look")).days == {}
    assert again.through == DAY, "tomorrow is not done today"
    assert again.first(date(2026, 1, 1), 3) == date(2026, 11, 15)


def test_older_days_have_their_turn_one_by_one_and_are_forgotten_in_the_end() -> None:
    progress = Progress()
    for day in (10, 11, 12, 15):
        progress.end_day(date(2026, 11, day), {}, DAY, date(2026, 11, 15), f"look of {day}")
    turns = []
    for _ in range(4):
        older = progress.next_older(date(2026, 11, 13), 30)
        assert older is not None
        turns.append(older.day)
        progress = Progress.read(progress.with_day(older, {}))
    assert turns == [12, 11, 10, 12]
    assert progress.next_older(date(2026, 11, 13), 1) == date(2026, 11, 12)
    assert progress.older.keys() == {"2026-11-12", "2026-11-15"}
    assert Progress().next_older(DAY, 30) is None


def test_older_day_that_looks_other_than_before_is_read_twice() -> None:
    progress, old = Progress(), date(2026, 11, 10)
    looks = []
    for look in ("a", "a", "b", "b", "c", "a", "a"):
        progress.end_day(old, {}, DAY, DAY, look)
        looks.append(progress.older["2026-11-10"] == look)
    assert looks == [True, True, False, True, False, False, True]


@pytest.mark.parametrize("cursor", [None, {}, {"form": 2}, {"form": 1, "through": "x", "days": {}}, {"form": 1}])
def test_cursor_of_an_unknown_form_starts_anew(cursor: dict[str, Any] | None) -> None:
    assert Progress.read(cursor).through is None
