"""Every trap of real registrations by name: which rule two records meet, and with what tier."""

from __future__ import annotations

import pytest

from service.domain.person import PatientFacts, PatientIdentifier
from service.identity.profile import read_profile
from service.identity.rules import CONFIRMING, RULES, judge
from tests.support.people import CARD, PASSPORT, RESIDENT, resident

LI = resident()
SISTER = resident(sequence="024")  # the twin's number
MOTHER = resident("19600101", "022")
BIRTH = "urn:testonce:identifier:birth-certificate"
INSURANCE = "urn:testonce:identifier:insurance"
PHONE = "13912345677"


def said(
    name="李敏", birth="1985-11-23", sex="female", number=LI, phone=PHONE, card=None, active=True, local="1",
    insurance=None, passport=None, birth_certificate=None,
) -> PatientFacts:  # fmt: skip
    """What a hospital says of Li Min, unless the case says otherwise."""
    given = ((RESIDENT, number), (CARD, card), (INSURANCE, insurance), (PASSPORT, passport), (BIRTH, birth_certificate))
    names = (name,) if isinstance(name, str) else tuple(name or ())
    identifiers = tuple(PatientIdentifier(system, value) for system, value in given if value)
    return PatientFacts(f"Patient/{local}", local, names, birth, sex, identifiers, (phone,) if phone else (), active)


def verdict(one: PatientFacts, other: PatientFacts, here: str = "there"):
    a, b = read_profile(1, "here", one), read_profile(2, here, other)
    found, back = judge(a, b), judge(b, a)
    assert (found and (found.tier, found.rule)) == (back and (back.tier, back.rule)), "the order of two says nothing"
    return (found.tier.value, found.rule) if found else None


NUMBER, PHONED, CARDED = (
    ("confirmed", "same-number"), ("confirmed", "same-name-birth-sex-phone"), ("confirmed", "same-name-birth-sex-card"),
)  # fmt: skip
OTHER_NAME, OTHER_DATE = ("probable", "same-number-other-name"), ("probable", "same-number-other-date")
INCOMPLETE = ("probable", "same-number-incomplete")
ANOTHERS = ("probable", "number-of-another")
NAMESAKE = ("probable", "name-and-birth-date")
BY_NAME = {
    "same number, all agrees": (NUMBER, said(phone=None)),
    "15 digits": (NUMBER, said(number=LI[:6] + LI[8:17])),
    "full width, lower case, blanks": (NUMBER, said(number="".join(chr(ord(c) + 0xFEE0) for c in LI[:17]) + " x")),
    "pinyin of an imaging archive": (NUMBER, said(name="LI^MIN")),
    "suffix of a second visit": (NUMBER, said(name="李敏(复诊)")),
    "no sex there": (NUMBER, said(sex=None)),
    "no birth date there, but the phone": (NUMBER, said(birth=None)),
    "no birth date there, and no phone": (INCOMPLETE, said(birth=None, phone=None)),
    "no birth date there, and in pinyin": (INCOMPLETE, said(birth=None, name="LI MIN")),
    "slip to a character of the same sound": (OTHER_NAME, said(name="李旻")),
    "slip to a character that looks alike": (OTHER_NAME, said(name="李每")),
    "dropped character": (OTHER_NAME, said(name="李小敏")),
    "former name": (OTHER_NAME, said(name="李红")),
    "two people with one number (duplicate number)": (OTHER_NAME, said(name="王芳", phone="13712345677")),
    "birth date of the lunar calendar": (OTHER_DATE, said(birth="1985-10-12")),
    "birth date off by one": (OTHER_DATE, said(birth="1985-11-24")),
    "birth date a first of January": (OTHER_DATE, said(birth="1985-01-01")),
    "placeholder for a birth date": (NUMBER, said(birth="1900-01-01")),
    "wrong sex": (OTHER_DATE, said(sex="male")),
    "mother's card on the child": (ANOTHERS, said(name="李小明", birth="2018-05-01", sex="male")),
    "twin's card": (OTHER_NAME, said(name="李捷")),
    "number of another kind only, no phone": (NAMESAKE, said(number=None, passport="E12345678", phone=None)),
    "no number there, same phone": (PHONED, said(number=None)),
    "no number there, same insurance": (NAMESAKE, said(number=None, phone=None, insurance="22010012345")),
    "no number there, no phone": (NAMESAKE, said(number=None, phone=None)),
    "no number there, another phone": (NAMESAKE, said(number=None, phone="13712345677")),
    "no number there, placeholder phone": (NAMESAKE, said(number=None, phone="13800138000")),
    "placeholder number, same phone": (PHONED, said(number="1" * 18)),
    "number with a slip, same phone": (PHONED, said(number=LI[:16] + LI[15] + LI[17])),
    "number with a slip, no phone": (
        ("probable", "number-slip"), said(number=LI[:9] + str((int(LI[9]) + 1) % 10) + LI[10:], phone=None)),
    "no number there, in pinyin, same phone": (("probable", "name-and-phone"), said(number=None, name="LI MIN")),
    "no number there, in pinyin": (("probable", "sound-and-birth-date"), said(number=None, name="LI MIN", phone=None)),
    "no number, a homophone": (("probable", "sound-and-birth-date"), said(number=None, name="李旻")),
    "no number, another birth date, same phone": (
        ("probable", "name-and-phone"), said(number=None, birth="1985-10-12")),
    "no number, no sex, same phone": (("probable", "name-and-birth-date"), said(number=None, sex=None)),
    "no number, looks alike, same phone": (("probable", "name-slip"), said(number=None, name="李每")),
    "lost character, same phone": (("probable", "damaged-name"), said(number=None, name="李?")),
    "record no longer in use": (INCOMPLETE, said(active=False)),
    "twin with a neighbouring number": (None, said(number=SISTER, name="李捷")),
    "namesake with another number": (None, said(number=SISTER, phone=None)),
    "reissued number: all else the same": (("probable", "two-numbers"), said(number=SISTER)),
    "sister on one phone": (None, said(number=None, name="李捷", birth="1988-02-03")),
    "husband on one phone": (None, said(number=None, name="张伟", birth="1984-02-03", sex="male")),
    "recycled phone": (None, said(number=None, name="赵磊", birth="1990-02-03", sex="male")),
    "her newborn with her number": (None, said(name="李敏之子", birth="2026-11-01", sex="male")),
    "her newborn with her phone": (None, said(name="李敏之子", birth="2026-11-01", sex=None, number=None)),
    "unidentified with her card": (None, said(name="无名氏", birth=None, sex="female")),
    "unidentified": (None, said(name="无名氏", birth=None, sex=None, number=None, phone=None)),
}  # fmt: skip


