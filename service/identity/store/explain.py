"""Why two records are one person, or are not: evidence field by field, rules, what people ruled, history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from service.domain.person import PatientFacts
from service.identity.evidence import Compared, compare
from service.identity.links import BY_PERSON
from service.identity.persons import Pair, pair
from service.identity.profile import Profile, read_profile
from service.identity.rules import Tier, judge
from service.identity.store.history import DatedLink, links_between, person_at
from service.identity.store.records import persons_of
from service.identity.store.ruled import RuledPair, read_rulings
from service.identity.store.sql_index import SqlIndex
from service.registry.patients import open_facts
from service.registry.tables import patient_record
from service.security.keys import KeyRing


@dataclass(frozen=True, slots=True)
class FieldShown:
    """One field of both records, as they say it, and what comparing them shows."""

    field: str
    compared: Compared
    a: tuple[str, ...]
    b: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that speaks for and against two records being one person. `state` is a key of `words.STATES`, `rule` one of
    `words.RULES`. `path`: the records over which they hang together, where no link joins them directly. `then`: the
    persons of both at the time that was asked for."""

    a: int
    b: int
    state: str
    rule: str | None
    score: int | None
    fields: tuple[FieldShown, ...]
    doubts: tuple[tuple[str, ...], tuple[str, ...]]
    persons: tuple[frozenset[int], frozenset[int]]
    path: tuple[int, ...]
    rulings: tuple[RuledPair, ...]
    links: tuple[DatedLink, ...]
    then: tuple[frozenset[int], frozenset[int]] | None

    @property
    def records(self) -> frozenset[int]:
        """Every record that it speaks of."""
        then = self.then or (frozenset(), frozenset())
        ruled = {one for ruling in self.rulings for one in ruling.pair}
        return frozenset({self.a, self.b, *ruled}).union(*self.persons, *then)


def explain(conn: Connection, keys: KeyRing, a: int, b: int, at_us: int | None = None) -> Explanation:
    """Explains two records as they are now; `at_us` (microseconds since 1970 UTC) also says who they were then."""
    profiles, facts = _read(conn, keys, (a, b))
    crowded = _crowded(conn, keys, profiles[a])
    persons = persons_of(conn, (a, b))
    rulings = [
        one for one in read_rulings(conn, persons[a] | persons[b], past=True) if _is_between(one.pair, persons, a, b)
    ]
    links = links_between(conn, (a,), (b,)) or links_between(conn, persons[a], persons[b] - persons[a])
    standing = next((one for one in links if one.to_at is None and (one.a, one.b) == pair(a, b)), None)
    verdict = judge(profiles[a], profiles[b], crowded)
    compared = compare(profiles[a], profiles[b], crowded)
    is_ruled = any(one.parts and one.holds for one in rulings)
    return Explanation(
        a,
        b,
        "one-person" if b in persons[a] else "ruled-apart" if is_ruled else _tier_of(links),
        standing.rule if standing else verdict.rule if verdict else None,
        standing.score if standing else verdict.score if verdict else None,
        tuple(
            FieldShown(
                name, getattr(compared, name), _said(name, profiles[a], facts[a]), _said(name, profiles[b], facts[b])
            )
            for name in compared.__slots__
        ),
        (_doubts(profiles[a]), _doubts(profiles[b])),
        (persons[a], persons[b]),
        _path(conn, a, b, persons[a]) if b in persons[a] else (),
        tuple(rulings),
        tuple(links),
        None if at_us is None else (person_at(conn, (a,), at_us), person_at(conn, (b,), at_us)),
    )


def _read(
    conn: Connection, keys: KeyRing, records: Collection[int]
) -> tuple[dict[int, Profile], dict[int, PatientFacts]]:
    rows = conn.execute(
        select(patient_record.c.id, patient_record.c.institution, patient_record.c.facts).where(
            patient_record.c.id.in_(records)
        )
    ).all()
    facts = {row.id: open_facts(keys, row.id, row.facts) for row in rows}
    return {row.id: read_profile(row.id, row.institution, facts[row.id]) for row in rows}, facts


def _crowded(conn: Connection, keys: KeyRing, profile: Profile) -> frozenset[str]:
    """What of the record too many people share, as the index sees it."""
    index = SqlIndex(conn, keys.pinned(), 0, lambda _name, _n: range(0))  # for reading
    found = index.keys_of(profile)
    blocks = index.blocks(found.values())
    return frozenset(value for (_, value), key in found.items() if key in blocks and blocks[key].is_crowded)


def _is_between(one: Pair, persons: Mapping[int, frozenset[int]], a: int, b: int) -> bool:
    ours, theirs = persons[a], persons[b]
    return (one[0] in ours and one[1] in theirs) or (one[1] in ours and one[0] in theirs)


def _tier_of(links: Iterable[DatedLink]) -> str:
    """What stands between two persons: the strongest that does."""
    tiers = {one.tier for one in links if one.to_at is None}
    return next((one.value for one in (Tier.HELD, Tier.PROBABLE, Tier.BARRED) if one in tiers), "nothing")


def _said(field: str, profile: Profile, facts: PatientFacts) -> tuple[str, ...]:
    """What the record says of a field: as the source wrote it where that can be read at a glance."""
    return tuple(dict.fromkeys(_statements(field, profile, facts)))


def _statements(field: str, profile: Profile, facts: PatientFacts) -> Iterator[str]:
    if field == "name":
        yield from facts.names
    elif field == "phone":
        yield from facts.phones
    elif field == "local":
        yield f"{profile.institution}/{facts.local_id}"
    elif field in ("number", "card"):
        valid = profile.numbers if field == "number" else profile.cards
        yield from sorted(f"{one.kind}: {one.value}" for one in valid)
        yield from sorted(f"! {one}" for one in profile.broken if field == "number")
    else:
        stated, derived = getattr(facts, field), getattr(profile, field)
        yield from filter(None, (stated, f"({derived})" if derived and derived != stated else None))


def _doubts(profile: Profile) -> tuple[str, ...]:
    return tuple(sorted(one.value for one in profile.doubts))


def _path(conn: Connection, a: int, b: int, person: frozenset[int]) -> tuple[int, ...]:
    """The shortest way from a to b over links that stand, both included."""
    near: dict[int, list[int]] = {}
    for one in links_between(conn, person, person):
        if one.to_at is None and (one.tier == Tier.CONFIRMED or one.rule == BY_PERSON):
            near.setdefault(one.a, []).append(one.b)
            near.setdefault(one.b, []).append(one.a)
    came_from: dict[int, int] = {a: a}
    ahead = [a]
    for here in ahead:
        for there in sorted(near.get(here, ())):
            if there not in came_from:
                came_from[there] = here
                ahead.append(there)
    way = [b]
    while way[-1] != a and way[-1] in came_from:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))
