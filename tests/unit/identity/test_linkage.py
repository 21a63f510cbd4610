"""Which records are the person asked for. The traps are those of populations with twins, namesakes and borrowed cards.

In every case Li Min (female, born 1985-11-23) is asked for by her resident number with agreeing demographics, and one
record of another hospital is known, unless the case says otherwise.
"""

from __future__ import annotations

import itertools

import pytest

from service.domain.decision import Match
from service.identity.asked.linkage import Index
from tests.support.people import (
    ARCHIVE,
    CARD,
    HERE,
    LI,
    MRN,
    PASSPORT,
    RESIDENT,
    THERE,
    Record,
    identify,
    query,
    record,
    resident,
)  # fmt: skip

TWIN = resident(sequence="024")
CONFIRMED, PROBABLE, CONFLICT, UNKNOWN = Match.CONFIRMED, Match.PROBABLE, Match.CONFLICT, Match.UNKNOWN
PASS, FAMILY = (PASSPORT, "E12345678"), (CARD, "22010012345")
FULL_WIDTH = "".join(chr(ord(ch) + 0xFEE0) for ch in LI)
OLD_FORM = LI[:6] + LI[8:17]
NO_DEMOGRAPHICS = {"name": None, "birth_date": None, "sex": None}

ONE_RECORD = {
    "same number, all agrees": (CONFIRMED, query(), record((RESIDENT, LI))),
    "number in lower case, full width, with blanks": (
        CONFIRMED, query((RESIDENT, " 220102 19851123 " + LI[14:].lower())), record((RESIDENT, FULL_WIDTH))),
    "15-digit and 18-digit form": (CONFIRMED, query((RESIDENT, OLD_FORM)), record((RESIDENT, LI))),
    "15-digit form on both sides": (CONFIRMED, query((RESIDENT, OLD_FORM)), record((RESIDENT, OLD_FORM))),
    "name with a blank": (CONFIRMED, query(name="李 敏"), record((RESIDENT, LI))),
    "dot variants in a name": (CONFIRMED, query(name="阿依·古丽"), record((RESIDENT, LI), name="阿依・古丽")),
    "one of several spellings": (CONFIRMED, query(), record((RESIDENT, LI), name=("Li Min", "李敏"))),
    "another name: a relative's card": (CONFLICT, query(), record((RESIDENT, LI), name="王芳")),
    "a homophone": (CONFLICT, query(), record((RESIDENT, LI), name="黎敏")),
    "a dropped character": (CONFLICT, query(name="李小敏"), record((RESIDENT, LI))),
    "a suffix": (CONFIRMED, query(), record((RESIDENT, LI), name="李敏(复诊)")),
    "traditional characters": (CONFIRMED, query(name="张伟龙"), record((RESIDENT, LI), name="張偉龍")),
    "a former name that is not marked old": (CONFLICT, query(), record((RESIDENT, LI), name="李红敏")),
    "newborn registered with the mother's number, asked for the mother": (
        UNKNOWN, query(), record((RESIDENT, LI), name="李敏之子", birth_date="2026-11-01", sex="male")),
    "another mother's newborn with her number": (
        CONFLICT, query(), record((RESIDENT, LI), name="王芳之子", birth_date="2026-11-01", sex="male")),
    "another birth date": (CONFLICT, query(), record((RESIDENT, LI), birth_date="1985-11-24")),
    "day and month swapped": (CONFLICT, query(PASS, birth_date="1985-11-12"), record(PASS, birth_date="1985-12-11")),
    "another sex": (CONFLICT, query(), record((RESIDENT, LI), sex="male")),
    "query disagrees with its own number: birth date": (CONFLICT, query(birth_date="1985-11-24"), record()),
    "query disagrees with its own number: sex": (CONFLICT, query(sex="male"), record()),
    "pinyin name": (CONFIRMED, query(), record((RESIDENT, LI), name="Li Min")),
    "pinyin name, DICOM order": (CONFIRMED, query(), record((RESIDENT, LI), name="MIN^LI")),
    "pinyin of another name": (CONFLICT, query(), record((RESIDENT, LI), name="WANG^FANG")),
    "pinyin name, no birth date asked": (PROBABLE, query(birth_date=None), record((RESIDENT, LI), name="Li Min")),
    "unknown patient with her card": (PROBABLE, query(), record((RESIDENT, LI), name="无名氏")),
    "name with a lost character": (PROBABLE, query(), record((RESIDENT, LI), name="李?")),
    "no name there": (PROBABLE, query(), record((RESIDENT, LI), name=None)),
    "no name asked": (PROBABLE, query(name=None), record((RESIDENT, LI))),
    "no demographics asked": (PROBABLE, query(**NO_DEMOGRAPHICS), record((RESIDENT, LI))),
    "no birth date asked": (PROBABLE, query(birth_date=None), record((RESIDENT, LI))),
    "no birth date there: the number states it": (CONFIRMED, query(), record((RESIDENT, LI), birth_date=None)),
    "no sex there: the number states it": (CONFIRMED, query(), record((RESIDENT, LI), sex=None)),
    "sex unknown there: the number states it": (CONFIRMED, query(), record((RESIDENT, LI), sex="unknown")),
    "sex not asked": (PROBABLE, query(sex=None), record((RESIDENT, LI))),
    "birth year only": (PROBABLE, query(), record((RESIDENT, LI), birth_date="1985")),
    "another birth year": (CONFLICT, query(), record((RESIDENT, LI), birth_date="1984")),
    "record no longer in use": (PROBABLE, query(), record((RESIDENT, LI), active=False)),
    "twin with a neighbouring number": (UNKNOWN, query(), record((RESIDENT, TWIN))),
    "namesake of the same day without a number": (UNKNOWN, query(), record()),
    "number with a wrong check character on both sides": (
        UNKNOWN, query((RESIDENT, LI[:17] + "0")), record((RESIDENT, LI[:17] + "0"))),
    "placeholder number on both sides": (UNKNOWN, query((RESIDENT, "无")), record((RESIDENT, "无"))),
    "ones": (UNKNOWN, query((RESIDENT, "1" * 18)), record((RESIDENT, "1" * 18))),
    "same number, and a second one that differs": (CONFLICT, query(), record((RESIDENT, LI), (RESIDENT, TWIN))),
    "two different numbers asked": (CONFLICT, query((RESIDENT, LI), (RESIDENT, TWIN)), record()),
    "passport, all agrees": (CONFIRMED, query(PASS), record((PASSPORT, "e12345678"))),
    "passport, no birth date there": (PROBABLE, query(PASS), record(PASS, birth_date=None)),
    "passport, no sex there": (PROBABLE, query(PASS), record(PASS, sex=None)),
    "passport, other name": (CONFLICT, query(PASS), record(PASS, name="王芳")),
    "same passport, other resident number": (
        CONFLICT, query(PASS, (RESIDENT, LI)), record(PASS, (RESIDENT, TWIN))),
    "health card, all agrees: it points": (PROBABLE, query(FAMILY), record(FAMILY)),
    "health card of the family": (UNKNOWN, query(FAMILY), record(FAMILY, name="李刚", sex="male")),
    "health card, no name there": (UNKNOWN, query(FAMILY), record(FAMILY, name=None)),
    "health card, but another resident number": (
        UNKNOWN, query(FAMILY, (RESIDENT, LI)), record(FAMILY, (RESIDENT, TWIN))),
    "another hospital's own number is not ours": (UNKNOWN, query((MRN, "0001")), record(local="0001")),
    "record's own number disagrees with its birth date": (
        CONFLICT, query(), record((RESIDENT, LI), birth_date="1985-11-22")),
}  # fmt: skip


