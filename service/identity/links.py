"""What the person index keeps, and the port through which it keeps it."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from service.identity.persons import Pair
from service.identity.profile import Profile, Trait
from service.identity.rules import Tier

BY_PERSON = "ruled-same"
"""The rule of a link that people made."""


class Cause(StrEnum):
    """Why links began or ended."""

    RECORDS = "records"  # a record came, or was corrected
    RULES = "rules"  # the index was built again
    LINK = "link"
    UNLINK = "unlink"
    NOT_SAME = "not-same"
    WITHDRAWN = "withdrawn"  # a ruling was taken back


@dataclass(frozen=True, slots=True)
class Link:
    """A pair of records and what stands between them now. `why` is field -> outcome."""

    a: int
    b: int
    tier: Tier
    rule: str
    score: int
    why: Mapping[str, str]
    ruling: int | None = None
    id: int = 0

    @property
    def pair(self) -> Pair:
        """Both records, the lower first."""
        return self.a, self.b

    def says(self, other: Link) -> bool:
        """Whether both say the same of the same pair."""
        return (self.pair, self.tier, self.rule, self.ruling) == (
            other.pair,
            other.tier,
            other.rule,
            other.ruling,
        ) and (dict(self.why) == dict(other.why))


@dataclass(frozen=True, slots=True)
class Ruling:
    """What people decided about two records, in force now."""

    id: int
    a: int
    b: int
    same: bool

    @property
    def pair(self) -> Pair:
        """Both records, the lower first."""
        return self.a, self.b


@dataclass(frozen=True, slots=True)
class Block:
    """The records that share a value. `members` are (who, record), a record once; cut off at what is too many."""

    trait: Trait
    members: frozenset[tuple[Hashable, int]]

    @property
    def is_crowded(self) -> bool:
        """Whether too many share it for it to tell anything: a placeholder, a desk's phone, a card for everybody.
        Who shares a phone, card or number is counted by name and birth date, as one person has many records."""
        if len(self.members) > CROWD_RECORDS:
            return True
        return self.trait in OF_A_PERSON and len({who for who, _ in self.members}) > CROWD_PEOPLE


CROWD_RECORDS = 60
CROWD_PEOPLE = 12
"""A value that more records or people share is crowded."""
OF_A_PERSON = frozenset({Trait.PHONE, Trait.CARD, Trait.NUMBER})
"""Traits that are one person's, or a household's."""
CUT_OFF = 200
"""A block is read no further than this."""


@dataclass(slots=True)
class Rewritten:
    """The links and persons of some records, as they stand after a run."""

    ended: list[Link] = field(default_factory=list)
    begun: list[Link] = field(default_factory=list)
    persons: list[frozenset[int]] = field(default_factory=list)  # of all records looked at
    parted: list[list[frozenset[int]]] = field(default_factory=list)  # who was one person, as the several they are now
    ruled_two: list[list[frozenset[int]]] = field(default_factory=list)  # of whom one grew: two persons, by a ruling
    corrected: set[int] = field(default_factory=set)  # records that now bear another number, or another name and date


Key = Hashable
"""A trait as the store finds it: a blind index, or in memory the value itself."""


class IndexStore(Protocol):
    """Where the person index keeps its traits, links and persons."""

    def keys_of(self, profile: Profile) -> dict[tuple[Trait, str], Key]:
        """The key of each of its traits."""

    def replace_traits(self, profiles: Sequence[Profile]) -> dict[Key, Block]:
        """Writes the traits of these records; gives the blocks as these records stood in them before."""

    def blocks(self, keys: Collection[Key]) -> dict[Key, Block]:
        """The records that share each key."""

    def profiles(self, records: Collection[int]) -> dict[int, Profile]:
        """The profiles of records that have facts."""

    def links_of(self, records: Collection[int]) -> list[Link]:
        """The links that stand now and touch any of these records."""

    def rulings_of(self, records: Collection[int]) -> list[Ruling]:
        """The rulings in force that touch any of these records."""

    def persons_of(self, records: Collection[int]) -> dict[int, frozenset[int]]:
        """The person of each record, as all its records."""

    def write(self, rewritten: Rewritten, cause: Cause, actor: str) -> None:
        """Stores what a run came to."""
