"""Persons from pairs: what contradicts is never joined by way of a third, and people's rulings stand."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest

from service.identity.persons import MOST_RECORDS, settle

A, B, C, D, E, F = range(1, 7)


def groups(agreeing, wrong=(), same=(), not_same=(), records=range(1, 7)) -> set[frozenset[int]]:
    """The persons of more than one record; the same whatever the order."""
    contradicting = {frozenset(one) for one in wrong}
    found = {
        frozenset(one for one in settle(list(order), agreeing, lambda a, b: frozenset((a, b)) in contradicting, same,
                                        not_same).persons if len(one) > 1)
        for order in (records, list(records)[::-1])
    }  # fmt: skip
    assert len(found) == 1
    return set(found.pop())


def test_records_that_agree_are_one_person():
    assert groups([(A, B), (B, C), (D, E)]) == {frozenset({A, B, C}), frozenset({D, E})}


def test_record_with_two_candidates_that_contradict_each_other_is_joined_to_neither():
    assert groups([(A, C), (B, C)], wrong=[(A, B)]) == set()


def test_the_rest_of_both_persons_stays():
    agreeing = [(A, B), (D, E), (A, C), (B, C), (D, C), (E, C)]
    assert groups(agreeing, wrong=[(A, D), (A, E), (B, D), (B, E)]) == {frozenset({A, B}), frozenset({D, E})}


def test_chain_that_joins_what_contradicts_is_taken_apart():
    assert groups([(A, B), (B, C), (C, D)], wrong=[(A, D)]) == set()


def test_bridge_between_two_persons_is_checked_across_all_their_records():
    agreeing = [(A, B), (C, D), (B, C)]
    assert groups(agreeing, wrong=[(A, D)]) == set()
    assert groups(agreeing) == {frozenset({A, B, C, D})}


def test_people_join_what_contradicts():
    assert groups([], wrong=[(A, B)], same=[(A, B)]) == {frozenset({A, B})}


def test_what_people_joined_in_spite_of_a_contradiction_brings_its_likes_along():
    agreeing = [(A, C), (B, D)]  # c is like a, d like b; a has another number than b, and was ruled the same
    wrong = [(A, B), (A, D), (C, B), (C, D)]
    assert groups(agreeing, wrong=wrong, same=[(A, B)]) == {frozenset({A, B, C, D})}


def test_another_contradiction_is_not_waived_with_it():
    agreeing = [(A, C), (B, D), (D, E)]
    wrong = [(A, B), (A, D), (C, B), (C, D), (E, A), (E, B), (E, C)]
    found = groups(agreeing, wrong=wrong, same=[(A, B)])
    assert not any(E in one for one in found)


def test_ruled_two_people_is_stronger_than_any_agreement():
    assert groups([(A, B)], not_same=[(A, B)]) == set()
    assert groups([(A, B), (A, C), (B, C)], not_same=[(B, A)]) == set()


def test_what_people_joined_stays_when_a_ruling_parts_the_rest():
    assert groups([(A, B), (B, C), (A, C)], same=[(A, C)], not_same=[(A, B)]) == {frozenset({A, C})}


@pytest.mark.parametrize("order", list(permutations([(A, B), (B, C), (C, A)]))[:3])
def test_order_of_pairs_says_nothing(order):
    assert groups(order) == {frozenset({A, B, C})}


def test_more_records_than_anyone_has_are_nobody():
    many = range(MOST_RECORDS + 1)
    assert groups(list(combinations(many, 2)), records=many) == set()
    assert groups(list(combinations(range(MOST_RECORDS), 2)), records=many) == {frozenset(range(MOST_RECORDS))}


def test_pairs_not_joined_are_told():
    settled = settle([A, B, C], [(A, C), (B, C)], lambda a, b: {a, b} == {A, B})
    assert settled.held == {(A, C), (B, C)}
