"""Counting what a linkage got right and wrong, on cases small enough to count by hand."""

from __future__ import annotations

import pytest

from service.identity.evaluation import evaluate

TRUTH = ["ann", "ann", "ann", "bob", "bob", "cy", "dee"]
KINDS = {"trap twins": {3, 5}, "error typo": {2}, "trap none": set[int]()}


def test_all_is_found_and_nothing_is_merged() -> None:
    found = evaluate([1, 1, 1, 2, 2, 3, 4], [], TRUTH, {}).total
    assert (found.records, found.people, found.true_pairs, found.linked, found.found) == (7, 4, 4, 4, 4)
    assert (found.false_merges, found.people_mixed, found.persons_mixed) == (0, 0, 0)
    assert (found.recall, found.recall_with_review, found.review_yield) == (1.0, 1.0, None)
    assert found.false_rate_bound == pytest.approx(0.75)


def test_a_false_merge_is_counted_by_pairs_people_and_persons() -> None:
    # ann's third record is lost; bob's two and cy's are put together
    found = evaluate([1, 1, 6, 2, 2, 2, 4], [(2, 0), (0, 2), (5, 6), (3, 4)], TRUTH, KINDS)
    total = found.total
    assert (total.linked, total.found, total.false_merges) == (4, 2, 2)
    assert (total.people_mixed, total.persons_mixed) == (2, 1)
    assert (total.review, total.review_true) == (2, 1)  # given twice counts once; a linked pair needs no review
    assert (total.recall, total.recall_with_review, total.review_yield) == (0.5, 0.75, 0.5)
    assert total.review_per_1000 == pytest.approx(2000 / 7)
    assert total.false_rate_bound is None
    assert found.examples == ((3, 5),)


def test_a_kind_counts_only_the_pairs_that_touch_its_records() -> None:
    found = evaluate([1, 1, 6, 2, 2, 2, 4], [(0, 2), (5, 6)], TRUTH, KINDS).by_kind
    twins, typo = found["trap twins"], found["error typo"]
    assert (twins.records, twins.true_pairs, twins.linked, twins.found, twins.false_merges) == (2, 1, 3, 1, 2)
    assert (twins.review, twins.review_true) == (1, 0)
    assert (typo.true_pairs, typo.linked, typo.review, typo.review_true) == (2, 0, 1, 1)
    assert typo.recall_with_review == 0.5
    assert found["trap none"].recall is None
    assert list(found) == list(KINDS)


def test_pairs_proved_by_demographics_are_those_of_one_person_with_an_equal_proof() -> None:
    proofs = ["x", "x", None, "x", "y", None, None]  # bob's proof is ann's: his pairs are not proved by it
    found = evaluate([1, 2, 6, 2, 2, 2, 4], [(0, 1)], TRUTH, {}, proofs).proved
    assert (found.true_pairs, found.found, found.recall, found.recall_with_review) == (1, 0, 0.0, 1.0)


def test_a_cluster_of_a_million_pairs_is_counted_and_not_listed() -> None:
    found = evaluate([0] * 3000, [], [str(n) for n in range(3000)], {"trap placeholder": range(1500)})
    assert found.total.false_merges == 3000 * 2999 // 2
    assert found.total.people_mixed == 3000
    assert found.by_kind["trap placeholder"].false_merges == 3000 * 2999 // 2 - 1500 * 1499 // 2
    assert len(found.examples) == 20
