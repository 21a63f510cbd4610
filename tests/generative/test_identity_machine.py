"""Everything at once, in any order: records come, come again and late, are corrected; people rule; clinicians ask; keys
are rotated; processes die. After each step the service knows what it would know had it been told all of it at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from service.audit.log import AuditLog
from service.domain.errors import Contradiction, NotFound, Unavailable
from service.domain.person import PatientFacts, PatientIdentifier
from service.identity.rules import Tier
from service.identity.store.rebuild import Rebuild
from service.registry.rotation.states import State
from service.security import keys as keys_module
from service.security.caller import Caller, Role
from tests.support.people import MRN
from tests.support.registrations import registrations
from tests.support.whole import HOSPITALS, Whole, ruled_from

pytestmark = pytest.mark.slow

USERS = ("wang", "zhao")
DAY = datetime(2026, 11, 1, tzinfo=UTC)
KEYS = ("Patient/P0001", "Patient/P0002", "mr|P0001")
"""Records of a hospital; the last one, its archive's, stands under the number of the first."""

hospitals = st.sampled_from(HOSPITALS)
users = st.sampled_from(USERS)
versions = st.sampled_from([None, 0, 1, 2, 3])
many = st.integers(0, 10**6)


@st.composite
def patients(draw: st.DrawFn) -> PatientFacts:
    """What a hospital says of one of its patients, at some time."""
    key, version, facts = draw(st.sampled_from(KEYS)), draw(versions), draw(registrations())
    local = key[-5:]
    ids = (*facts.identifiers, PatientIdentifier(MRN, local, "MR"))
    at = None if version is None else DAY + timedelta(days=version)
    return replace(facts, key=key, local_id=local, identifiers=ids, version_at=at)


