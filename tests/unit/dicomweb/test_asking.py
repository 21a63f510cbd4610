"""What callers may ask of DICOMweb and in which form they take it."""

from __future__ import annotations

import time

import pytest

from service.dicomweb.accept import (
    BULK,
    DICOM,
    Form,
    choose_form,
    choose_picture,
    read_accept,
    require_json,
)
from service.dicomweb.questions import Question, read_question
from service.dicomweb.views import read_view
from service.domain.errors import InvalidInput
from service.edge.errors import NotAcceptable
from service.ingest.archive import View
from service.retrieval.search import Wanted

EXPLICIT = "1.2.840.10008.1.2.1"
RELATED = 'multipart/related; type="application/dicom"'


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form(True, EXPLICIT)),
        ("*/*", Form(True, EXPLICIT)),
        ("multipart/related", Form(True, EXPLICIT)),
        (RELATED, Form(True, EXPLICIT)),
        (RELATED.replace('"', ""), Form(True, EXPLICIT)),
        (f"{RELATED}; transfer-syntax=*", Form(True, "*")),
        (f'{RELATED}; transfer-syntax="1.2.840.10008.1.2.4.80"', Form(True, "1.2.840.10008.1.2.4.80")),
        (f"text/html;q=0.9, {RELATED};transfer-syntax=*;q=0.5", Form(True, "*")),
        (f"{RELATED};transfer-syntax=x;q=1, {RELATED};q=0.1", Form(True, EXPLICIT)),
        ("application/dicom;transfer-syntax=*", Form(False, "*")),
    ],
)
def test_form_of_originals(accept: str, form: Form) -> None:
    assert choose_form(read_accept(accept), DICOM, is_single=True) == form


@pytest.mark.parametrize(
    "accept", ["text/html", "application/dicom", f"{RELATED};q=0", 'multipart/related; type="image/jls"']
)
def test_form_that_is_not_given(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        choose_form(read_accept(accept), DICOM, is_single=False)
    with pytest.raises(NotAcceptable):
        choose_form(read_accept('multipart/related; type="image/jpeg"'), BULK, is_single=True)


def test_query_parameter_goes_before_the_header() -> None:
    assert choose_picture(read_accept("image/jpeg", "image/png")) == "image/png"


@pytest.mark.parametrize(
    ("accept", "media"),
    [("", "image/jpeg"), ("image/*", "image/jpeg"), ("image/gif, image/png;q=0.5", "image/png"),
     ("image/jpeg;q=0.1,image/png", "image/png")],
)  # fmt: skip
def test_form_of_pictures(accept: str, media: str) -> None:
    assert choose_picture(read_accept(accept)) == media


def test_json_is_required() -> None:
    require_json(read_accept("application/dicom+json"))
    for accept in ("application/dicom+xml", 'multipart/related; type="application/dicom+xml"', "image/png"):
        with pytest.raises(NotAcceptable):
            require_json(read_accept(accept))
        with pytest.raises(NotAcceptable):
            choose_picture(read_accept("application/json"))


@pytest.mark.parametrize("piece", [',"', ";q=", 'a;b="\\'])
def test_header_of_any_length_is_read_in_no_time(piece: str) -> None:
    text = piece * 1_000_000
    began = time.process_time()
    read_accept(text)
    assert time.process_time() - began < 0.5


def test_question_with_tags_or_keywords() -> None:
    asked = [("0020000D", "1.2.3,1.2.4"), ("ModalitiesInStudy", "ct"), ("StudyDate", "20260101-"), ("limit", "5"),
             ("offset", "2"), ("includefield", "all"), ("fuzzymatching", "true")]  # fmt: skip
    assert read_question(asked) == Question(
        Wanted(("1.2.3", "1.2.4")), ("20260101", ""), frozenset({"CT"}), limit=5, offset=2
    )
    assert read_question([("00100020", " A1 "), ("AccessionNumber", "X")]).wanted == Wanted((), "A1", "X")
    assert read_question([("limit", "999999999")], "1.2.3", "1.2.3.4") == Question(
        Wanted(("1.2.3",)), series_uids=frozenset({"1.2.3.4"})
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PatientID", "*"), ("PatientID", ""), ("PatientID", "A*"), ("PatientID", "A?"), ("PatientID", "A,B"),
        ("PatientID", "A\\B"), ("PatientID", "A\0"), ("AccessionNumber", "*"), ("AccessionNumber", " "),
        ("StudyInstanceUID", "*"), ("StudyInstanceUID", "1.2.*"), ("StudyInstanceUID", ""),
        ("StudyInstanceUID", "1.2,"),
        ("StudyInstanceUID", ",".join(f"1.{n}" for n in range(51))), ("PatientName", "李"), ("00100010", "x"),
        ("patientid", "A1"), ("StudyDate", "20260101"), ("limit", "-1"), ("limit", "x"), ("offset", "1e3"),
    ],
)  # fmt: skip
def test_question_that_would_be_answered_too_widely_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidInput):
        read_question([(name, value)])


@pytest.mark.parametrize(
    ("name", "value"),
    [("StudyDate", "2026"), ("StudyDate", "-"), ("StudyDate", "20260101-x"), ("Modality", "C T"), ("limit", "x"),
     ("StudyInstanceUID", "1.2.4"), ("unknown", "1")],
)  # fmt: skip
def test_faulty_key_beside_a_good_one_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidInput):
        read_question([("StudyInstanceUID", "1.2.3"), (name, value)])


def test_key_that_contradicts_the_path_or_is_given_twice_is_refused() -> None:
    for query in (
        [("StudyInstanceUID", "1.2.4")], [("SeriesInstanceUID", "1.2.3.5")],
        [("limit", "1"), ("limit", "5")], [("Modality", "CT"), ("00080060", "MR")],
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            read_question(query, "1.2.3", "1.2.3.4")
    assert read_question([("StudyInstanceUID", "1.2.3")], "1.2.3").wanted == Wanted(("1.2.3",))


def test_view_is_read_as_the_standard_writes_it() -> None:
    query = {"viewport": "512,256", "window": "-600,1500,linear-exact", "quality": "80"}
    assert read_view(query, "image/png", is_thumbnail=False) == View(
        "image/png", (512, 256), (-600.0, 1500.0, "LINEAR_EXACT"), 80
    )
    assert read_view({"window": "40,400"}, "image/jpeg", is_thumbnail=True) == View(
        "image/jpeg", window=(40.0, 400.0, "LINEAR"), thumbnail=True
    )


@pytest.mark.parametrize(
    "window", ["nan,1,linear", "1,inf,linear", "1,1e300,sigmoid", "1,0.5,linear", "1,-1,sigmoid", "1,2,3,4"]
)
def test_window_that_cannot_be_is_refused(window: str) -> None:
    with pytest.raises(InvalidInput):
        read_view({"window": window}, "image/png", is_thumbnail=False)
