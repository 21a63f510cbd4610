"""From pairs to persons. Pairs that agree can still join people who are not one: each person must hold together.

What holds for every person: no two of its records contradict each other, none is ruled another's, and it is no larger
than `MOST_RECORDS`. The outcome depends on the records and rulings alone, not on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

MOST_RECORDS = 60
"""More records than anyone has: beyond, something that many share was taken for one person's."""

Pair = tuple[int, int]


def pair(a: int, b: int) -> Pair:
    """The two, the lower first."""
    return (a, b) if a < b else (b, a)


@dataclass(frozen=True, slots=True)
class Settled:
    """Who is one person, and which pairs that agree were not joined."""

    persons: tuple[frozenset[int], ...]
    held: frozenset[Pair]


def settle(
    records: Collection[int],
    agreeing: Collection[Pair],
    contradicts: Callable[[int, int], bool],
    same: Collection[Pair] = (),
    not_same: Collection[Pair] = (),
) -> Settled:
    """The persons among `records`.

    `agreeing` are the pairs the rules confirm; `same` and `not_same` what people ruled: the one joins whatever
    contradicts, the other parts whatever agrees. A record that agrees with two that contradict each other has more
    than one candidate and is joined to neither (Oracle's OneExactMatch; identity_audit 3). Where a chain joins records
    that contradict and no single record is to blame, all its pairs are held.
    """
    ruled, apart = {pair(*one) for one in same}, {pair(*one) for one in not_same}
    edges = {pair(*one) for one in agreeing} - apart
    joined = ruled - apart
    held: set[Pair] = set()
    while True:
        groups = components(records, edges | joined)
        drop: set[Pair] = set()
        for group, agreed, own in zip(groups, _within(groups, edges), _within(groups, joined), strict=True):
            if len(group) > 1:
                drop |= _to_hold(group, agreed - own, own, apart, contradicts)
        if not drop:
            return Settled(tuple(frozenset(one) for one in groups), frozenset(held))
        edges -= drop
        held |= drop


def _within(groups: Sequence[set[int]], pairs: Iterable[Pair]) -> list[set[Pair]]:
    """The pairs of each group. Each pair is looked at once, however many groups there are."""
    place = {record: n for n, group in enumerate(groups) for record in group}
    found: list[set[Pair]] = [set() for _ in groups]
    for one in pairs:
        found[place[one[0]]].add(one)
    return found


def _to_hold(
    group: set[int], inner: set[Pair], own: set[Pair], apart: set[Pair], contradicts: Callable[[int, int], bool]
) -> set[Pair]:
    """The pairs of one group that cannot stand: of `inner`, that the rules confirm; `own` are joined by people."""
    if len(group) > MOST_RECORDS:
        return inner
    wrong = [
        (a, b)
        for a, b in combinations(sorted(group), 2)
        if (a, b) in apart or ((a, b) not in own and contradicts(a, b) and not _is_waived(a, b, own, contradicts))
    ]
    if not wrong or not inner:
        return set()
    near = neighbours(group, inner | own)
    torn = {one for a, b in wrong for one in near[a] & near[b]}
    return {one for one in inner if one[0] in torn or one[1] in torn} or inner


def _is_waived(a: int, b: int, joined: set[Pair], contradicts: Callable[[int, int], bool]) -> bool:
    """Whether people already ruled on just this contradiction: a looks like one of a joined pair, b like the other."""
    return any(_like(a, x, contradicts) and _like(b, y, contradicts) for one in joined for x, y in (one, one[::-1]))


def _like(a: int, b: int, contradicts: Callable[[int, int], bool]) -> bool:
    return a == b or not contradicts(a, b)


def neighbours(records: Iterable[int], edges: Iterable[Pair]) -> dict[int, set[int]]:
    """Who is joined to whom."""
    found: dict[int, set[int]] = {one: set() for one in records}
    for a, b in edges:
        found.setdefault(a, set()).add(b)
        found.setdefault(b, set()).add(a)
    return found


def components(records: Iterable[int], edges: Iterable[Pair]) -> list[set[int]]:
    """The groups that hang together, each in full; single records too."""
    near: Mapping[int, set[int]] = neighbours(records, edges)
    groups: list[set[int]] = []
    seen: set[int] = set()
    for start in near:
        if start in seen:
            continue
        group, ahead = {start}, [start]
        while ahead:
            for one in near[ahead.pop()] - group:
                group.add(one)
                ahead.append(one)
        seen |= group
        groups.append(group)
    return groups
