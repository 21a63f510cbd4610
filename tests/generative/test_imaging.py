"""Imaging facts hold under any input: nothing raises, order does not matter, and doubt never becomes certainty."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.ingest.dicom.charsets import decode_text, read_terms
from service.ingest.dicom.header import UnreadableDicom, read_dicom
from service.ingest.imaging.facts import ExamFacts, PartFacts
from service.ingest.imaging.lexicon import fold
from service.ingest.imaging.resolve import resolve_exam
from service.ingest.imaging.words import read_words
from service.reference.catalogue_file import package_catalogue

CATALOGUE = package_catalogue()
WORDS = st.sampled_from(
    ["胸部", "上腹部", "头颅", "左", "右", "双", "膝关节", "CT", "MRI", "平扫", "增强", "+", "、", "(", ")", ";", "CTA",
     "DWI", "低剂量", "正侧位", "建议", "W/O", "W", "CHEST", "KNEE", "LEFT", "R", "AND", "with", "contrast"]
)  # fmt: skip
TEXTS = st.lists(WORDS, max_size=8).map(" ".join) | st.text(max_size=40)
PARTS = st.builds(
    PartFacts,
    modality=st.sampled_from(["CT", "MR", "CR", "PT", "SR", ""]),
    body_part=st.sampled_from(["CHEST", "KNEE", "HEAD", "ABDOMEN", "", "?"]),
    laterality=st.sampled_from(["L", "R", "B", "U", ""]),
    contrast_agent=st.sampled_from([None, "", "碘海醇"]),
    descriptions=st.lists(TEXTS, max_size=2).map(tuple),
    is_localizer=st.booleans(),
)
HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=4)
COMMON = HAN.filter(lambda text: _encodes(text, "gb2312"))


def _encodes(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


@given(TEXTS)
def test_any_text_is_read(text: str) -> None:
    facts = read_words(text, CATALOGUE)
    assert set(facts.regions) <= set(CATALOGUE.regions)
    assert facts.laterality in (None, "L", "R", "B")
    assert facts.contrast in (None, "with", "without", "both")


@given(TEXTS, st.sampled_from(["建议", "必要时行", "recommend "]))
def test_what_is_only_recommended_says_nothing(text: str, marker: str) -> None:
    flat = "".join(one for one in fold(text) if one not in "。；;!！?？\n\r.()（）")
    assert read_words(marker + flat, CATALOGUE).claims == ()


@settings(deadline=None)
@given(st.lists(PARTS, max_size=4), TEXTS, TEXTS, st.randoms(use_true_random=False))
def test_exam_is_the_same_in_any_order_of_series(
    parts: list[PartFacts], name: str, report: str, random: object
) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (resolve_exam(ExamFacts((), name, "", report, tuple(order)), CATALOGUE) for order in (parts, shuffled))
    assert one == other
    assert list(one.parts) == list(dict.fromkeys(one.parts))


@settings(deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=3), TEXTS)
def test_side_is_told_for_paired_regions_only(parts: list[PartFacts], name: str) -> None:
    resolved = resolve_exam(ExamFacts((), name, "", "", tuple(parts)), CATALOGUE)
    assert all(one.laterality is None or CATALOGUE.is_paired(one.region or "") for one in resolved.parts)


@settings(deadline=None)
@given(PARTS.filter(lambda one: one.modality in ("CT", "MR")), st.sampled_from(["右膝关节", "左膝关节"]))
def test_side_that_header_and_name_dispute_is_never_told(part: PartFacts, name: str) -> None:
    named = "R" if name.startswith("右") else "L"
    resolved = resolve_exam(ExamFacts((), name, "", "", (part,)), CATALOGUE)
    if part.laterality in ("L", "R") and part.laterality != named and not part.descriptions:
        assert {one.laterality for one in resolved.parts if one.region == "KNEE"} <= {None}


@given(COMMON, COMMON, st.sampled_from(["", "ISO_IR 100", "ISO_IR 6", "GBK", "GB18030", "GB2312"]))
def test_chinese_names_in_gb_bytes_are_read_under_any_usual_label(family: str, given_name: str, label: str) -> None:
    name = f"{family}^{given_name}"
    assert decode_text(name.encode("gb2312"), read_terms(label.encode())).text == name


@example("両両両両", "両両両両", "ISO_IR 100")  # GB 2312 too, but as symbols: no name
@given(HAN, HAN, st.sampled_from(["", "ISO_IR 100", "ISO_IR 192", "ISO_IR192"]))
def test_chinese_names_in_utf8_are_read_under_any_usual_label(family: str, given_name: str, label: str) -> None:
    name = f"{family}^{given_name}"
    read = decode_text(name.encode(), read_terms(label.encode())).text
    # A few UTF-8 names are also flawless GB 2312; without a UTF-8 label they cannot be told apart.
    assert read == name or (label != "ISO_IR 192" and _encodes(read, "gb2312"))


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_any_bytes_under_any_label_give_some_text(raw: bytes, label: bytes) -> None:
    assert isinstance(decode_text(raw, read_terms(label)).text, str)


@given(st.binary(max_size=400), st.sampled_from([b"", b"\0" * 128 + b"DICM", b"\x08\x00\x16\x00UI"]))
def test_any_bytes_are_read_as_dicom_or_refused(body: bytes, start: bytes) -> None:
    try:
        found = read_dicom(start + body)
    except UnreadableDicom as error:
        assert error.message.endswith(".") or "(PS3.5" in error.message  # noqa: PT017
    else:
        assert found.patient_id
