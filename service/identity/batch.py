"""The person index in memory: links records that stand in no database, by the very rules of the service."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from service.domain.person import PatientFacts
from service.identity.index import relink, settle_again
from service.identity.links import CUT_OFF, Block, Cause, Key, Link, Rewritten, Ruling
from service.identity.persons import Pair
from service.identity.profile import Profile, Trait, read_profile
from service.identity.review import ReviewPair, expand


@dataclass(frozen=True, slots=True)
class Linked:
    """Of each record its person (a number, the same for all its records), and the pairs for people to decide."""

    persons: list[int]
    review: list[ReviewPair]


def link_records(records: Sequence[tuple[str, PatientFacts]]) -> Linked:
    """Links records given as (institution, facts); those they are known by from here on are their places."""
    store = MemoryIndex()
    store.relink([read_profile(n, institution, facts) for n, (institution, facts) in enumerate(records)])
    persons = store.persons_of(range(len(records)))
    return Linked([min(persons[n]) for n in range(len(records))], store.review())


class MemoryIndex:
    """An `IndexStore` in dictionaries."""

    def __init__(self) -> None:
        self._profiles: dict[int, Profile] = {}
        self._members: dict[Key, dict[int, str]] = {}
        self._traits_of: dict[int, tuple[Key, ...]] = {}
        self._links: dict[int, dict[Pair, Link]] = {}
        self._persons: dict[int, frozenset[int]] = {}
        self.rulings: dict[int, Ruling] = {}

    def relink(self, profiles: Sequence[Profile]) -> Rewritten:
        """Takes up new or changed records."""
        self._profiles |= {one.record: one for one in profiles}
        return relink(self, profiles)

    def rule(self, ruling: Ruling) -> Rewritten:
        """Puts a ruling in force."""
        self.rulings[ruling.id] = ruling
        cause = Cause.LINK if ruling.same else Cause.NOT_SAME
        return settle_again(self, ruling.pair, cause, "")

    def withdraw(self, ruling_id: int) -> Rewritten:
        """Takes a ruling back."""
        return settle_again(self, self.rulings.pop(ruling_id).pair, Cause.WITHDRAWN, "")

    def review(self) -> list[ReviewPair]:
        """The pairs for people to decide."""
        links = {one.pair: one for of_one in self._links.values() for one in of_one.values()}
        return expand(links.values(), self._persons)

    def keys_of(self, profile: Profile) -> dict[tuple[Trait, str], Key]:
        """The key of a trait is the trait."""
        return {one: one for one in profile.traits()}

    def replace_traits(self, profiles: Sequence[Profile]) -> dict[Key, Block]:
        """As `IndexStore`."""
        before: dict[Key, set[tuple[Hashable, int]]] = {}
        for profile in profiles:
            record = profile.record
            for key in self._traits_of.pop(record, ()):
                before.setdefault(key, set()).add((self._members[key].pop(record), record))
            self._traits_of[record] = tuple(profile.traits())
            for key in self._traits_of[record]:
                self._members.setdefault(key, {})[record] = profile.who
        return {key: Block(_trait(key), frozenset(members)) for key, members in before.items()}

    def blocks(self, keys: Collection[Key]) -> dict[Key, Block]:
        """As `IndexStore`."""
        found = {}
        for key in keys:
            members = sorted(((who, one) for one, who in self._members.get(key, {}).items()))[: CUT_OFF + 1]
            found[key] = Block(_trait(key), frozenset(members))
        return found

    def profiles(self, records: Collection[int]) -> dict[int, Profile]:
        """As `IndexStore`."""
        return {one: self._profiles[one] for one in records if one in self._profiles}

    def links_of(self, records: Collection[int]) -> list[Link]:
        """As `IndexStore`."""
        return list({link.pair: link for one in records for link in self._links.get(one, {}).values()}.values())

    def rulings_of(self, records: Collection[int]) -> list[Ruling]:
        """As `IndexStore`."""
        wanted = set(records)
        return [one for one in self.rulings.values() if wanted & {one.a, one.b}]

    def persons_of(self, records: Collection[int]) -> dict[int, frozenset[int]]:
        """As `IndexStore`."""
        return {one: self._persons.get(one, frozenset({one})) for one in records}

    def write(self, rewritten: Rewritten, cause: Cause, actor: str) -> None:
        """As `IndexStore`, without a history."""
        for link in rewritten.ended:
            for one in link.pair:
                del self._links[one][link.pair]
        for link in rewritten.begun:
            for one in link.pair:
                self._links.setdefault(one, {})[link.pair] = link
        for person in rewritten.persons:
            for one in person:
                self._persons[one] = person


def _trait(key: Key) -> Trait:
    assert isinstance(key, tuple)
    return Trait(key[0])
