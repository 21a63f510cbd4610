"""Rejection notes: which images each title takes away, and that doubt takes away all."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr import codes
from pydicom.sr.coding import Code

from service.ingest.dicom.elements import read_header
from service.ingest.dicom.json_model import JsonValues, series_document
from service.ingest.dicom.rejections import UNREADABLE, Rejections, read_rejections
from service.ingest.dicom.values import FileValues
from service.ingest.pipeline import Document
from tests.support.archives import Instance, ct, rejection_note
from tests.support.dicom_json import array, document
from tests.support.fhir import House

IMAGES = ct(n=3, size=8)
UIDS = [one.sop_uid for one in IMAGES]
OF_REJECTION = {"113001", "113037", "113038", "113039"}


def note(code: str = "113001", count: int = 1, **more: Any) -> Dataset:
    return pydicom.dcmread(io.BytesIO(rejection_note(IMAGES[:count], code, **more).body))


def file(one: Dataset) -> bytes:
    written = io.BytesIO()
    pydicom.dcmwrite(written, one)
    return written.getvalue()


def read(*notes: Dataset) -> Rejections:
    """As the file says, and as its JSON says: the same."""
    of_files = read_rejections([FileValues(read_header(file(one)).dataset, ("",)) for one in notes])
    assert of_files == read_rejections([JsonValues(one.to_json_dict()) for one in notes])
    return of_files


@pytest.mark.parametrize("code", ["113001", "113039"])
def test_quality_and_expiry_take_out_the_images_they_name_and_the_note_itself(code: str) -> None:
    one = note(code, 2)
    found = read(one)
    assert (found.study, dict(found.images)) == ("", dict.fromkeys(UIDS[:2], code))
    assert found.left_out == {*UIDS[:2], one.SOPInstanceUID}
    assert [found.code_of(uid) for uid in UIDS] == [code, code, ""]


@pytest.mark.parametrize("code", ["113037", "113038"])
def test_patient_safety_and_wrong_worklist_entry_take_the_whole_study(code: str) -> None:
    found = read(note(code), note("113001"))
    assert found.study == code
    assert found.code_of(UIDS[2]) == code


@pytest.mark.parametrize("code", ["9999", "113040", "Rejected"])
def test_title_that_is_not_known_takes_the_whole_study(code: str) -> None:
    assert read(note(code)).study == "unknown-note"


def test_titles_of_the_standard_that_reject_nothing_take_nothing() -> None:
    known = (getattr(codes.cid7010, name) for name in dir(codes.cid7010))
    titles = {one.value for one in known if isinstance(one, Code)} - OF_REJECTION
    assert len(titles) > 60
    assert [one for one in titles if read(note(one)) != Rejections()] == []


def test_same_number_in_another_scheme_is_another_title() -> None:
    other = note("113000")
    other.ConceptNameCodeSequence[0].CodingSchemeDesignator = "99LOCAL"
    assert read(other).study == "unknown-note"


def without_title(one: Dataset) -> None:
    del one.ConceptNameCodeSequence


def without_evidence(one: Dataset) -> None:
    del one.CurrentRequestedProcedureEvidenceSequence


def without_series(one: Dataset) -> None:
    del one.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence


def without_instances(one: Dataset) -> None:
    one.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence = []


def without_a_uid(one: Dataset) -> None:
    series = one.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = ""


@pytest.mark.parametrize("spoil", [without_title, without_evidence, without_series, without_instances, without_a_uid])
def test_note_that_does_not_say_what_it_rejects_takes_the_whole_study(spoil: Any) -> None:
    one = note(count=2)
    spoil(one)
    assert read(one).study == UNREADABLE


def test_note_that_could_not_be_had_takes_the_whole_study() -> None:
    assert read_rejections([None]).study == UNREADABLE
    assert read_rejections([]) == Rejections()


def content(uid: str, depth: int) -> Dataset:
    """An image reference below so many containers."""
    item, referenced = Dataset(), Dataset()
    referenced.ReferencedSOPInstanceUID = uid
    item.ReferencedSOPSequence = [referenced]
    for _ in range(depth):
        above = Dataset()
        above.ContentSequence = [item]
        item = above
    return item


def test_images_of_the_content_tree_count_like_those_of_the_evidence() -> None:
    one = note()
    one.ContentSequence = [content(UIDS[1], 0), content(UIDS[2], 3)]
    assert set(read(one).images) == set(UIDS)


def test_content_that_is_nested_beyond_reason_takes_the_whole_study() -> None:
    one = note()
    one.ContentSequence = [content(UIDS[1], 40)]
    assert read(one).study == UNREADABLE


# -- notes that arrive as files: pushed, or loaded --------------------------------------------------------------------

QUALITY, SAFETY = rejection_note(IMAGES[:1]), rejection_note(IMAGES[:1], "113037")


def counted(*batches: list[Instance], again: bool = False) -> int:
    """How many instances count once these files have come, batch after batch."""
    house = House()
    for one in batches:
        house.loader.load([Document("dicom", f"{k}.dcm", file.body) for k, file in enumerate(one)])
    if again:
        house.loader.load([Document("dicom", "a.dcm", file.body) for one in batches for file in one], again=True)
    return sum(one.instances for one in house.store.of("h1").series.values())


@pytest.mark.parametrize(("note", "left"), [(QUALITY, 2), (SAFETY, 0)])
def test_note_counts_before_after_and_among_the_images_and_again(note: Instance, left: int) -> None:
    for batches in (
        [IMAGES, [note]], [[note], IMAGES], [[*IMAGES, note]], [[note, *IMAGES]], [IMAGES, [note], IMAGES],
        [IMAGES[:1], [note], IMAGES[1:]],
    ):  # fmt: skip
        assert counted(*batches) == left
        assert counted(*batches, again=True) == left


def test_note_of_one_study_leaves_another_as_it_is() -> None:
    other = ct(n=2, name="other", size=8)
    assert counted(IMAGES, other, [SAFETY]) == 2


def test_archive_that_states_a_series_again_has_the_last_word() -> None:
    house = House()
    house.loader.load([Document("dicom", "n.dcm", SAFETY.body)])
    stated = series_document(IMAGES[0].study_uid, IMAGES[0].series_uid, array(one.body for one in IMAGES), {})
    house.loader.load([document(stated)])
    assert house.exam.instance_count == 3
