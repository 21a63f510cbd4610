"""Headers of DICOM instances, from files made here and from every file that pydicom ships."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from struct import pack, unpack_from
from zoneinfo import ZoneInfo

import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from service.domain.codes import LOINC, SNOMED_CT
from service.domain.times import Precision
from service.ingest.dicom.header import UnreadableDicom, read_dicom, read_names, series_facts
from service.ingest.dicom.times import read_date, read_time

SHANGHAI = ZoneInfo("Asia/Shanghai")
Change = Callable[[Dataset], None]


def instance(change: Change | None = None, syntax: str = ExplicitVRLittleEndian, pixels: bytes = b"\1\2" * 50) -> bytes:
    """A CT instance of a synthetic patient, as bytes."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "GB18030"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.SOPInstanceUID = "1.2.3.4.5.1"
    dataset.StudyInstanceUID = "1.2.3.4"
    dataset.SeriesInstanceUID = "1.2.3.4.5"
    dataset.PatientID = "A000123"
    dataset.IssuerOfPatientID = "HOSPA"
    dataset.PatientName = "Zhang^Wei=张^伟"
    dataset.PatientBirthDate = "19851123"
    dataset.PatientSex = "F"
    dataset.Modality = "CT"
    dataset.BodyPartExamined = "CHEST"
    dataset.StudyDescription = "胸部CT平扫"
    dataset.StudyDate, dataset.StudyTime = "20251120", "093012"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.AccessionNumber = "ACC1"
    if change:
        change(dataset)
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OW"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = "1.2.3.4.5.1"
    meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    file = FileDataset(buffer, dataset, b"\0" * 128, meta, is_implicit_VR=implicit, is_little_endian=little)
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def setting(**values: object) -> Change:
    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


def edited(body: bytes, tag: int, vr: bytes, value: bytes) -> bytes:
    """The file with one short element's bytes as a device wrote them; pydicom itself refuses to write such values."""
    mark = pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    start = body.index(mark)
    (length,) = unpack_from("<H", body, start + 6)
    value += b" " * (len(value) % 2)
    return body[:start] + mark + pack("<H", len(value)) + value + body[start + 8 + length :]


