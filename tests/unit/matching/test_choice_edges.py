"""Edges of the choice: ties, marks, and how far back is shown."""

from __future__ import annotations

import pytest

from service.domain.decision import Outcome
from service.domain.network import Alliance, Cluster
from tests.support.matching import NETWORK, REQUESTER, ago, certificate, chest, decide, lab, only_order, order, policy

BY_WIDTH = ("national", "cluster:ne", "region:220000", "region:220200", "region:220281", "alliance:a1")
MARKS = ("全国HR", "东北HR", "吉林省HR", "吉林市HR", "220281HR", "医联体一HR")


@pytest.mark.parametrize("flaw", [{"interpretation": ("HH",)}, {"specimen_issues": ("haemolysed",)}])
def test_of_two_results_of_one_moment_the_doubtful_one_is_not_passed_over(flaw: dict[str, tuple[str, ...]]):
    good, doubtful = lab(performed=ago(days=1)), lab(performed=ago(days=1), **flaw)
    for known in ((good, doubtful), (doubtful, good)):
        assert only_order(decide(*known)).outcome is Outcome.REVIEW


def test_of_two_records_of_one_exam_the_complete_one_is_taken():
    bare, whole = chest(has_report=False), chest()
    found = only_order(decide(bare, whole, orders=(order("CT.CHEST"),)))
    assert found.outcome is Outcome.REUSABLE


@pytest.mark.parametrize("widest", range(len(BY_WIDTH)), ids=BY_WIDTH)
def test_widest_certificate_that_covers_gives_the_mark(widest: int):
    network = policy(
        certificates=tuple(certificate(scope=one) for one in reversed((*BY_WIDTH[widest:], "region:110000"))),
        clusters=(Cluster("ne", "东北", ("210000", "220000")),),
        alliances=(*NETWORK.alliances, Alliance("a2", "医联体二")),
    )
    found = only_order(decide(lab(), under=network))
    assert found.candidates[0].mark == found.reuse[0].mark == MARKS[widest]


def test_result_out_of_scope_has_no_mark():
    found = only_order(decide(lab(), under=policy(certificates=(certificate(scope="region:110000"),))))
    assert found.candidates[0].mark is None


@pytest.mark.parametrize(
    ("performed", "listed"), [("2025-11", True), ("2025-10", False), ("2025", True), ("2024", False)]
)
def test_date_without_a_day_is_shown_while_it_may_lie_inside_the_lookback(performed: str, listed: bool):
    assert bool(only_order(decide(lab(performed=performed))).candidates) is listed


def test_undated_result_is_shown_and_never_reused():
    found = only_order(decide(lab(performed=ago(days=366), performer=REQUESTER), lab(performed="2026")))
    assert (found.outcome, len(found.candidates)) == (Outcome.NOT_REUSABLE, 1)
