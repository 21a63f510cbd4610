"""The pairs that wait for a person's decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from service.identity.links import Link
from service.identity.persons import Pair, pair
from service.identity.rules import SHOWN_ONCE, Tier

WAITING = (Tier.PROBABLE, Tier.HELD)


@dataclass(frozen=True, slots=True, order=True)
class ReviewPair:
    """Two records that may be one person; `score` as `rules.Rule`, `why` the rule and the outcomes that speak."""

    a: int
    b: int
    score: int
    why: tuple[str, ...]


def expand(links: Iterable[Link], persons: Mapping[int, frozenset[int]]) -> list[ReviewPair]:
    """Every pair of records whose persons wait for a decision, the likeliest first.

    Who decides about two records decides about all that belong to either: so each pair of the two persons is named,
    those between which nothing stands by itself with the rule of the pair that does.
    """
    best: dict[Pair, ReviewPair] = {}
    once: dict[tuple[frozenset[int], frozenset[int]], ReviewPair] = {}
    for link in (one for one in links if one.tier in WAITING):
        why = explain_briefly(link)
        ours, theirs = (persons.get(one, frozenset({one})) for one in link.pair)
        if link.rule in SHOWN_ONCE:
            both = (ours, theirs) if min(ours) < min(theirs) else (theirs, ours)
            once[both] = _better(once.get(both), ReviewPair(*link.pair, link.score, why))
            continue
        for one, other in product(ours, theirs):
            score = link.score if {one, other} == set(link.pair) else link.score - 1
            found = ReviewPair(*pair(one, other), score, why)
            best[found.a, found.b] = _better(best.get((found.a, found.b)), found)
    for found in once.values():
        best.setdefault((found.a, found.b), found)
    return sorted(best.values(), key=lambda one: (-one.score, one.a, one.b))


def _better(known: ReviewPair | None, found: ReviewPair) -> ReviewPair:
    """The likelier, or of two alike the same whatever their order."""
    return found if known is None or _rank(found) > _rank(known) else known


def _rank(one: ReviewPair) -> tuple[int, tuple[str, ...], int, int]:
    return one.score, one.why, one.a, one.b


def explain_briefly(link: Link) -> tuple[str, ...]:
    """The rule, then each field that says something, as `field=outcome`."""
    held = ("more-than-one-candidate",) if link.tier is Tier.HELD else ()
    said = (f"{name}={outcome}" for name, outcome in link.why.items() if outcome != "missing")
    return (*held, link.rule, *said)