def code_item(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def test_instance_says_what_its_header_says() -> None:
    found = read_dicom(instance(), SHANGHAI)
    assert (found.study_uid, found.series_uid, found.sop_uid) == ("1.2.3.4", "1.2.3.4.5", "1.2.3.4.5.1")
    assert (found.patient_id, found.issuer, found.birth_date, found.sex) == ("A000123", "HOSPA", "1985-11-23", "female")
    assert found.patient_names == ("Zhang Wei", "Wei Zhang", "张伟")
    assert found.accession == "ACC1"
    assert found.facts["Modality"] == "CT"
    assert found.facts["StudyDescription"] == "胸部CT平扫"
    assert found.facts["ImageType"] == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert found.study_started is not None
    assert found.study_started.start == datetime(2025, 11, 20, 9, 30, 12, tzinfo=SHANGHAI)
    assert found.zone_assumed
    assert found.repairs == ()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_encoding_gives_the_same(syntax: str) -> None:
    one, other = read_dicom(instance(syntax=syntax)), read_dicom(instance())
    assert {name: getattr(one, name) for name in one.__slots__ if name != "header_bytes"} == {
        name: getattr(other, name) for name in other.__slots__ if name != "header_bytes"
    }


def test_header_bytes_end_where_the_pixels_start_and_read_the_same_again() -> None:
    whole = instance(pixels=b"\xab\xcd" * 5000)
    found = read_dicom(whole)
    assert whole.startswith(found.header_bytes)
    assert b"\xab\xcd" not in found.header_bytes
    assert whole[len(found.header_bytes) :].startswith(b"\xe0\x7f\x10\x00")
    assert read_dicom(found.header_bytes) == found


def test_file_is_read_as_its_bytes_even_with_a_long_header(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    others = [code_item("1", "99X", "x" * 60) for _ in range(1500)]
    body = instance(setting(ProcedureCodeSequence=others), pixels=b"\1\2" * 90_000)
    assert len(read_dicom(body).header_bytes) > 100_000
    path.write_bytes(body)
    assert read_dicom(path) == read_dicom(body)


def test_wrong_character_set_is_repaired_and_told() -> None:
    body = instance(setting(StudyDescription="CT"))
    body = edited(body, 0x00080005, b"CS", b"ISO_IR 100")
    found = read_dicom(edited(body, 0x00100010, b"PN", "李^敏".encode("gbk")))
    assert found.patient_names == ("李敏",)
    assert found.repairs == ("gb18030",)


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({"StudyTime": "9:30:12"}, datetime(2025, 11, 20, 9, 30, 12, tzinfo=SHANGHAI)),
        ({"StudyTime": "093012.1234567"}, datetime(2025, 11, 20, 9, 30, 12, 123456, tzinfo=SHANGHAI)),
        ({"SeriesDate": "20251121", "SeriesTime": "0800"}, datetime(2025, 11, 21, 8, tzinfo=SHANGHAI)),
        (
            {"SeriesDate": "20251121", "AcquisitionDate": "20251122", "AcquisitionTime": "07"},
            datetime(2025, 11, 22, 7, tzinfo=SHANGHAI),
        ),
        ({"TimezoneOffsetFromUTC": "+0000"}, datetime(2025, 11, 20, 9, 30, 12, tzinfo=UTC)),
        (
            {"AcquisitionDateTime": "20251122070000.5-0500"},
            datetime(2025, 11, 22, 7, 0, 0, 500000, tzinfo=timezone(timedelta(hours=-5))),
        ),
        ({"AcquisitionDate": "nonsense"}, datetime(2025, 11, 20, 9, 30, 12, tzinfo=SHANGHAI)),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_started_is_acquisition_then_series_then_study(values: dict[str, str], start: datetime) -> None:
    with pydicom.config.disable_value_validation():
        found = read_dicom(instance(setting(**values)), SHANGHAI)
    assert found.study_started is not None
    assert found.study_started.start == start
    assert found.facts["started"] == start.astimezone(UTC).isoformat()


@pytest.mark.parametrize("time", ["250000", "", "ab", "126000"])
def test_unusable_time_leaves_the_day(time: str) -> None:
    found = read_dicom(edited(instance(), 0x00080030, b"TM", time.encode()), SHANGHAI)
    assert found.study_started is not None
    assert found.study_started.precision is Precision.DAY
    assert found.facts["started"] == "2025-11-20"


def test_no_date_at_all_is_no_time() -> None:
    found = read_dicom(edited(instance(), 0x00080020, b"DA", b"unknown "), SHANGHAI)
    assert found.study_started is None
    assert "started" not in found.facts


@pytest.mark.parametrize(
    ("text", "read"),
    [("20251120", "2025-11-20"), ("2025.11.20", "2025-11-20"), ("2025-1-2", "2025-01-02"), ("202511", "2025-11"),
     ("2025", "2025"), ("20251345", None), ("19850230", None), ("", None), ("20251", None)],
)  # fmt: skip
def test_dates_as_devices_write_them(text: str, read: str | None) -> None:
    assert read_date(text) == read


@pytest.mark.parametrize(("text", "read"), [("9", None), ("093", None), ("23:59:60", "23:59:60"), ("24:00", None)])
def test_times_as_devices_write_them(text: str, read: str | None) -> None:
    assert read_time(text) == read


def test_coded_facts_are_kept_with_their_system() -> None:
    request = Dataset()
    request.RequestedProcedureDescription = "胸部CT增强"
    request.RequestedProcedureCodeSequence = [code_item("24628-0", "LN", "CT Chest W contrast")]
    found = read_dicom(
        instance(
            setting(
                AnatomicRegionSequence=[code_item("51185008", "SCT", "Chest")],
                RequestAttributesSequence=[request],
                ContrastBolusAgentSequence=[code_item("C-B0317", "SRT", "碘海醇")],
                ImageLaterality="L",
                CTDIvol=7.5,
            )
        )
    )
    assert found.facts["AnatomicRegionSequence"] == [[SNOMED_CT, "51185008", "Chest"]]
    assert found.facts["RequestedProcedureCodeSequence"] == [[LOINC, "24628-0", "CT Chest W contrast"]]
    assert found.facts["RequestedProcedureDescription"] == "胸部CT增强"
    assert found.facts["ContrastBolusAgent"] == "碘海醇"
    assert found.facts["Laterality"] == "L"
    assert found.facts["CTDIvol"] == 7.5


def test_side_and_region_of_an_enhanced_image_are_in_its_functional_groups() -> None:
    anatomy = Dataset()
    anatomy.FrameLaterality = "R"
    anatomy.AnatomicRegionSequence = [code_item("72696002", "SCT", "Knee")]
    shared = Dataset()
    shared.FrameAnatomySequence = [anatomy]
    found = read_dicom(instance(setting(SharedFunctionalGroupsSequence=[shared])))
    assert found.facts["Laterality"] == "R"
    assert found.facts["AnatomicRegionSequence"] == [[SNOMED_CT, "72696002", "Knee"]]


def test_other_patient_ids_are_read_from_their_sequence() -> None:
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID, other.TypeOfPatientID = "22010219851123004X", "MPS", "TEXT"
    found = read_dicom(instance(setting(OtherPatientIDsSequence=[other])))
    assert found.other_ids == (("22010219851123004X", "MPS", "TEXT"),)
    assert found.patient_id == "A000123"  # the one inside the sequence is not the patient's own


@pytest.mark.parametrize(
    ("text", "names"),
    [("张^伟", ("张伟",)), ("ZHANG^WEI^^^", ("ZHANG WEI", "WEI ZHANG")), ("Li", ("Li",)), ("", ()), ("^^^=", ()),
     ("Wang^XiaoDong=王^小東=", ("Wang XiaoDong", "XiaoDong Wang", "王小東")), ("欧阳 娜", ("欧阳 娜",))],
)  # fmt: skip
def test_every_spelling_of_a_name_is_given(text: str, names: tuple[str, ...]) -> None:
    assert read_names(text) == names


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "vr", "value", "code"),
    [
        (0x0020000D, b"UI", b"../../etc/passwd", "invalid-uid"),
        (0x0020000E, b"UI", b"1.02.3", "invalid-uid"),
        (0x00080018, b"UI", b"1." + b"2" * 64, "invalid-uid"),
        (0x0020000D, b"UI", b"", "invalid-uid"),
        (0x00100020, b"LO", b"   ", "no-patient-id"),
    ],
)
def test_instance_that_does_not_say_where_it_belongs_is_refused(tag: int, vr: bytes, value: bytes, code: str) -> None:
    with pytest.raises(UnreadableDicom) as refused:
        read_dicom(edited(instance(), tag, vr, value))
    assert refused.value.reason_code == code
    assert "passwd" not in refused.value.message