class IdentityMachine(RuleBasedStateMachine):
    """Drives `tests.support.whole.Whole`; a subclass says on which database."""

    home: Path
    url: str
    numbers = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.whole = Whole(self.home / f"run{next(self.numbers)}", self.url)
        self.told = self.whole.told

    def teardown(self) -> None:
        self.whole.close()

    @rule(hospital=hospitals, batch=st.lists(patients(), min_size=1, max_size=3))
    def records_come(self, hospital: str, batch: list[PatientFacts]) -> None:
        self.whole.arrive(hospital, batch)

    @rule(hospital=hospitals, batch=st.lists(patients(), min_size=1, max_size=3))
    def loader_is_killed(self, hospital: str, batch: list[PatientFacts]) -> None:
        self.whole.arrive(hospital, batch, killed=True)

    @precondition(lambda self: self.told.facts)
    @rule(which=many)
    def file_comes_again(self, which: int) -> None:
        hospital = list(self.told.facts)[which % len(self.told.facts)][0]
        self.whole.arrive(hospital, [facts for own, facts in self.told.facts.items() if own[0] == hospital])

    def two(self, which: int) -> tuple[str, str]:
        """Two numbers of patients."""
        names = sorted({f"{own[0]}/{facts.local_id}" for own, facts in self.told.facts.items()})
        pairs = list(itertools.permutations(names, 2))
        return pairs[which % len(pairs)]

    def near(self, which: int, *, joined: bool) -> tuple[str, str]:
        """Two numbers of patients that are one person or not, near each other wherever there are such."""
        named = {self.told.ids[own]: f"{own[0]}/{facts.local_id}" for own, facts in self.told.facts.items()}
        links = sorted((one.pair, one.tier is Tier.CONFIRMED) for one in self.told.index().links_of(named))
        near = [(named[a], named[b]) for (a, b), is_one in links if named[a] != named[b] and is_one is joined]
        return near[which % len(near)] if near else self.two(which)

    is_ruled_on = precondition(lambda self: len({(own[0], one.local_id) for own, one in self.told.facts.items()}) > 1)

    @is_ruled_on
    @rule(which=many, by=st.sampled_from([*itertools.permutations(USERS, 1), *itertools.permutations(USERS, 2)]))
    def link(self, which: int, by: tuple[str, ...]) -> None:
        a, b = self.near(which, joined=False)
        for user in by:
            self.link_by(user, a, b)

    def link_by(self, user: str, a: str, b: str) -> None:
        pairs, told = self.told.pairs(a, b), self.told
        offers = told.offered(pairs)
        unruled = [one for one in pairs if not told.on([one], same=True)]
        confirms = [number for number, by in sorted(offers.items()) if by != user]
        refused = any(told.apart(*both) for both in pairs) or not unruled or (offers and not confirms)
        try:
            ruled = self.whole.rule("link", a, b, user)
        except Contradiction:
            assert refused
            return
        assert not refused
        assert ruled.state == ("in-force" if confirms else "proposed")
        if not confirms:
            told.proposed |= {n: (both, user) for n, both in zip(ruled.rulings, unruled, strict=True)}
            return
        assert list(ruled.rulings) == confirms
        confirmed = [told.proposed.pop(number)[0] for number in confirms]
        told.rulings |= {one.id: one for one in ruled_from(confirms, confirmed, same=True)}

    @is_ruled_on
    @rule(which=many, user=users, how=st.sampled_from(["unlink", "not_same"]))
    def part(self, which: int, user: str, how: str) -> None:
        a, b = self.near(which, joined=how == "unlink" or which % 2 == 0)
        pairs, told = self.told.pairs(a, b), self.told
        persons = told.persons()
        unruled = [one for one in pairs if not told.on([one], same=False)]
        if how == "unlink":
            refused = not any(y in persons[x] for x, y in pairs) or not told.parts(pairs)
        else:
            refused = bool(told.on(pairs, same=True)) or not told.parts(pairs) or not unruled
        try:
            ruled = self.whole.rule(how, a, b, user)
        except Contradiction:
            assert refused
            return
        assert not refused
        for number in [*told.offered(pairs)]:
            del told.proposed[number]
        for one in told.on(pairs, same=True):
            del told.rulings[one.id]
        told.rulings |= {one.id: one for one in ruled_from(ruled.rulings, unruled, same=False)}

    @is_ruled_on
    @rule(which=many, user=users)
    def withdraw(self, which: int, user: str) -> None:
        ruled = [one.pair for one in self.told.rulings.values()] + [both for both, _ in self.told.proposed.values()]
        named = {self.told.ids[own]: f"{own[0]}/{facts.local_id}" for own, facts in self.told.facts.items()}
        a, b = (named[one] for one in ruled[which % len(ruled)]) if ruled else self.two(which)
        pairs = self.told.pairs(a, b)
        standing = [one.id for one in self.told.rulings.values() if one.pair in pairs]
        offers = [*self.told.offered(pairs)]
        try:
            taken = self.whole.rule("withdraw", a, b, user)
        except NotFound:
            assert not standing + offers
            return
        assert sorted(taken.rulings) == sorted(standing + offers)
        for number in standing:
            del self.told.rulings[number]
        for number in offers:
            del self.told.proposed[number]

    @is_ruled_on
    @rule(which=many, how=st.sampled_from(["link", "unlink", "not_same", "withdraw"]))
    def ruling_fails(self, which: int, how: str) -> None:
        with pytest.raises((Unavailable, Contradiction, NotFound)):
            self.whole.rule(how, *self.near(which, joined=which % 2 == 0), "wang", fails=True)

    @precondition(lambda self: self.told.facts)
    @rule(which=many, hospital=hospitals)
    def clinician_asks(self, which: int, hospital: str) -> None:
        self.whole.decide(hospital, list(self.told.facts.values())[which % len(self.told.facts)])

    @precondition(lambda self: self.told.facts)
    @rule(which=many, hospital=hospitals, other=registrations())
    def clinician_asks_otherwise(self, which: int, hospital: str, other: PatientFacts) -> None:
        known = list(self.told.facts.values())[which % len(self.told.facts)]
        self.whole.decide(hospital, replace(other, identifiers=known.identifiers))

    @rule()
    def decisions_are_made_again(self) -> None:
        self.whole.reach()

    @rule()
    def index_is_rebuilt(self) -> None:
        parts = self.whole.parts
        Rebuild(parts.database, parts.linker, AuditLog(parts.database, parts.keys)).run(
            Caller("req", Role.STEWARD, "wang"), lambda _n, _total: None
        )

    @rule(until=st.sampled_from([State.PREPARED, State.SWITCHED, State.NONE]))
    def keys_are_rotated(self, until: State) -> None:
        self.whole.rotate(until)

    @invariant()
    def all_is_well(self) -> None:
        self.whole.check()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(keys_module, "TAKEN_UP_SECONDS", 0.0)
    return


def run(url: str, home: Path, examples: int, steps: int) -> None:
    machine = type("Machine", (IdentityMachine,), {"url": url, "home": home})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_whatever_happens_in_whatever_order(sqlite_url: str, tmp_path: Path) -> None:
    run(sqlite_url, tmp_path, 20, 30)


def test_whatever_happens_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    run(postgres_url, tmp_path, 6, 20)
