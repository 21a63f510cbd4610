"""The DICOM JSON that is composed of answers and headers."""

from __future__ import annotations

import json
import struct
from datetime import UTC
from typing import Any

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from adapters.dimse.compose import compose, encode, merged, shared, texts, to_json
from service.ingest.dicom.json_model import JsonValues, read_dicom_json
from service.ingest.dicom.values import FileValues


def raw(**values: bytes | tuple[str, bytes]) -> Dataset:
    """A data set of raw values by hexadecimal tag (`t00100020`), with the VR where one is given."""
    made = {}
    for name, given in values.items():
        vr, value = given if isinstance(given, tuple) else (None, given)
        tag = Tag(int(name[1:], 16))
        made[tag] = RawDataElement(tag, vr, len(value), value, 0, True, True)
    return Dataset(made)


@pytest.mark.parametrize(
    ("label", "name", "text"),
    [
        (b"GB18030", "张^伟".encode("gb18030"), "胸部".encode("gb18030")),
        (b"ISO_IR 192", "张^伟".encode(), "胸部".encode()),
        (b"ISO_IR 100", "张^伟".encode("gbk"), "胸部".encode("gbk")),
        (b"\\ISO 2022 IR 58", b"\x1b$)A" + "张^伟".encode("gb2312"), b"\x1b$)A" + "胸部".encode("gb2312")),
        (b"ISO_IR192", "张^伟".encode(), "胸部".encode()),
    ],
)
def test_text_is_decoded_from_its_bytes(label: bytes, name: bytes, text: bytes) -> None:
    data = raw(t00080005=("CS", label), t00100010=("PN", name), t00081030=("LO", text))
    found = JsonValues(to_json(data, ("",)))
    assert (found.text(0x00100010), found.text(0x00081030)) == ("张^伟", "胸部")


def test_every_group_of_a_name_stays_in_its_place() -> None:
    found = to_json(raw(t00100010=("PN", "Zhang^Wei=张^伟".encode())), ("IR192",))
    assert found["00100010"]["Value"] == [{"Alphabetic": "Zhang^Wei", "Ideographic": "张^伟"}]


def test_texts_read_from_json_are_those_of_the_file() -> None:
    data = raw(
        t00080008=("CS", b"ORIGINAL\\PRIMARY "), t00180050=("DS", b"5.0mm"), t00200013=("IS", b" 7 "),
        t00104000=("LT", b"a\\b"), t0020000D=("UI", b"1.2.3\0"), t00080020=("DA", b"2026.11.18"),
    )  # fmt: skip
    given, made = FileValues(data, ("",)), JsonValues(to_json(data, ("",)))
    for tag in (0x00080008, 0x00180050, 0x00200013, 0x00104000, 0x0020000D, 0x00080020):
        assert made.text(tag).strip() == given.text(tag).strip(), hex(tag)
        assert made.texts(tag) == given.texts(tag)


def test_numbers_are_read_and_what_json_cannot_say_is_null() -> None:
    found = to_json(
        raw(
            t00280010=("US", b"\x00\x02"), t00189345=("FD", struct.pack("<dd", 12.5, float("nan"))),
            t00281052=("DS", b"-1024"), t00280009=("AT", b"\x18\x00\x63\x10"), t00281053=("FL", b"\0"),
        ),
        ("",),
    )  # fmt: skip
    assert found["00280010"]["Value"] == [512]
    assert found["00189345"]["Value"] == [12.5, None]
    assert found["00280009"]["Value"] == ["00181063"]
    assert "Value" not in found["00281053"]
    assert json.loads(encode(found))


def test_private_bulk_and_overlong_elements_are_left_out() -> None:
    data = raw(
        t00091010=("LO", b"secret"),
        t7FE00010=("OW", b"\0" * 8),
        t00081030=("LO", b"x" * 70_000),
        t00420011=("OB", b"p"),
    )
    assert to_json(data, ("",)) == {}


def test_implicit_values_have_the_vr_of_the_dictionary() -> None:
    found = to_json(raw(t00080060=b"CT", t00280010=b"\x10\x00", t00100010="张^伟".encode("gbk")), ("GB18030",))
    assert found["00080060"] == {"vr": "CS", "Value": ["CT"]}
    assert found["00280010"] == {"vr": "US", "Value": [16]}
    assert found["00100010"]["Value"] == [{"Alphabetic": "张^伟"}]


def test_sequences_are_followed_and_not_for_ever() -> None:
    inner = Dataset()
    inner.CodeValue = "T-D3000"
    for _ in range(20):
        outer = Dataset()
        outer.AnatomicRegionSequence = [inner]
        inner = outer
    depth, node = 0, to_json(inner, ("",))
    while node.get("00082218"):
        depth, node = depth + 1, node["00082218"]["Value"][0]
    assert 5 < depth < 20


def element(value: Any) -> dict[str, Any]:
    return {"vr": "LO", "Value": [value]}


def test_what_is_said_first_stands_and_what_is_empty_is_filled() -> None:
    found = merged(
        {"00081030": element("own"), "00180015": {"vr": "CS"}}, {"00081030": element("x"), "00180015": element("CHEST")}
    )
    assert found["00081030"]["Value"] == ["own"]
    assert found["00180015"]["Value"] == ["CHEST"]
    assert found["00080005"]["Value"] == ["ISO_IR 192"]


def test_the_side_of_an_image_is_shared_in_a_volume_only() -> None:
    header = {"00200062": element("L"), "00200013": element("1"), "00180015": element("KNEE")}
    assert shared(header, is_volume=False).keys() == {"00180015"}
    assert shared(header, is_volume=True).keys() == {"00180015", "00200062"}


def test_document_has_an_instance_for_each_image_whichever_order_they_came_in() -> None:
    study = {"0020000D": element("1.2"), "00100020": element("A1"), "00201208": element("2")}
    series = {"0020000E": element("1.3"), "00080060": element("CT")}
    images = {uid: {"00080018": element(uid)} for uid in ("1.5", "1.4")}
    header = {"00080018": element("1.5"), "00100020": element("A1"), "00180015": element("CHEST")}
    given = (("1.2", "1.3"), study, series)
    bodies = {
        compose(*given, dict(order), {"1.5": header}, shared(header, True), {"1.4": "113001"})
        for order in (images.items(), reversed(images.items()))
    }
    (body,) = bodies
    found = read_dicom_json(body, UTC)
    assert (found.series, found.rejected, found.problems) == ("1.2/1.3", {"1.4": "113001"}, ())
    assert [one.sop_uid for _, one in found.instances] == ["1.4", "1.5"]
    assert all(one.facts["BodyPartExamined"] == "CHEST" for _, one in found.instances)
    assert b"00201208" not in body


def test_texts_follow_a_path_through_all_items() -> None:
    header = {"0040A043": {"vr": "SQ", "Value": [{"00080100": element("113001")}, {"00080100": element("x")}]}}
    assert texts(header, 0x0040A043, 0x00080100) == ["113001", "x"]
    assert texts(header, 0x0040A043, 0x00080102) == []
