"""The person index: whatever the order, the batches and the repetitions, one outcome; and no person that cannot be."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.person import PatientFacts, PatientIdentifier
from service.identity.batch import MemoryIndex
from service.identity.evidence import compare
from service.identity.links import Ruling
from service.identity.profile import Profile, read_profile
from service.identity.rules import Tier
from tests.support.people import CARD, RESIDENT, resident
from tests.support.strategies import quick

SISTER = resident(sequence="024")

SAID = {
    "name": ["李敏", "李 敏", "李旻", "LI^MIN", "王芳", "李敏之子", "无名氏", "李?", ""],
    "birth": ["1985-11-23", "1985-11-24", "1985", None],
    "sex": ["female", "male", None],
    "number": [resident(), SISTER, resident("19900101"), "22010219851123004", None],
    "phone": ["13912345677", "13912345688", None],
    "card": [None, "22010012345"],
}
"""What a registration may say; the first is the truth of one woman, and most registrations tell most of it."""


def _facts(name: str, birth: str | None, sex: str | None, number: str | None, phone: str | None, card: str | None):
    ids = tuple(PatientIdentifier(system, value) for system, value in ((RESIDENT, number), (CARD, card)) if value)
    return PatientFacts("k", "k", (name,) if name else (), birth, sex, ids, (phone,) if phone else ())


@st.composite
def registrations(draw: st.DrawFn) -> PatientFacts:
    """The truth with up to three fields said otherwise."""
    other = draw(st.lists(st.sampled_from(list(SAID)), max_size=3, unique=True))
    return _facts(**{field: draw(st.sampled_from(said)) if field in other else said[0] for field, said in SAID.items()})


facts = registrations()
profiles = st.lists(facts, min_size=1, max_size=9).map(
    lambda many: [read_profile(n, f"h{n % 4}", one) for n, one in enumerate(many)]
)


def outcome(index: MemoryIndex, records: list[Profile]) -> tuple[object, ...]:
    ids = [one.record for one in records]
    links = sorted((one.pair, one.tier.value, one.rule, one.ruling or 0) for one in index.links_of(ids))
    return index.persons_of(ids), links, index.review()


def built(records: list[Profile], cuts: list[int] | None = None) -> MemoryIndex:
    index = MemoryIndex()
    for start, end in zip([0, *(cuts or [])], [*(cuts or []), len(records)], strict=True):
        index.relink(records[start:end])
    return index


@settings(quick, max_examples=400)
@given(profiles, st.randoms(use_true_random=False), st.data())
def test_order_batches_and_repetition_never_change_the_outcome(records, luck: random.Random, data):
    expected = outcome(built(records), records)
    shuffled = list(records)
    luck.shuffle(shuffled)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=4)))
    index = built(shuffled, cuts)
    assert outcome(index, records) == expected
    index.relink(shuffled[: luck.randint(0, len(records))])
    assert outcome(index, records) == expected


@settings(quick, max_examples=300)
@given(profiles, facts, st.integers(0, 8))
def test_record_corrected_later_leaves_what_it_would_have_made_at_first(records, other, which: int):
    which %= len(records)
    corrected = list(records)
    corrected[which] = read_profile(which, records[which].institution, other)
    index = built(records)
    index.relink([corrected[which]])
    assert outcome(index, records) == outcome(built(corrected), corrected)


@settings(quick, max_examples=300)
@given(profiles)
def test_no_person_holds_records_that_contradict_each_other(records):
    index = built(records)
    for group in set(index.persons_of([one.record for one in records]).values()):
        for a, b in combinations(sorted(group), 2):
            assert not compare(records[a], records[b]).contradicts
        numbers = {one.value for record in group for one in records[record].numbers}
        assert len(numbers) <= 1 or len(group) == 1


@settings(quick, max_examples=300)
@given(profiles, st.data())
def test_rulings_survive_every_later_run(records, data):
    index = built(records)
    count = len(records)
    pairs = list(combinations(range(count), 2))
    if not pairs:
        return
    chosen = data.draw(st.lists(st.sampled_from(pairs), max_size=3, unique=True))
    for number, (a, b) in enumerate(chosen):
        same = data.draw(st.booleans())
        if same and index.persons_of([a])[a] == index.persons_of([b])[b]:
            same = False
        index.rule(Ruling(number + 1, a, b, same))
        if same and any(not one.same and not _are_apart(index, one) for one in index.rulings.values()):
            index.withdraw(number + 1)  # the service refuses such a ruling
    expected = outcome(index, records)
    for one in index.rulings.values():
        together = index.persons_of([one.a])[one.a] == index.persons_of([one.b])[one.b]
        assert together is one.same or (not one.same and not _are_apart(index, one))
    index.relink(list(reversed(records)))
    assert outcome(index, records) == expected


def _are_apart(index: MemoryIndex, ruling: Ruling) -> bool:
    return index.persons_of([ruling.a])[ruling.a] != index.persons_of([ruling.b])[ruling.b]


def test_phone_of_a_desk_links_nobody_however_the_records_come():
    shared = "13912345677"
    crowd = [
        read_profile(n, "h0", PatientFacts("k", f"{n}", (f"王{chr(0x4E00 + n)}",), "1990-01-01", "male", (), (shared,)))
        for n in range(2, 30)
    ]
    twins = [
        read_profile(n, f"h{n}", PatientFacts("k", "k", ("李敏",), "1985-11-23", "female", (), (shared,)))
        for n in range(2)
    ]
    first, last = built([*twins, *crowd], [2, 10]), built([*crowd, *twins], [28])
    assert outcome(first, [*twins, *crowd]) == outcome(last, [*twins, *crowd])
    assert first.persons_of([0])[0] == {0}
    assert built(twins).persons_of([0])[0] == {0, 1}


@pytest.mark.parametrize("many", [61, 150])
def test_number_that_a_crowd_shares_links_nobody(many: int):
    number = (PatientIdentifier(RESIDENT, resident()),)
    records = [
        read_profile(n, f"h{n}", PatientFacts("k", "k", ("李敏",), "1985-11-23", "female", number)) for n in range(many)
    ]
    index = built(records, [many // 2])
    assert {one.tier for one in index.links_of(range(many))} <= {Tier.PROBABLE, Tier.BARRED, Tier.HELD}
