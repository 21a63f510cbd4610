"""Generated populations are linked without one false merge, and with the recall that their records allow.

The figures to reach stand in the research on identity (measured on another population of this kind).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

import pytest

from fixtures.population import Record, generate
from service.domain.person import PatientFacts, PatientIdentifier
from service.identity.batch import link_records
from service.identity.evaluation import Evaluation, evaluate
from service.identity.evaluation_files import IDENTIFIERS, demographic_proof

GRAVE = {
    "twins-same-sex", "twins-mixed", "newborn-twins", "same-name-mothers", "namesake", "namesake-near-number",
    "homophone-near-birth", "recycled-phone", "duplicate-number", "reissued-number", "relative-card", "newborn",
    "mother-number-on-newborn", "unidentified",
}  # fmt: skip


def facts(row: Record) -> tuple[str, PatientFacts]:
    identifiers = (
        PatientIdentifier(f"urn:testonce:identifier:{IDENTIFIERS[column].value}", value)
        for column, value in row.papers.items()
    )
    return row.institution, PatientFacts(
        f"csv|{row.local_id}", row.local_id, (row.name,) if row.name else (), row.birth_date or None, row.sex or None,
        tuple(identifiers), (row.phone,) if row.phone else (),
    )  # fmt: skip


def judged(rows: Sequence[Record]) -> Evaluation:
    told = [facts(row) for row in rows]
    linked = link_records(told)
    kinds: defaultdict[str, set[int]] = defaultdict(set)
    for place, row in enumerate(rows):
        for kind in row.traps:
            kinds[kind].add(place)
    review = ((one.a, one.b) for one in linked.review)
    return evaluate(
        linked.persons, review, [row.person for row in rows], kinds, [demographic_proof(*one) for one in told]
    )


def at_least(value: float | None, bound: float) -> bool:
    return value is not None and value >= bound


def test_a_small_population_is_linked_without_a_false_merge() -> None:
    found = judged(generate(2000, 11).records)
    assert found.examples == ()
    assert at_least(found.total.recall, 0.73)  # one in fifty either way, with so few
    assert at_least(found.total.recall_with_review, 0.95)
    assert at_least(found.proved.recall, 0.95)
    assert set(found.by_kind) >= GRAVE


def test_the_order_of_arrival_changes_nothing() -> None:
    rows = generate(300, 12, "hard").records
    shuffled = random.Random(1).sample(rows, len(rows))
    groups = []
    for some in (rows, shuffled):
        persons: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
        for row, person in zip(some, link_records([facts(row) for row in some]).persons, strict=True):
            persons[person].add(row.key)
        groups.append({frozenset(one) for one in persons.values()})
    assert groups[0] == groups[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_usual_population_reaches_its_figures(seed: int) -> None:
    found = judged(generate(20_000, seed).records)
    assert found.examples == ()
    assert at_least(found.total.recall, 0.75)
    assert at_least(found.total.recall_with_review, 0.96)
    assert at_least(found.proved.recall, 0.97)
    assert at_least(found.total.review_yield, 0.85)
    assert found.total.review_per_1000 is not None
    assert found.total.review_per_1000 <= 200
    for kind in ("duplicate-number", "reissued-number", "relative-card"):
        assert found.by_kind[kind].review > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_hard_population_is_linked_without_a_false_merge(seed: int) -> None:
    found = judged(generate(20_000, seed, "hard").records)
    assert found.examples == ()
    assert at_least(found.total.recall, 0.62)
    assert at_least(found.total.recall_with_review, 0.92)
    assert at_least(found.proved.recall, 0.96)