@pytest.mark.parametrize("body", [b"", b"DICM", b"{}" * 100, b"\0" * 132 + b"DICM", b"MSH|^~\\&|" * 40])
def test_what_is_no_dicom_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableDicom) as refused:
        read_dicom(body)
    assert refused.value.reason_code == "not-dicom"


def test_deflated_file_is_refused_without_inflating_it() -> None:
    plain = instance()
    start = plain.index(b"\x08\x00\x05\x00")
    squeeze = zlib.compressobj(wbits=-15)
    bomb = squeeze.compress(b"\0" * 50_000_000) + squeeze.flush()
    meta = instance()[:start].replace(b"1.2.840.10008.1.2.1\0", DeflatedExplicitVRLittleEndian.encode())
    meta = meta.replace(b"UI\x14\x001.2.840.10008.1.2.1.99", b"UI\x16\x001.2.840.10008.1.2.1.99")
    with pytest.raises(UnreadableDicom) as refused:
        read_dicom(meta + bomb)
    assert refused.value.reason_code == "deflated"


def nested(depth: int, closed: bool) -> bytes:
    head = instance()
    head = head[: head.index(b"\xe0\x7f\x10\x00")]
    opening = b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    return head + opening * depth + closing * depth * closed


@pytest.mark.parametrize("closed", [False, True])
def test_nesting_without_end_is_refused(closed: bool) -> None:
    assert read_dicom(nested(64, closed)).study_uid == "1.2.3.4"
    for depth in (65, 100, 5000):
        with pytest.raises(UnreadableDicom) as refused:
            read_dicom(nested(depth, closed))
        assert refused.value.reason_code == "too-deep"