@pytest.mark.parametrize(("match", "asked", "known"), ONE_RECORD.values(), ids=ONE_RECORD)
def test_one_record_of_another_hospital(match: Match, asked, known: Record):
    found = identify(asked, known)
    assert found.match is match
    assert found.confirmed == ((known.id,) if match is CONFIRMED else ())
    assert found.probable == ((known.id,) if match is PROBABLE else ())


def in_every_order(asked, *records: Record):
    """The linkage, which must not depend on the order of the records."""
    found = {identify(asked, *one) for one in itertools.permutations(records)}
    assert len(found) == 1
    return found.pop()


def test_own_record_completes_what_the_query_does_not_say():
    own = record((RESIDENT, LI), institution=HERE, local="0001")
    other = record((RESIDENT, LI))
    found = in_every_order(query((MRN, "0001"), **NO_DEMOGRAPHICS), own, other)
    assert (found.match, found.confirmed) == (CONFIRMED, (own.id, other.id))


def test_own_record_no_longer_in_use_is_only_probable():
    own = record((RESIDENT, LI), institution=HERE, local="0001", active=False)
    assert in_every_order(query((MRN, "0001")), own).match is PROBABLE


def test_own_record_that_disagrees_with_the_query_is_a_conflict():
    own = record((RESIDENT, LI), institution=HERE, local="0001")
    assert in_every_order(query((MRN, "0001"), name="王芳"), own).match is CONFLICT


