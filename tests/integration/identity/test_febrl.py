"""FEBRL, the public data of record linkage, as a regression of the rules: nothing linked falsely, and what is found.

The floors are what the rules found when they were set: the data never change, so a pair less is a rule changed. They
are low for want of sex and phone, with Latin names and numbers without a check character (docs/benchmarks.md).
"""

from __future__ import annotations

import pytest

from benchmarks.febrl import link, read_set

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "true_pairs", "linked", "with_review"), [("febrl4", 5000, 2182, 4561), ("febrl3", 6538, 1943, 5523)]
)
def test_name_birth_date_and_number_link_nobody_falsely(
    name: str, true_pairs: int, linked: int, with_review: int
) -> None:
    found = link(read_set(name), with_number=True)
    assert found.true_pairs == true_pairs
    assert found.false_merges == 0
    assert found.found >= linked
    assert found.found + found.review_true >= with_review


@pytest.mark.parametrize(("name", "with_review"), [("febrl4", 2417), ("febrl3", 2287)])
def test_name_and_birth_date_alone_link_nobody_and_are_shown_to_people(name: str, with_review: int) -> None:
    found = link(read_set(name), with_number=False)
    assert found.linked == 0
    assert found.review_true >= with_review
