"""DICOM JSON: what a document says, and how its instances are counted beside files, whole series and deletions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.ingest.dicom.header import read_dicom
from service.ingest.dicom.json_model import deletion_document, read_dicom_json, series_document
from service.ingest.files import sniff
from service.ingest.pipeline import document_of
from tests.support.archives import ct, dx_two_sides, named
from tests.support.dicom import UID, instance
from tests.support.dicom_json import array, data_set, document
from tests.support.fhir import House

ZONE = ZoneInfo("Asia/Shanghai")
SERIES = f"{UID}.1"
SLICES = [instance(n) for n in range(1, 5)]


def whole(*numbers: int, rejected: dict[str, str] | None = None) -> bytes:
    """The series as its archive states it: these slices."""
    return series_document(UID, SERIES, array(SLICES[n - 1] for n in numbers), rejected or {})


def house(*documents: Any) -> House:
    made = House()
    for one in documents:
        made.loader.load([document(one) if isinstance(one, bytes) else one])
    return made


def with_value(tag: str, vr: str, value: Any) -> bytes:
    changed = data_set(SLICES[0].body) | {tag: {"vr": vr, "Value": [value]}}
    return json.dumps([changed], ensure_ascii=False).encode()


# -- reading ----------------------------------------------------------------------------------------------------------


def test_instances_say_the_same_as_their_files_and_where_they_stand() -> None:
    files = [one.body for one in (*ct(n=2), *dx_two_sides())]
    body = b"\xef\xbb\xbf" + array(files)
    found = read_dicom_json(body, ZONE)
    assert found.problems == ()
    assert [one.sop_uid for _, one in found.instances] == [read_dicom(one).sop_uid for one in files]
    for (start, one), file in zip(found.instances, files, strict=True):
        assert body[start : start + len(one.header_bytes)] == one.header_bytes
        assert (one.facts, one.patient_names) == ((told := read_dicom(file, ZONE)).facts, told.patient_names)


def test_a_data_set_alone_is_read_too() -> None:
    body = b" " + json.dumps(data_set(SLICES[0].body)).encode() + b"\n"
    ((start, one),) = read_dicom_json(body, ZONE).instances
    assert (one.sop_uid, body[start : start + len(one.header_bytes)]) == (f"{UID}.1.1", one.header_bytes)


def test_a_bad_item_is_a_problem_with_its_place_and_its_neighbours_stay() -> None:
    items = [data_set(one.body) for one in SLICES]
    del items[1]["0020000D"]
    del items[2]["00100020"]
    found = read_dicom_json(json.dumps([*items, 17]).encode(), ZONE)
    assert [one.sop_uid for _, one in found.instances] == [f"{UID}.1.1", f"{UID}.1.4"]
    told = [(one.place, one.code) for one in found.problems]
    assert told == [("[1]", "invalid-uid"), ("[2]", "no-patient-id"), ("[4]", "wrong-type")]


@pytest.mark.parametrize(
    ("body", "code"),
    [(b'[{"0020000D":', "not-json"), (b"[" * 100_000, "too-deep"), (b'{"series":"1/2","instances":[}', "not-json"),
     (b'{"deleted":["1.2/*"]}', "invalid-uid"), (b'{"resourceType":"Patient"}', "invalid-uid"),
     (b'{"deleted":[]}', "invalid-uid"), (b'{"series":"1.2","instances":[]}', "not-dicom-json"),
     (b'{"series":"1/2","series":"1/2","instances":[]}', "duplicate-key"),
     (b'{"series":"1/2"}', "not-dicom-json"), (b'{"series":"1/2","instances":null}', "wrong-type"),
     (b"[\xff]", "not-utf-8"), (b'{"deleted":[17]}', "wrong-type")],
)  # fmt: skip
def test_what_is_no_dicom_json_is_a_problem_of_the_document(body: bytes, code: str) -> None:
    found = read_dicom_json(body, ZONE)
    assert [one.code for one in found.problems] == [code]
    assert found.instances == ()


def test_a_tag_given_twice_is_refused_for_which_counts_is_unsure() -> None:
    body = array(SLICES[:1]).replace(b'"00100020":', b'"00100020": {"vr": "LO", "Value": ["OTHER"]}, "00100020":')
    assert [one.code for one in read_dicom_json(body, ZONE).problems] == ["duplicate-key"]


@pytest.mark.parametrize(
    ("value", "text"),
    [("5", "5"), (5, "5"), (5.0, "5"), (0.69999999999999996, "0.7"), (None, ""), ({"x": 1}, ""), (True, "")],
)
def test_numbers_and_odd_values_are_read_as_text_or_left_out(value: Any, text: str) -> None:
    ((_, one),) = read_dicom_json(with_value("00180050", "DS", value), ZONE).instances
    assert one.facts.get("SliceThickness", "") == text


@pytest.mark.parametrize("codec", ["latin-1 of gbk", "gb18030 of utf-8"])
def test_text_that_the_archive_decoded_wrongly_is_mended_and_told(codec: str) -> None:
    wrong, _, right = codec.partition(" of ")
    text = "胸部平扫"
    ((_, one),) = read_dicom_json(with_value("00081030", "LO", text.encode(right).decode(wrong)), ZONE).instances
    assert one.facts["StudyDescription"] == text
    assert one.repairs == (("gb18030",) if right == "gbk" else ("utf-8",))


@pytest.mark.parametrize("text", ["Jérôme", "张伟", "一^閫丂", "鎬丏", "胸部CT平扫", "�"])
def test_text_that_is_right_stays(text: str) -> None:
    ((_, one),) = read_dicom_json(with_value("00081030", "LO", text), ZONE).instances
    assert one.facts["StudyDescription"] == text
    assert one.repairs == (("lossy",) if "�" in text else ())


def test_form_of_a_file_is_recognised_by_its_content(tmp_path: Path) -> None:
    files = {"a": array(SLICES), "b": whole(1, 2), "c": b"[]", "d": b'[{"resourceType":"Patient"}]'}
    assert [sniff(one) for one in files.values()] == ["dicom-json", "dicom-json", "json", "json"]
    assert document_of("application/dicom+json", "", deletion_document(["1.2"], "x")).format == "dicom-json"
    (tmp_path / "series.json").write_bytes(files["a"])
    made = House()
    made.loader.load_paths([tmp_path])
    assert made.exam.instance_count == 4


# -- counting ---------------------------------------------------------------------------------------------------------


def test_an_instance_as_file_and_as_json_counts_once_in_either_order() -> None:
    for order in ([*SLICES, array(SLICES)], [array(SLICES), *SLICES], [whole(1, 2, 3, 4), *SLICES],
                  [*SLICES, whole(1, 2, 3, 4)]):  # fmt: skip
        assert house(*order).exam.instance_count == 4


def test_the_same_document_again_changes_nothing() -> None:
    for body in (array(SLICES), whole(1, 2, 3)):
        made = house(body)
        counts = made.loader.load([document(body)])
        assert (counts.total("new"), counts.total("updated")) == (0, 0)
        assert made.exam.instance_count == body.count(b'"00080018"')


def test_a_corrected_item_takes_back_what_the_first_said() -> None:
    made = house(with_value("00200060", "CS", "R"))
    made.loader.load([document(with_value("00200060", "CS", "L"))])
    assert made.exam.instance_count == 1
    assert {one.facts["Laterality"] for one in made.store.of("h1").series.values() if one.instances} == {"L"}


def test_a_file_corrected_by_json_and_json_by_a_file_leave_one_statement() -> None:
    right, left = instance(1, Laterality="R"), instance(1, Laterality="L")
    for order in ([right, array([left])], [array([right]), left], [array([right]), whole(2), left]):
        made = house(*order)
        sides = {one.facts.get("Laterality") for one in made.store.of("h1").series.values() if one.instances}
        assert "L" in sides
        assert "R" not in sides


def test_what_a_whole_series_has_no_more_is_withdrawn_and_comes_back_with_it() -> None:
    made = house(whole(1, 2, 3, 4), whole(1, 2))
    assert made.exam.instance_count == 2
    for body, n in ((whole(1, 2, 3), 3), (whole(1, 2), 2), (whole(1, 2, 3, 4), 4)):
        made.loader.load([document(body)])
        assert made.exam.instance_count == n


def test_a_whole_series_states_its_instances_against_files_that_came_before() -> None:
    assert house(*SLICES, whole(1, 2)).exam.instance_count == 2
    assert house(*SLICES, whole(1, 2), SLICES[3]).exam.instance_count == 3


def test_a_series_that_is_gone_leaves_no_exam_and_returns_with_the_same_bytes() -> None:
    gone = deletion_document([f"{UID}/{SERIES}"], "not-listed")
    for body in (whole(1, 2), array(SLICES[:2])):
        made = house(body, gone)
        assert made.reports == {}
        for again in (body, gone, body):
            made.loader.load([document(again)])
        assert made.exam.instance_count == 2


def test_one_instance_that_is_gone_is_uncounted_once() -> None:
    made = house(array(SLICES))
    gone = document(deletion_document([f"{UID}.1.2", f"{UID}.1.99"], "113001"))
    counts = made.loader.load([gone])
    assert counts.outcomes["dicom", "updated"] == counts.outcomes["dicom", "unchanged"] == 1
    made.loader.load([gone])
    assert made.exam.instance_count == 3
    made.loader.load([document(array(SLICES[1:2]))])
    assert made.exam.instance_count == 4


def test_everything_within_one_batch_comes_to_the_same() -> None:
    gone = deletion_document([f"{UID}/{SERIES}"], "not-listed")
    steps = [SLICES[3], document(array(SLICES)), document(whole(1, 2)), document(gone), document(whole(2, 3, 4)),
             document(deletion_document([f"{UID}.1.3"], "113001")), SLICES[0]]  # fmt: skip
    apart, together = House(), House()
    for one in steps:
        apart.loader.load([one])
    together.loader.load(steps)
    assert together.exam.instance_count == apart.exam.instance_count == 3
    assert together.reports == apart.reports


def test_instances_that_a_rejection_note_forbids_are_not_counted() -> None:
    made = House()
    counts = made.loader.load([document(whole(1, 2, 3, rejected={f"{UID}.1.2": "113037"}))])
    assert counts.reasons["dicom", "ignored", "rejected-113037"] == 1
    assert made.exam.instance_count == 2
    made.loader.load([document(whole(1, 2, 3, rejected={f"{UID}.1.{n}": "113001" for n in (1, 2, 3)}))])
    assert made.reports == {}


def test_an_instance_that_moves_to_another_series_leaves_the_first() -> None:
    moved = instance(1, SeriesInstanceUID=f"{UID}.2")
    made = house(whole(1, 2), series_document(UID, f"{UID}.2", array([moved]), {}))
    counted = {one.series_uid: one.instances for one in made.store.of("h1").series.values() if one.instances}
    assert counted == {f"{UID}.1": 1, f"{UID}.2": 1}


def test_items_of_another_series_are_refused_and_not_counted() -> None:
    strange = instance(1, SeriesInstanceUID=f"{UID}.2")
    made = house(series_document(UID, SERIES, array([SLICES[0], strange]), {}))
    assert made.exam.instance_count == 1
    assert [code for _, code in made.rejected] == ["other-series"]


def test_retrying_and_loading_again_resurrects_nothing_that_is_gone() -> None:
    gone = deletion_document([f"{UID}/{SERIES}"], "113037")
    made = house(whole(1, 2), gone)
    made.loader.load([document(whole(1, 2))], again=True)
    assert made.reports == {}


def test_retrying_a_document_with_a_bad_item_doubles_none_of_the_good_ones() -> None:
    items = json.loads(array(SLICES))
    del items[1]["00100020"]
    for body in (json.dumps(items).encode(), series_document(UID, SERIES, json.dumps(items).encode(), {})):
        made = house(body)
        assert [place for place, _ in made.rejected] == ["[1]"]
        made.loader.retry()
        assert made.exam.instance_count == 3
        assert len(made.store.of("h1").rejected) == 2, "what is refused again waits again"


def test_reading_all_that_is_stored_again_leaves_every_exam_as_it_is() -> None:
    made = house(whole(1, 2, 3), document(array([instance(1, StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1")])))
    before = made.reports
    made.loader.read_again()
    assert made.reports == before


def test_loading_again_in_the_order_of_arrival_ends_where_it_was() -> None:
    steps = [whole(1, 2, 3), deletion_document([f"{UID}/{SERIES}"], "x"), whole(1, 2, 3), whole(1, 2)]
    made = house(*steps)
    for one in steps:
        made.loader.load([document(one)], again=True)
    assert made.exam.instance_count == 2


def test_names_in_every_character_set_are_the_same_person() -> None:
    for label, codec in (("GB18030", "gb18030"), ("ISO_IR 192", "utf-8"), ("ISO_IR 100", "gbk")):
        (one,) = named("胸部CT", label, codec)
        ((_, read),) = read_dicom_json(array([one.body]), ZONE).instances
        assert read.patient_names == ("张伟",)


def test_one_instance_given_twice_is_one_and_where_the_two_differ_is_none() -> None:
    other = instance(2, ImageLaterality="R")
    counts = House().loader.load([document(series_document(UID, SERIES, array([*SLICES, SLICES[2]]), {}))])
    assert counts.outcomes["dicom", "new"] == 4
    made = house(series_document(UID, SERIES, array([SLICES[0], SLICES[1], other]), {}))
    assert made.exam.instance_count == 1
    assert [code for _, code in made.rejected] == ["instance-twice"]
