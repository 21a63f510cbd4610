"""Whatever callers write into headers and queries of DICOMweb is understood or refused, and never asks too widely."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from service.dicomweb.accept import DICOM, choose_form, choose_picture, read_accept, require_json
from service.dicomweb.questions import read_question
from service.dicomweb.views import read_view
from service.domain.errors import InvalidInput
from service.edge.errors import NotAcceptable
from service.ingest.archive import is_exact, is_uid

ACCEPT = st.lists(
    st.sampled_from(["multipart/related", "application/dicom", "*/*", "image/png", ";", ",", '"', "type=", "q=", "0.5",
                     "transfer-syntax=", "*", "1.2.840.10008.1.2.1", " ", "\\", "nan"]) | st.text(max_size=3)
).map("".join)  # fmt: skip
KEYS = st.sampled_from([
    "StudyInstanceUID", "0020000D", "PatientID", "00100020", "AccessionNumber", "StudyDate", "Modality", "limit",
    "offset", "SOPInstanceUID", "includefield", "PatientName",
])  # fmt: skip
WRITTEN = ["1.2.3", "1.2.3,1.2.4", "*", "A?", "A\\B", "", " ", "20260101-", "CT", "5"]
VALUES = st.sampled_from(WRITTEN) | st.text(max_size=8)
VIEWS = st.dictionaries(
    st.sampled_from(["viewport", "window", "quality", "annotation"]), st.text("0123456789,.-einflar", max_size=20)
)


@given(ACCEPT)
def test_any_accept_header_is_understood_or_refused(text: str) -> None:
    accepted = read_accept(text)
    with suppress(NotAcceptable):
        form = choose_form(accepted, DICOM, is_single=True)
        assert form.transfer_syntax == "*" or is_uid(form.transfer_syntax)
    with suppress(NotAcceptable):
        assert choose_picture(accepted) in ("image/jpeg", "image/png")
    with suppress(NotAcceptable):
        require_json(accepted)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=5))
def test_any_search_names_something_exactly_or_is_refused(query: list[tuple[str, str]]) -> None:
    with suppress(InvalidInput):
        question = read_question(query)
        wanted = question.wanted
        assert wanted.study_uids or wanted.patient_id or wanted.accession
        assert all(map(is_uid, wanted.study_uids))
        assert all(is_exact(one) for one in (wanted.patient_id, wanted.accession) if one)
        assert 0 <= question.limit <= 1000
        assert question.offset >= 0


@given(VIEWS)
def test_any_view_is_understood_or_refused(query: dict[str, str]) -> None:
    with suppress(InvalidInput):
        view = read_view(query, "image/png", is_thumbnail=False)
        assert view.viewport is None or all(0 < one <= 8192 for one in view.viewport)
        assert view.window is None or view.window[1] > 0
        assert view.quality is None or 1 <= view.quality <= 100
