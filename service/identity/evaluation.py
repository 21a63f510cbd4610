"""How good a linkage is, measured against the truth: what it merged wrongly, what it found, what it left to people.

Pure counting over pairs of records, without a pair ever being listed, so that one giant cluster costs nothing. A kind
(of trap or error) counts the pairs in which at least one record is of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

Pair = tuple[int, int]
"""Two records by their places, the smaller first."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of pairs, unless the name says otherwise. Ratios are None where nothing was there to divide by."""

    records: int
    people: int
    true_pairs: int  # records that are one person
    linked: int  # put together without anyone asked
    found: int  # both
    people_mixed: int
    persons_mixed: int  # predicted persons that hold records of several people
    review: int  # left to people, and not already linked
    review_true: int

    @property
    def false_merges(self) -> int:
        """Linked pairs that are two people."""
        return self.linked - self.found

    @property
    def recall(self) -> float | None:
        """Of the true pairs, those linked without anyone asked."""
        return _share(self.found, self.true_pairs)

    @property
    def recall_with_review(self) -> float | None:
        """Of the true pairs, those linked or shown for review."""
        return _share(self.found + self.review_true, self.true_pairs)

    @property
    def review_per_1000(self) -> float | None:
        """Pairs to decide for every 1,000 records."""
        return _share(1000 * self.review, self.records)

    @property
    def review_yield(self) -> float | None:
        """Of the pairs shown for review, those that are one person."""
        return _share(self.review_true, self.review)

    @property
    def false_rate_bound(self) -> float | None:
        """What share of linked pairs may be false at most, at 95 % confidence, when none was seen: the rule of three,
        3/n (Hanley and Lippman-Hand, JAMA 1983). None when one was seen, or nothing linked."""
        return None if self.false_merges else _share(3, self.linked)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`proved` counts only pairs that name, birth date, sex and phone prove; `by_kind` only those of a kind;
    `examples` are false merges to look at, at most 20."""

    total: Figures
    proved: Figures
    by_kind: Mapping[str, Figures]
    examples: tuple[Pair, ...]


def evaluate(
    persons: Sequence[int],
    review: Iterable[Pair],
    truth: Sequence[str],
    kinds: Mapping[str, Collection[int]],
    proofs: Sequence[Hashable | None] = (),
) -> Evaluation:
    """Compares the predicted person of each record with the true one; all three sequences go by record.

    `kinds` gives the records of each kind. `proofs` is equal for records whose demographics prove one person, and None
    where they are not complete."""
    left = {(min(pair), max(pair)) for pair in review}
    shown = [pair for pair in left if persons[pair[0]] != persons[pair[1]]]
    everyone = frozenset(range(len(truth)))
    counter = _Counter(persons, truth, shown)
    return Evaluation(
        counter.count(everyone),
        _proved(persons, truth, shown, proofs),
        {kind: counter.count(frozenset(records)) for kind, records in kinds.items()},
        _examples(persons, truth),
    )


class _Counter:
    """Counts the pairs that touch given records: those of a group less those of the group without them."""

    def __init__(self, persons: Sequence[int], truth: Sequence[str], shown: Sequence[Pair]) -> None:
        self._persons = persons
        self._truth = truth
        self._shown = shown
        self._clusters = _groups(persons)
        self._people = _groups(truth)

    def count(self, touched: frozenset[int]) -> Figures:
        clusters = [self._clusters[one] for one in {self._persons[record] for record in touched}]
        people = [self._people[one] for one in {self._truth[record] for record in touched}]
        mixed = [{self._truth[record] for record in cluster} for cluster in clusters]
        mixed = [one for one in mixed if len(one) > 1]
        shown = [pair for pair in self._shown if pair[0] in touched or pair[1] in touched]
        return Figures(
            len(touched),
            len(people),
            sum(_touching(one, touched) for one in people),
            sum(_touching(one, touched) for one in clusters),
            sum(_touching(one, touched) for cluster in clusters for one in self._by_truth(cluster)),
            len(set().union(*mixed)),
            len(mixed),
            len(shown),
            sum(self._truth[a] == self._truth[b] for a, b in shown),
        )

    def _by_truth(self, cluster: Sequence[int]) -> Iterable[list[int]]:
        split: defaultdict[str, list[int]] = defaultdict(list)
        for record in cluster:
            split[self._truth[record]].append(record)
        return split.values()


def _proved(
    persons: Sequence[int], truth: Sequence[str], shown: Sequence[Pair], proofs: Sequence[Hashable | None]
) -> Figures:
    """The figures of the true pairs with an equal proof. What is false is told by the total."""
    keys = {n: (truth[n], proof) for n, proof in enumerate(proofs) if proof is not None}
    groups = Counter(keys.values())
    found = Counter((key, persons[n]) for n, key in keys.items())
    seen = sum(a in keys and keys[a] == keys.get(b) for a, b in shown)
    linked = sum(map(_pairs, found.values()))
    people = len({person for person, _ in keys.values()})
    return Figures(len(keys), people, sum(map(_pairs, groups.values())), linked, linked, 0, 0, seen, seen)


def _examples(persons: Sequence[int], truth: Sequence[str]) -> tuple[Pair, ...]:
    found: list[Pair] = []
    for cluster in _groups(persons).values():
        if len(found) >= 20:
            break
        first = {truth[record]: record for record in reversed(cluster)}
        found += combinations(sorted(first.values()), 2) if len(first) > 1 else ()
    return tuple(found[:20])


def _groups(labels: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    found: defaultdict[Hashable, list[int]] = defaultdict(list)
    for record, label in enumerate(labels):
        found[label].append(record)
    return found


def _touching(group: Sequence[int], touched: frozenset[int]) -> int:
    return _pairs(len(group)) - _pairs(sum(record not in touched for record in group))


def _pairs(records: int) -> int:
    return records * (records - 1) // 2


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None