def test_own_number_of_one_patient_and_resident_number_of_another_conflict():
    mine = record(institution=HERE, local="0001", name="王芳", birth_date="1990-01-01")
    hers = record((RESIDENT, LI), institution=HERE, local="0002")
    asked = query((MRN, "0001"), (RESIDENT, LI), **NO_DEMOGRAPHICS)
    assert in_every_order(asked, mine, hers).match is CONFLICT


def test_own_numbers_of_two_patients_conflict():
    one = record(institution=HERE, local="0001")
    two = record(institution=HERE, local="0002", name="王芳")
    assert in_every_order(query((MRN, "0001"), (MRN, "0002"), **NO_DEMOGRAPHICS), one, two).match is CONFLICT


def test_two_own_records_of_one_person_are_both_hers():
    one = record((RESIDENT, LI), institution=HERE, local="0001")
    two = record((RESIDENT, LI), institution=HERE, local="0002")
    assert in_every_order(query(), one, two).confirmed == (one.id, two.id)


def test_family_card_of_two_own_patients_names_nobody():
    mother = record(FAMILY, institution=HERE, local="0001")
    child = record(FAMILY, institution=HERE, local="0002", name="李小明", birth_date="2020-01-01")
    found = in_every_order(query(FAMILY, **NO_DEMOGRAPHICS), mother, child)
    assert (found.match, found.confirmed) == (UNKNOWN, ())


def test_family_card_with_name_and_birth_date_names_the_one_who_bears_them():
    mother = record(FAMILY, institution=HERE, local="0001")
    child = record(FAMILY, institution=HERE, local="0002", name="李小明", birth_date="2020-01-01")
    found = in_every_order(query(FAMILY), mother, child)
    assert (found.match, found.confirmed) == (CONFIRMED, (mother.id,))


@pytest.mark.parametrize("value", ["无", "不详", "未知", "N/A", "000000", LI[:17] + "0"])
def test_placeholder_in_own_records_names_nobody(value: str):
    stranger = record((RESIDENT, value), institution=HERE, local="0001", name="王芳")
    found = identify(query((RESIDENT, value), **NO_DEMOGRAPHICS), stranger)
    assert (found.match, found.confirmed, found.probable) == (UNKNOWN, (), ())


@pytest.mark.parametrize("value", ["无", "000000", "--"])
def test_placeholder_as_hospital_number_names_nobody(value: str):
    stranger = record(institution=HERE, local=value, name="王芳")
    assert identify(query((MRN, value), **NO_DEMOGRAPHICS), stranger).match is UNKNOWN


