"""The pairs that wait for a person's decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from service.identity.links import Link
from service.identity.persons import pair
from service.identity.rules import Tier

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
    best: dict[tuple[int, int], ReviewPair] = {}
    for link in links:
        if link.tier not in WAITING:
            continue
        why = explain_briefly(link)
        for one in persons.get(link.a, frozenset({link.a})):
            for other in persons.get(link.b, frozenset({link.b})):
                direct = {one, other} == {link.a, link.b}
                found = ReviewPair(*pair(one, other), link.score if direct else max(link.score - 1, 0), why)
                known = best.get((found.a, found.b))
                if known is None or (known.score, known.why) < (found.score, found.why):
                    best[found.a, found.b] = found
    return sorted(best.values(), key=lambda one: (-one.score, one.a, one.b))


def explain_briefly(link: Link) -> tuple[str, ...]:
    """The rule, then each field that says something, as `field=outcome`."""
    held = ("more-than-one-candidate",) if link.tier is Tier.HELD else ()
    said = (f"{name}={outcome}" for name, outcome in link.why.items() if outcome != "missing")
    return (*held, link.rule, *said)