def test_header_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.ingest.dicom.elements.MAX_HEADER", 1000)
    assert len(read_dicom(instance(pixels=b"\1\2" * 1000)).header_bytes) < 1000
    with pytest.raises(UnreadableDicom) as refused:
        read_dicom(instance(setting(ImageComments="x" * 1000)))
    assert refused.value.reason_code == "header-too-large"


def test_one_bad_element_does_not_lose_the_file() -> None:
    body = edited(instance(setting(InstanceNumber="1", SliceThickness="5")), 0x00200013, b"IS", b"1A")
    found = read_dicom(edited(body, 0x00180050, b"DS", b"5.0mm"))
    assert found.patient_id == "A000123"


def test_file_cut_off_in_its_header_gives_what_came_before() -> None:
    whole = instance(setting(ImageComments="the last element of the header"))
    cut = whole[: whole.index(b"\xe0\x7f\x10\x00") - 5]
    assert read_dicom(cut).study_uid == "1.2.3.4"


def test_value_that_is_cut_off_is_not_read_as_a_shorter_one() -> None:
    whole = instance()
    series = whole.index(b"\x20\x00\x0e\x00UI") + 8
    assert whole[series:].startswith(b"1.2.3.4.5\0")
    with pytest.raises(UnreadableDicom, match="SeriesInstanceUID is missing"):
        read_dicom(whole[: series + len("1.2.3.4")])


def test_character_set_that_pydicom_cannot_read_does_not_lose_the_file() -> None:
    found = read_dicom(edited(instance(), 0x00080005, b"CS", b"GB\x0018030"))
    assert found.patient_names == ("Zhang Wei", "Wei Zhang", "张伟")


def test_odd_values_are_neither_logged_nor_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "odd.dcm"
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 100"
    item.CTDIvol = 1.0
    body = instance(setting(RequestAttributesSequence=[item]))
    body = body.replace(b"ISO_IR 100", b"ZHANG_WEI^").replace(b"GB18030 ", b"ZHANGWEI")
    path.write_bytes(edited(body, 0x00080020, b"DA", b"ZHANG WEI"))
    code = "import pathlib; from service.ingest.dicom.header import read_dicom; "
    code += f"read_dicom(pathlib.Path({str(path)!r}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")


def test_file_without_preamble_is_read() -> None:
    whole = instance()
    found = read_dicom(whole[132:])
    assert found.sop_uid == "1.2.3.4.5.1"


def test_series_start_with_their_earliest_slice() -> None:
    slices = [
        read_dicom(instance(setting(AcquisitionDate="20251120", AcquisitionTime=time)), SHANGHAI)
        for time in ("093015", "093013", "093014")
    ]
    (series,) = series_facts(slices)
    assert series.instances == 3
    assert series.facts["started"] == "2025-11-20T01:30:13+00:00"


# --- the files that pydicom ships -------------------------------------------------------------------------------------

SHIPPED = sorted(
    path
    for path in (Path(pydicom.__file__).parent / "data").rglob("*")
    if path.is_file() and path.suffix in (".dcm", "") and path.name != "README"
)


def test_every_file_that_pydicom_ships_is_read_or_refused_with_a_reason() -> None:
    read, refused = 0, {}
    for path in SHIPPED:
        try:
            read_dicom(path)
            read += 1
        except UnreadableDicom as error:
            refused[path.name] = error.reason_code
    assert read > 100
    assert set(refused.values()) <= {"deflated", "not-an-instance", "no-patient-id", "invalid-uid", "not-dicom"}
    assert refused["image_dfl.dcm"] == "deflated"
    assert refused["DICOMDIR"] == "not-an-instance"
    assert refused["test-SR.dcm"] == "no-patient-id"


def test_values_are_those_pydicom_reads() -> None:
    keywords = ("Modality", "BodyPartExamined", "StudyDescription", "SeriesDescription", "AccessionNumber")
    compared = 0
    for path in SHIPPED:
        try:
            found = read_dicom(path)
        except UnreadableDicom:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            assert (found.study_uid, found.series_uid, found.sop_uid, found.patient_id) == (
                expected.StudyInstanceUID, expected.SeriesInstanceUID, expected.SOPInstanceUID, expected.PatientID,
            )  # fmt: skip
            for keyword in keywords:
                assert found.facts.get(keyword, "") == str(expected.get(keyword, "")).strip(), (path.name, keyword)
        compared += 1
    assert compared > 100