def test_imaging_archive_under_the_same_hospital_number_follows_its_patient():
    patient = record((RESIDENT, LI), local="0001")
    archive = record(institution=THERE, local="0001", name="LI^MIN")
    assert in_every_order(query(), patient, archive).confirmed == (patient.id, archive.id)


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"name": None, "sex": None}, "probable"),
        ({"name": None}, "confirmed"),
        ({"name": "LI^MIN", "sex": None}, "confirmed"),
        ({"name": "LI^MIN", "birth_date": None}, "probable"),
        ({"name": "李敏", "sex": None}, "confirmed"),
        ({"name": "李敏", "birth_date": None}, "probable"),
    ],
)
def test_archive_that_says_less_is_confirmed_only_by_name_or_sex_with_birth_date(said, match: str):
    patient = record((RESIDENT, LI), local="0001")
    archive = record(local="0001", **said)
    assert archive.id in getattr(in_every_order(query(), patient, archive), match)


@pytest.mark.parametrize("said", [{"name": "王芳"}, {"birth_date": "1985-11-24"}, {"sex": "male"}])
def test_archive_that_disagrees_is_a_conflict(said):
    patient = record((RESIDENT, LI), local="0001")
    assert in_every_order(query(), patient, record(local="0001", **said)).match is CONFLICT


def test_archive_of_a_record_that_is_only_probable_is_no_more():
    patient = record((RESIDENT, LI), local="0001", birth_date="1985")
    archive = record(local="0001")
    found = in_every_order(query(), patient, archive)
    assert (found.match, found.confirmed) == (PROBABLE, ())


def test_of_two_records_under_one_number_the_weaker_link_counts_for_a_third():
    sure = record((RESIDENT, LI), local="0001")
    unsure = record((RESIDENT, LI), local="0001", birth_date="1985")
    archive = record(local="0001")
    found = in_every_order(query(), sure, unsure, archive)
    assert (found.confirmed, found.probable) == ((sure.id,), (unsure.id, archive.id))


def test_same_hospital_number_elsewhere_means_nothing():
    patient = record((RESIDENT, LI), local="0001")
    stranger = record(institution=ARCHIVE, local="0001")
    assert stranger.id not in in_every_order(query(), patient, stranger).confirmed


def test_one_contradiction_among_good_records_withholds_all():
    good = [record((RESIDENT, LI)) for _ in range(2)]
    found = in_every_order(query(), *good, record((RESIDENT, LI), name="王芳"))
    assert (found.match, found.confirmed, found.probable) == (CONFLICT, (), ())


def test_reissued_number_of_another_person_is_a_conflict():
    former = record((RESIDENT, LI), name="赵敏", birth_date="1985-11-23")
    assert in_every_order(query(), record((RESIDENT, LI)), former).match is CONFLICT


def test_name_in_letters_that_agrees_with_two_of_one_sound_is_a_conflict():
    """Sisters of one sound lend each other their card."""
    hers, her_sisters = record((RESIDENT, LI), name="李敏"), record((RESIDENT, LI), name="李旻")
    assert in_every_order(query(name="LI MIN"), hers).match is CONFIRMED
    assert in_every_order(query(name="LI MIN"), hers, her_sisters).match is CONFLICT


def test_two_of_one_sound_whom_people_joined_are_one():
    one, other = record((RESIDENT, LI), name="李敏"), record((RESIDENT, LI), name="李旻")
    both = frozenset({one.id, other.id})
    index = Index({one.id: both, other.id: both}, frozenset({(one.id, other.id)}))
    assert identify(query(name="LI MIN"), one, other, index=index).match is CONFIRMED


def test_number_that_another_bears_too_as_people_ruled_makes_nobody_else_certain():
    own = record((RESIDENT, LI), institution=HERE, local="0001")
    another, whose, archived = record((RESIDENT, LI)), record((RESIDENT, LI), institution="third"), record()
    hers = frozenset({own.id, archived.id})
    index = Index({own.id: hers, archived.id: hers}, not_same=frozenset({(own.id, another.id)}))
    found = identify(query(), own, another, whose, archived, index=index)
    assert (found.confirmed, found.probable) == ((own.id, archived.id), (whose.id,))


def test_record_without_facts_yet_is_no_link():
    assert identify(query(), Record(10**6, THERE, b"x", None)).match is UNKNOWN


def test_nothing_known_is_unknown():
    assert identify(query()).match is UNKNOWN
