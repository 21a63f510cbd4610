"""Specimen trouble in words and codes: what is denied does not count, what is doubtful does."""

from __future__ import annotations

import pytest

from service.ingest.fhir_r4.shapes import CodeableConcept, Coding
from service.ingest.fhir_r4.specimens import condition_issues, read_issue_words


@pytest.mark.parametrize(
    ("text", "issues"),
    [
        ("标本溶血", ("haemolysed",)),
        ("轻度溶血，建议复查", ("haemolysed",)),
        ("Specimen is grossly hemolyzed", ("haemolysed",)),
        ("hemolysis: 0.5", ("haemolysed",)),
        ("溶血 - 重度", ("haemolysed",)),
        ("溶血无法检测", ("haemolysed",)),
        ("脂血(+)", ("lipaemic",)),
        ("无脂血，溶血", ("haemolysed",)),
        ("no lipemia, hemolyzed", ("haemolysed",)),
        ("血小板聚集，有小凝块", ("clotted",)),
        ("clot seen", ("clotted",)),
        ("标本量不足", ("insufficient",)),
        ("标本污染", ("contaminated",)),
        ("未见溶血", ()),
        ("不溶血", ()),
        ("无溶血、脂血及黄疸", ()),
        ("溶血：-", ()),
        ("溶血（-）", ()),
        ("hemolysis index: 0", ()),
        ("no hemolysis or lipemia", ()),
        ("non-hemolyzed", ()),
        ("not clotted", ()),
        ("溶血性贫血", ()),
        ("正常", ()),
    ],
)
def test_words(text: str, issues: tuple[str, ...]) -> None:
    assert read_issue_words(text) == issues


@pytest.mark.parametrize(
    ("code", "display", "issues"),
    [
        ("HEM", "", ("haemolysed",)),
        ("CLOT", "", ("clotted",)),
        ("118127007", "Specimen lipemic", ("lipaemic",)),
        ("COOL", "Cool", ()),
        ("ROOM", "", ()),
        ("XYZ", "", ("condition-xyz",)),
    ],
)
def test_condition_codes(code: str, display: str, issues: tuple[str, ...]) -> None:
    assert condition_issues([CodeableConcept(coding=[Coding(code=code, display=display)])]) == issues
