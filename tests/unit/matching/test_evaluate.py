"""How the choice is made: newest first, identity last, per item, and what follows for the order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from service.domain.decision import Match, Outcome, Verdict
from service.domain.network import Price
from service.domain.report import ExamPart
from tests.support.matching import REQUESTER, ago, decide, exam, head, lab, only_order, order, policy

CBC = (order("58410-2"),)


def test_panel_whose_required_items_are_all_there_is_reusable():
    report = head()
    found = only_order(decide(*(lab(i, report=report) for i in ("718-7", "6690-2", "777-3")), orders=CBC))
    assert found.outcome is Outcome.REUSABLE
    assert [one.item for one in found.reuse] == ["718-7", "6690-2", "777-3"]
    assert found.repeat == ()
    assert found.reasons == ()


def test_platelets_past_their_window_are_the_only_thing_to_repeat():
    report = head()
    old = [lab(i, ago(days=5), report=report) for i in ("718-7", "6690-2", "777-3")]
    found = only_order(decide(*old, orders=CBC))
    assert found.outcome is Outcome.PARTIAL
    assert [(one.item, one.reasons) for one in found.repeat] == [("777-3", ("outside-window",))]
    assert found.candidates[0].verdict is Verdict.REUSABLE


def test_member_nobody_has_is_repeated_without_a_reason():
    found = only_order(decide(lab("718-7"), orders=CBC))
    assert found.outcome is Outcome.PARTIAL
    assert [(one.item, one.reasons) for one in found.repeat] == [("6690-2", ()), ("777-3", ())]


def test_optional_member_is_reused_when_found_and_never_repeated():
    report = head()
    found = only_order(decide(*(lab(i, report=report) for i in ("718-7", "6690-2", "777-3", "788-0")), orders=CBC))
    assert "788-0" in [one.item for one in found.reuse]
    assert found.repeat == ()


def test_members_are_chosen_one_by_one_from_different_reports():
    found = only_order(
        decide(lab("718-7", ago(days=1)), lab("6690-2", ago(days=2)), lab("777-3", ago(days=2)), orders=CBC)
    )
    assert found.outcome is Outcome.REUSABLE
    assert {one.candidate for one in found.reuse} == {0, 1, 2}


def test_newer_result_that_needs_review_is_not_passed_over_for_an_older_one():
    found = only_order(decide(lab(performed=ago(days=2)), lab(performed=ago(days=1), interpretation=("HH",))))
    assert found.outcome is Outcome.REVIEW
    assert found.reuse[0].candidate == 0
    assert [reason.code for reason in found.reasons] == ["critical-value"]


def test_newer_blocked_result_does_not_hide_an_older_good_one():
    found = only_order(decide(lab(performed=ago(days=2)), lab(performed=ago(days=1), status="preliminary")))
    assert found.outcome is Outcome.REUSABLE
    assert found.candidates[found.reuse[0].candidate].performed.text == ago(days=2)


def test_candidate_with_an_identity_reason_comes_last():
    found = only_order(decide(lab(performed=ago(days=1), identity="probable"), lab(performed=ago(days=3))))
    assert found.outcome is Outcome.REUSABLE
    assert not found.candidates[-1].disclosed


def test_all_candidates_blocked_is_not_reusable():
    assert only_order(decide(lab(status="preliminary"))).outcome is Outcome.NOT_REUSABLE


def test_nothing_known_is_no_result_without_reasons():
    found = only_order(decide())
    assert (found.outcome, found.reasons) == (Outcome.NO_RESULT, ())


def test_unknown_patient_is_no_result():
    assert only_order(decide(match=Match.UNKNOWN)).outcome is Outcome.NO_RESULT


def test_result_past_the_lookback_is_not_listed():
    assert only_order(decide(lab(performed=ago(days=366)))).candidates == ()
    assert len(only_order(decide(lab(performed=ago(days=364)))).candidates) == 1


def test_withdrawn_result_does_not_exist():
    assert only_order(decide(lab(status="entered-in-error"))).outcome is Outcome.NO_RESULT
    assert only_order(decide(lab(report=head(status="cancelled")))).outcome is Outcome.NO_RESULT


def test_savings_count_the_panel_price_when_the_whole_panel_is_reused():
    report = head()
    whole = decide(*(lab(i, report=report) for i in ("718-7", "6690-2", "777-3")), orders=CBC)
    part = decide(lab("718-7"), orders=CBC)
    assert (whole.amount, part.amount) == (Decimal("20"), Decimal("5"))


def test_order_given_twice_saves_once():
    report = head()
    twice = (order("58410-2"), replace(order("58410-2"), id="o2"))
    decided = decide(*(lab(i, report=report) for i in ("718-7", "6690-2", "777-3")), orders=twice)
    assert [one.outcome for one in decided.orders] == [Outcome.REUSABLE] * 2
    assert decided.amount == Decimal("20")


def test_savings_count_the_typical_dose_of_the_ordered_exam():
    chest = exam(ExamPart("CT", "CHEST", contrast="without"))
    decided = decide(
        chest, orders=(order("CT.CHEST"),), under=policy(prices=(Price(REQUESTER, "CT.CHEST", Decimal(180)),))
    )
    assert (decided.amount, decided.dose_msv) == (Decimal(180), 6.5)


def test_rules_of_all_families_are_reported_together():
    old = lab(performed=ago(days=30), status="preliminary", specimen_issues=("haemolysed",))
    codes = {
        reason.code for reason in only_order(decide(old, visit_class="EMER", purpose="legal")).candidates[0].reasons
    }
    assert codes == {"outside-window", "not-final", "specimen-issue", "emergency", "legal-assessment"}
