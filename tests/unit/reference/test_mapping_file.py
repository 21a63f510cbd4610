"""Mapping profiles: what they may say, and the catalogue with a hospital's own codes."""

from __future__ import annotations

import re

import pytest

from service.domain.codes import LOINC
from service.domain.errors import InvalidInput
from service.reference.catalogue_file import package_catalogue
from service.reference.mapping_file import MappingProfile, read_mapping, with_codes

CATALOGUE = package_catalogue()
HEAD = '[profile]\nversion = "1"\nauthor = "王工"\n'
LOCAL = "urn:city:lab"


def code(local: str, *lines: str, system: str = LOCAL) -> str:
    return "\n".join(["[[code]]", f'system = "{system}"', f'code = "{local}"', *lines, ""])


def read(*codes: str) -> MappingProfile:
    return read_mapping(HEAD + "".join(codes), "x.toml", CATALOGUE)


def test_a_local_code_names_the_item_it_stands_for_and_others_stay_unknown() -> None:
    profile = read(code("GLU", 'loinc = "14749-6"'), code("CT1", 'item = "CT.CHEST"'))
    own = with_codes(CATALOGUE, [profile])
    assert (profile.version, profile.author) == ("1", "王工")
    assert own.find_id(LOCAL, "GLU") == CATALOGUE.find_id(LOINC, "14749-6")
    assert own.find_id(LOCAL, "CT1") == "CT.CHEST"
    assert own.find_id(LOCAL, "UREA") is None
    assert own.find_id("", "GLU") is None
    assert own.version == CATALOGUE.version
    assert CATALOGUE.find_id(LOCAL, "GLU") is None


def test_a_code_that_weighs_another_form_of_the_analyte_still_does() -> None:
    weighed = next(
        (item, one) for item in CATALOGUE.items.values() for one in item.codes
        if one.molar_mass is not None and one.system == LOINC
    )  # fmt: skip
    own = with_codes(CATALOGUE, [read(code("BUN", f'loinc = "{weighed[1].code}"'))])
    found = own.find_item(LOCAL, "BUN")
    assert found is not None
    assert (found.id, found.molar_mass, found.mass_only) == (weighed[0].id, weighed[1].molar_mass, True)


def test_a_hospital_without_codes_for_contrast_says_so() -> None:
    own = with_codes(CATALOGUE, [read(code("CT1", 'item = "CT.CHEST"', "says_contrast = false"))])
    assert not own.says_contrast(LOCAL, "CT1")
    assert with_codes(CATALOGUE, [read(code("CT1", 'item = "CT.CHEST"'))]).says_contrast(LOCAL, "CT1")


@pytest.mark.parametrize(("text", "place"), [
    (HEAD + code("GLU", 'loinc = "99999-9"'), r"x.toml:7 code\[1\].loinc"),
    (HEAD + code("GLU", 'item = "nothing"'), r"code\[1\].item"),
    (HEAD + code("GLU"), r"code\[1\].code"),
    (HEAD + code("GLU", 'item = "CT.CHEST"', 'loinc = "14749-6"'), r"code\[1\].code"),
    (HEAD + code("GLU", 'lionc = "14749-6"'), r"code\[1\].lionc"),
    (HEAD + 2 * code("GLU", 'loinc = "14749-6"'), r"code\[2\].code"),
    (HEAD + code("718-7", 'loinc = "14749-6"', system=LOINC), r"code\[1\].code"),
    (HEAD + '[[code]]\nsystem = ""\ncode = "GLU"\nloinc = "14749-6"\n', r"code\[1\].system"),
    ('[profile]\nversion = "1"\n', r"profile.author"),
    (code("GLU", 'loinc = "14749-6"'), r"x.toml"),
])  # fmt: skip
def test_mistakes_are_told_with_their_place(text: str, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_mapping(text, "x.toml", CATALOGUE)
    assert any(re.search(place, fault.pointer) for fault in caught.value.faults), caught.value.faults


def test_a_code_that_two_systems_of_a_hospital_give_to_two_items_names_none() -> None:
    one, other = read(code("X", 'loinc = "14749-6"')), read(code("X", 'loinc = "718-7"'))
    assert with_codes(CATALOGUE, [one, other]).find_id(LOCAL, "X") is None
    assert with_codes(CATALOGUE, [one, other, one]).find_id(LOCAL, "X") is None
    assert with_codes(CATALOGUE, [one, one]).find_id(LOCAL, "X") is not None


def test_what_a_newer_catalogue_contradicts_or_lacks_is_left_out() -> None:
    gone = read_mapping(HEAD + code("GLU", 'item = "gone"'), "x.toml")
    known = read_mapping(HEAD + code("718-7", 'loinc = "14749-6"', system=LOINC), "x.toml")
    assert with_codes(CATALOGUE, [gone, known]) is CATALOGUE
