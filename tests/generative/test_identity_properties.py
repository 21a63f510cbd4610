"""No false link, whatever one field says; and the order of records never matters."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from service.domain.decision import Match
from service.domain.person import expand_resident_number, is_resident_number, normalise_identifier, resident_check
from service.identity.asked.statements import Evidence, compare_birth_dates, compare_names, compare_sexes
from tests.support.people import CARD, HERE, LI, MRN, PASSPORT, RESIDENT, THERE, identify, query, record, resident
from tests.support.strategies import quick

NAMES = ["李敏", "李 敏", "王芳", "李敏之子", "Li Min", "", None]
BIRTH_DATES = ["1985-11-23", "1985-11-24", "1985-11", "1985", None]
SEXES = ["female", "male", "unknown", None]
IDENTIFIERS = [
    (RESIDENT, LI), (RESIDENT, LI[:6] + LI[8:17]), (RESIDENT, resident(sequence="024")), (RESIDENT, "无"),
    (PASSPORT, "E12345678"), (CARD, "22010012345"), (MRN, "0001"), (MRN, "0002"),
]  # fmt: skip
demographics = st.fixed_dictionaries({
    "name": st.sampled_from(NAMES), "birth_date": st.sampled_from(BIRTH_DATES), "sex": st.sampled_from(SEXES),
})  # fmt: skip
identifiers = st.lists(st.sampled_from(IDENTIFIERS), min_size=1, max_size=3, unique=True)
records = st.builds(
    lambda ids, said, where, local: record(*ids, institution=where, local=local, **said),
    identifiers, demographics, st.sampled_from([HERE, THERE]), st.sampled_from([None, "0001", "0002"]),
)  # fmt: skip
queries = st.builds(lambda ids, said: query(*ids, **said), identifiers, demographics)


@quick
@given(queries, st.lists(records, max_size=4))
def test_no_confirmed_record_disagrees_with_what_was_asked(asked: Any, known: list[Any]):
    found = identify(asked, *known)
    for one in known:
        if one.id not in found.confirmed:
            continue
        names = (asked.name,) if asked.name else ()
        assert compare_names(names, one.facts.names) is not Evidence.DIFFERENT
        assert compare_birth_dates(asked.birth_date, one.facts.birth_date) is not Evidence.DIFFERENT
        assert compare_sexes(asked.sex, one.facts.sex) is not Evidence.DIFFERENT


@quick
@given(queries, st.lists(records, min_size=2, max_size=4))
def test_confirmed_records_never_disagree_with_one_another(asked: Any, known: list[Any]):
    sure = [one.facts for one in known if one.id in identify(asked, *known).confirmed]
    for one in sure:
        for other in sure:
            assert compare_names(one.names, other.names) is not Evidence.DIFFERENT
            assert compare_birth_dates(one.birth_date, other.birth_date) is not Evidence.DIFFERENT
            assert compare_sexes(one.sex, other.sex) is not Evidence.DIFFERENT


@quick
@given(
    st.lists(records, max_size=3), st.sampled_from(["name", "birth_date", "sex"]), st.sampled_from([RESIDENT, PASSPORT])
)
def test_flipping_any_one_field_never_leaves_a_confirmed_link(others: list[Any], field: str, system: str):
    number = (system, LI if system == RESIDENT else "E12345678")
    flipped = record(number, **{field: {"name": "王芳", "birth_date": "1985-11-24", "sex": "male"}[field]})
    assert identify(query(number), flipped, *others).match is Match.CONFLICT


@quick
@given(queries, st.lists(records, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_order_of_records_never_changes_the_linkage(asked: Any, known: list[Any], luck: random.Random):
    shuffled = list(known)
    luck.shuffle(shuffled)
    assert identify(asked, *shuffled) == identify(asked, *known)


@quick
@given(queries, st.lists(records, max_size=3))
def test_a_record_elsewhere_that_shares_no_identifier_is_never_linked(asked: Any, known: list[Any]):
    namesake = replace(record(name=asked.name, birth_date=asked.birth_date, sex=asked.sex), institution="elsewhere")
    found = identify(asked, namesake, *known)
    assert namesake.id not in {*found.confirmed, *found.probable}


def bodies(until: date = date(2099, 12, 31)) -> st.SearchStrategy[str]:
    """The first 17 digits of a resident number born 1900 or later."""
    return st.builds(
        lambda region, day, sequence: f"{region}{day:%Y%m%d}{sequence:03d}",
        st.integers(110000, 829999), st.dates(date(1900, 1, 1), until), st.integers(1, 999),
    )  # fmt: skip


@quick
@given(bodies(), st.integers(0, 17), st.sampled_from("0123456789X"))
def test_one_wrong_character_is_no_resident_number(body: str, place: int, character: str):
    number = body + resident_check(body)
    assume(number[place] != character)
    assert is_resident_number(number)
    assert not is_resident_number(number[:place] + character + number[place + 1 :])


@quick
@given(bodies(date(1999, 12, 31)))
def test_old_form_becomes_the_new_number_of_the_same_person(body: str):
    assert expand_resident_number(body[:6] + body[8:]) == body + resident_check(body)


@quick
@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=10))
def test_normalising_any_text_gives_an_identifier_or_none(system: str, value: str, kind: str):
    for one in (system, RESIDENT, PASSPORT, CARD):
        found = normalise_identifier(one, value, kind)
        assert found is None or normalise_identifier(f"urn:testonce:identifier:{found.kind}", found.value) == found
