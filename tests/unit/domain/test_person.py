"""Identifiers and names in the forms in which two statements are compared (domain research, section 6)."""

from __future__ import annotations

import pytest

from service.domain.person import (
    IdentifierKind,
    PersonIdentifier,
    has_han,
    is_local_number,
    is_resident_number,
    normalise_identifier,
    resident_birth_date,
    resident_check,
    resident_sex,
)

RESIDENT = "urn:oid:2.16.156.10011.1.3"
VALID, VALID_X = "440524188001010014", "11010519491231002X"


def kind_system(kind: str) -> str:
    return f"urn:testonce:identifier:{kind}"


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        (VALID, VALID), (VALID_X, VALID_X), ("11010519491231002x", VALID_X), (" 110105 19491231 002X ", VALID_X),
        ("１１０１０５１９４９１２３１００２Ｘ", VALID_X), ("１１０１０５１９４９１２３１００２ｘ", VALID_X),
        ("110105\u30001949\u00a01231002X", VALID_X), ("110105491231002", VALID_X), ("11010549123１００２", VALID_X),
    ],
)  # fmt: skip
def test_resident_number_has_one_form(given: str, normal: str):
    assert normalise_identifier(RESIDENT, given) == PersonIdentifier(IdentifierKind.RESIDENT, normal)


@pytest.mark.parametrize(
    "given",
    ["110105194912310021", "11010519491331002X", "11010519490229002X", "1101051949123100", "11010519491231002XX",
     "010105194912310022", "A1010519491231002X", "110105491331002", "", " ", "无", "不详", "未带", "unknown", "N/A",
     "000000000000000000", "111111111111111111", "123456789012345678", "999999999999999999", "11010517991231002X",
     "110105-1949-1231-002X", "١١٠١٠٥١٩٤٩١٢٣١٠٠٢X"],
)  # fmt: skip
def test_what_is_no_resident_number_is_none(given: str):
    assert normalise_identifier(RESIDENT, given) is None


@pytest.mark.parametrize(
    ("system", "type_code", "kind"),
    [
        (RESIDENT, "", IdentifierKind.RESIDENT), ("2.16.156.10011.1.3", "", IdentifierKind.RESIDENT),
        (f" {RESIDENT} ", "", IdentifierKind.RESIDENT), ("urn:his", "NNCHN", IdentifierKind.RESIDENT),
        ("urn:his", "nnchn", IdentifierKind.RESIDENT), ("urn:his", "NI", IdentifierKind.RESIDENT),
        ("urn:oid:2.16.840.1.113883.2.23.1.19.1", "", IdentifierKind.RESIDENT), ("", "CIN", IdentifierKind.RESIDENT),
        ("http://his.example/sid/idCard", "", IdentifierKind.RESIDENT),
        ("urn:his:id-card", "01", IdentifierKind.RESIDENT),
        ("http://his.example/guardian-idcard", "", None), ("http://his.example/idcard/mrn", "", None),
        (RESIDENT, "MR", IdentifierKind.RESIDENT), ("urn:his", "MR", None), ("urn:his", "", None), ("", "", None),
    ],
)  # fmt: skip
def test_kind_follows_system_then_type(system: str, type_code: str, kind: IdentifierKind | None):
    found = normalise_identifier(system, VALID_X, type_code)
    assert (found.kind if found else None) is kind


@pytest.mark.parametrize(
    ("kind", "value", "normal"),
    [
        ("passport", "e1234 5678", "E12345678"), ("passport", "ABCDE", None), ("passport", "E1", None),
        ("hk-macao", "H12345678", "H12345678"), ("hk-macao", "h1234567801", "H1234567801"),
        ("hk-macao", "A12345678", None), ("taiwan", "03851268", "03851268"), ("taiwan", "12345678", None),
        ("taiwan", "0123456", None), ("birth-certificate", "t220123456", "T220123456"),
        ("birth-certificate", "220123456", None), ("officer", "军字第1234567号", "军字第1234567号"),
        ("officer", "军字", None), ("health-card", "A2B4C6D8E0F1", "A2B4C6D8E0F1"), ("health-card", "ABCDEFGH", None),
        ("insurance", "00000000", None), ("social-security", "无", None),
    ],
)  # fmt: skip
def test_other_kinds_have_their_forms(kind: str, value: str, normal: str | None):
    found = normalise_identifier(kind_system(kind), value)
    assert (found.value if found else None) == normal


def test_cards_are_no_strong_identifiers():
    strong = {kind for kind in IdentifierKind if kind.is_strong}
    cards = {IdentifierKind.HEALTH_CARD, IdentifierKind.SOCIAL_SECURITY, IdentifierKind.INSURANCE}
    assert strong == set(IdentifierKind) - cards


@pytest.mark.parametrize(
    ("system", "value", "type_code", "local"),
    [
        ("urn:his:mrn", "0001", "MR", True), ("urn:his:mrn", "1", "", True), ("urn:his", "门诊-12", "", True),
        (RESIDENT, VALID_X, "", False), (RESIDENT, "无", "", False), ("urn:his", VALID_X[:17] + "0", "NNCHN", False),
        ("urn:his", "12345", "NI", False), ("urn:his", "无", "MR", False), ("urn:his", " unknown ", "MR", False),
        ("urn:his", "0000", "MR", False), ("urn:his", "--", "MR", False), ("urn:his", "", "MR", False),
        ("urn:his", "A2B4C6D8E0F1", "HC", False),
    ],
)  # fmt: skip
def test_hospital_number_is_neither_a_person_identifier_nor_a_placeholder(
    system: str, value: str, type_code: str, local: bool
):
    assert is_local_number(system, value, type_code) is local


def test_resident_number_states_birth_date_and_sex():
    assert (resident_birth_date(VALID_X), resident_sex(VALID_X)) == ("1949-12-31", "female")
    assert (resident_birth_date(VALID), resident_sex(VALID)) == ("1880-01-01", "male")


def test_permanent_residence_card_states_no_sex():
    body = "91115619870302123"
    card = body + resident_check(body)
    assert is_resident_number(card)
    assert (resident_birth_date(card), resident_sex(card)) == ("1987-03-02", None)


@pytest.mark.parametrize(
    ("name", "han"),
    [("李敏", True), ("Li Min", False), ("𠮷", True), ("〇", True), ("㛃", True), ("李 Min", True), ("", False)],
)
def test_script_of_a_name(name: str, han: bool):
    assert has_han(name) is han


@pytest.mark.parametrize("system", ["http://hl7.org/fhir/sid/passport-CHN", "urn:x:passportNumber"])
def test_system_that_says_passport_needs_no_type(system: str):
    found = normalise_identifier(system, " e1234 5679 ")
    assert found is not None
    assert (found.kind, found.value, found.strong) == (IdentifierKind.PASSPORT, "E12345679", True)