@pytest.mark.parametrize(("expected", "other"), BY_NAME.values(), ids=BY_NAME)
def test_record_beside_that_of_li_min(expected, other: PatientFacts):
    assert verdict(said(), other) == expected


PAIRS = {
    "traditional and simplified characters": (NUMBER, said("張偉龍", sex="female"), said("张伟龙")),
    "dots of a Uyghur name": (NUMBER, said("阿依古丽·买买提"), said("阿依古丽•买买提")),
    "card and all else": (
        CARDED, said(number=None, phone=None, card="22010012345"), said(phone=None, card="22010012345")),
    "two in pinyin on one phone: twins sound alike": (
        ("probable", "name-and-birth-date"), said(number=None, name="LI ZIXUAN"), said(number=None, name="LI ZIXUAN")),
    "one twin's card, both spelt alike beside their characters": (
        OTHER_NAME, said(("陶小玮", "Tao Xiaowei")), said(("陶小伟", "Tao Xiaowei"))),
    "characters on one side, the spelling on both": (
        NUMBER, said(("陶小玮", "Tao Xiaowei")), said("Tao Xiaowei")),
    "two of one name on one phone, counted one and two": (
        None, said("龚利1", number=None), said("龚利2", number=None)),
    "mother's card twice on the child": (
        OTHER_DATE, said("李小明", "2018-05-01", "male", MOTHER, None),
        said("李小明", "2018-05-01", "male", MOTHER, None)),
    "mother's card on the child, and the child's own": (
        ("probable", "two-numbers"), said("李小明", "2018-05-01", "male", MOTHER),
        said("李小明", "2018-05-01", "male", resident("20180501", "015"))),
    "newborns of two mothers of one name, one day, one ward": (
        None, said("李敏之子", "2026-11-01", "male", None, "13912345677"),
        said("李敏之子", "2026-11-01", "male", None, "13712345699")),
    "two whom the ward named after their mother alone": (
        NAMESAKE, said("卢敏女", "2026-11-01", number=None), said("卢敏女", "2026-11-01", number=None)),
    "newborn twins": (
        None, said("李敏之子A", "2026-11-01", "male", LI), said("李敏之子B", "2026-11-01", "male", LI)),
    "newborn registered twice": (
        ("probable", "newborn-twice"), said("李敏之子", "2026-11-01", "male", None),
        said("李敏之子", "2026-11-01", "male", None)),
    "newborn, and the child named later": (
        ("probable", "newborn-and-child"), said("李敏之子", "2026-11-01", "male", LI),
        said("张晨", "2026-11-01", "male", None)),
    "two unidentified": (None, said("无名氏", None, "male", None, None), said("无名氏", None, "male", None, None)),
    "one passport, two resident numbers": (
        ("probable", "two-numbers"), said(passport="E12345678"), said(number=SISTER, passport="E12345678")),
    "one number, a renewed passport": (NUMBER, said(passport="E12345678"), said(passport="E87654321")),
    "one number, two birth certificates": (
        ("probable", "two-numbers"), said(birth_certificate="A123456789"), said(birth_certificate="A987654321")),
    "passport, all agrees": (NUMBER, said("John Smith", number=None, passport="E12345678"),
                             said("Smith, John", number=None, passport="e12345678")),
}  # fmt: skip


@pytest.mark.parametrize(("expected", "one", "other"), PAIRS.values(), ids=PAIRS)
def test_two_records(expected, one: PatientFacts, other: PatientFacts):
    found = verdict(one, other)
    if expected is None and found is not None:
        assert found[0] not in ("confirmed", "held")
        assert found[1] in ("newborn-twice", "number-of-another", "same-number-other-name"), found
        return
    assert found == expected


def test_archive_under_the_same_hospital_number():
    found = verdict(said(number=None, phone=None), said(number=None, phone=None, name="LI^MIN"), here="here")
    assert found == ("confirmed", "same-hospital-number")


@pytest.mark.parametrize("other", [{"birth": "1985-11-24"}, {"name": "王芳"}, {"sex": "male"}, {"number": SISTER}])
def test_hospital_number_given_again_to_another_links_nobody(other):
    found = verdict(said(), said(**other), here="here")
    assert found is None or found[0] == "probable"


def test_every_rule_is_met_by_a_case():
    met = {verdict(said(), other) for _, other in BY_NAME.values()} | {verdict(a, b) for _, a, b in PAIRS.values()}
    named = {one[1] for one in met if one} | {"same-hospital-number"}
    assert named == {rule.name for rule in RULES}
    assert named > CONFIRMING
