"""What the service was told, in plain dictionaries: from that, all it should know is worked out at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import product

from service.domain.person import PatientFacts
from service.identity.batch import MemoryIndex
from service.identity.links import Ruling
from service.identity.persons import Pair, pair
from service.identity.profile import read_profile

Own = tuple[str, str]
"""A record: its institution, and that one's key of it."""


@dataclass
class Told:
    """Patients as their hospitals last described them, and what people ruled. `ids` are the service's."""

    ids: dict[Own, int] = field(default_factory=dict)
    facts: dict[Own, PatientFacts] = field(default_factory=dict)
    rulings: dict[int, Ruling] = field(default_factory=dict)
    proposed: dict[int, tuple[Pair, str]] = field(default_factory=dict)  # the pair, and by whom

    def accepts(self, own: Own, facts: PatientFacts) -> bool:
        """Whether this replaces what is known; a late older version does not. Contract, section 3, fact "version"."""
        known = self.facts.get(own)
        if known is None or known.version_at is None or facts.version_at is None:
            return known != facts
        return known != facts and facts.version_at >= known.version_at

    def under(self, name: str) -> list[int]:
        """The records under `institution/local_id`."""
        return sorted(
            self.ids[own] for own, facts in self.facts.items() if f"{own[0]}/{facts.local_id}" == name
        )  # fmt: skip

    def pairs(self, a: str, b: str) -> list[Pair]:
        """Each record of the one number with each of the other's."""
        return sorted(pair(*one) for one in product(self.under(a), self.under(b)))

    def on(self, pairs: Collection[Pair], same: bool) -> list[Ruling]:
        """The rulings of that kind on these pairs."""
        return [one for one in self.rulings.values() if one.pair in pairs and one.same is same]

    def offered(self, pairs: Collection[Pair]) -> dict[int, str]:
        """The proposals on these pairs, and by whom."""
        return {number: user for number, (both, user) in self.proposed.items() if both in pairs}

    def index(self, rulings: Iterable[Ruling] | None = None) -> MemoryIndex:
        """The person index of all this, built at once."""
        index = MemoryIndex()
        index.rulings = {one.id: one for one in (self.rulings.values() if rulings is None else rulings)}
        index.relink([read_profile(self.ids[own], own[0], facts) for own, facts in self.facts.items()])
        return index

    def persons(self, rulings: Iterable[Ruling] | None = None) -> dict[int, frozenset[int]]:
        """Of each record its person."""
        return self.index(rulings).persons_of(self.ids.values())

    def numbers(self) -> dict[Own, frozenset[object]]:
        """The numbers that name one person by law, of each record."""
        return {own: frozenset(read_profile(0, own[0], facts).numbers) for own, facts in self.facts.items()}

    def parts(self, pairs: Collection[Pair]) -> bool:
        """Whether nothing would hold any of these together once they are ruled two persons."""
        kept = [one for one in self.rulings.values() if not (one.pair in pairs and one.same)]
        persons = self.persons([*kept, *(Ruling(-n, *both, False) for n, both in enumerate(pairs, 1))])
        return not any(b in persons[a] for a, b in pairs)

    def apart(self, a: int, b: int) -> bool:
        """Whether people ruled that the persons of the two are two."""
        persons = self.persons()
        return any(
            {one.a, one.b} <= persons[a] | persons[b] and not {one.a, one.b} <= persons[a]
            and not {one.a, one.b} <= persons[b]
            for one in self.rulings.values()
            if not one.same
        )  # fmt: skip
