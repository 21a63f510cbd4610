"""DICOM JSON says what the file says, is counted like it, and no bytes make its reader fail."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from service.ingest.dicom.header import read_dicom
from service.ingest.dicom.json_model import deletion_document, read_dicom_json, series_document
from service.ingest.pipeline import Document
from tests.support.dicom import UID, instance
from tests.support.dicom_json import array, document
from tests.support.fhir import House

ZONE = ZoneInfo("Asia/Shanghai")
LATIN_1 = "".join(map(chr, range(0x80, 0x100)))  # in JSON `°¤` is no other than `挨` misread by the archive
TEXT = st.text(
    st.characters(codec="gb2312", exclude_categories=("Cc",), exclude_characters="\\" + LATIN_1), max_size=12
)
HAN = st.text(st.characters(codec="gb2312", min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=3)
LATIN = st.from_regex(r"[A-Z][a-z]{0,8}", fullmatch=True)
SIDES = st.sampled_from(["L", "R", "B", "U", ""])


def coded(code: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "99LOCAL", meaning
    return item


HEADERS = st.fixed_dictionaries(
    {"PatientName": st.builds("{}^{}={}^{}".format, LATIN, LATIN, HAN, HAN) | HAN},
    optional={
        "StudyDescription": TEXT, "SeriesDescription": TEXT, "ProtocolName": TEXT, "Laterality": SIDES,
        "ImageLaterality": SIDES, "ContrastBolusAgent": TEXT, "BodyPartExamined": st.sampled_from(["KNEE", "L SPINE"]),
        "SliceThickness": st.sampled_from(["5", "1.25", "0.625"]), "KVP": st.sampled_from(["120", "100"]),
        "AccessionNumber": st.from_regex(r"[A-Z0-9]{0,12}", fullmatch=True),
        "ImageType": st.lists(st.sampled_from(["ORIGINAL", "PRIMARY", "LOCALIZER", "AXIAL"]), max_size=4),
        "OtherPatientIDs": st.lists(st.from_regex(r"[A-Z0-9]{1,8}", fullmatch=True), max_size=3),
        "StudyDate": st.sampled_from(["20261118", "", "20260229"]),
        "AcquisitionTime": st.sampled_from(["101500.25", ""]),
        "PatientSex": st.sampled_from(["M", "F", "O", ""]), "PatientBirthDate": st.sampled_from(["19800512", ""]),
        "CTDIvol": st.floats(0, 100, width=32),
        "ProcedureCodeSequence": st.lists(st.builds(coded, LATIN, HAN), max_size=2),
    },
)  # fmt: skip


@settings(deadline=None)
@given(HEADERS)
def test_json_says_what_the_file_says(header: dict[str, Any]) -> None:
    file = instance(1, SpecificCharacterSet="ISO_IR 192", **header).body
    by_file = read_dicom(file, ZONE)
    ((_, by_json),) = read_dicom_json(array([file]), ZONE).instances
    told = [
        {name: getattr(one, name) for name in one.__slots__ if name != "header_bytes"} for one in (by_file, by_json)
    ]
    assert told[0] == told[1]


SLICES = [instance(n) for n in range(1, 4)]
GONE = document(deletion_document([f"{UID}/{UID}.1"], "x"))
MEMBERS = st.lists(st.integers(1, 3), unique=True)


def _whole(numbers: list[int]) -> Document:
    return document(series_document(UID, f"{UID}.1", array(SLICES[n - 1] for n in numbers), {}))


STEPS = st.lists(
    st.one_of(
        MEMBERS.map(lambda numbers: (_whole(numbers), "whole", numbers)),
        st.just((GONE, "whole", [])),
        st.integers(1, 3).map(lambda n: (document(deletion_document([f"{UID}.1.{n}"], "x")), "without", [n])),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=60)
@given(STEPS, st.lists(st.booleans(), min_size=6, max_size=6))
def test_what_is_counted_is_what_was_said_last_however_it_is_cut_into_batches(
    steps: list[tuple[Document, str, list[int]]], cuts: list[bool]
) -> None:
    expected: set[int] = set()
    for _, kind, numbers in steps:
        expected = set(numbers) if kind == "whole" else expected - set(numbers)
    house = House()
    batch: list[Document] = []
    for (one, _, _), cut in zip(steps, cuts, strict=False):
        batch.append(one)
        if cut:
            house.loader.load(batch)
            batch = []
    house.loader.load(batch)
    counted = sum(one.instances for one in house.store.of("h1").series.values())
    assert counted == len(expected)
    assert len(house.reports) == bool(expected)


TAGS = ["0020000D", "0020000E", "00080018", "00100020", "00100010", "00081032", "vr", "Value", "Alphabetic", "series",
        "instances", "rejected", "deleted"]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TAGS) | st.text(max_size=3), inner),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_any_json_is_read_or_told_with_a_reason(given_value: Any) -> None:
    found = read_dicom_json(json.dumps(given_value).encode(), ZONE)
    assert found.instances or found.problems or found.deleted or found.series or given_value == []


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"[", b'[{"0020000D":', b'{"series":"1/2","instances":']))
def test_any_bytes_are_read_or_told_with_a_reason(body: bytes, start: bytes) -> None:
    found = read_dicom_json(start + body, ZONE)
    assert found.problems or found.series or (start + body).strip() == b"[]"
