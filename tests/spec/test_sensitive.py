"""Results of sensitive items are neither disclosed nor counted as existing (contract, section 4).

No reason code: there is nothing to say. Own ones, and those asked for with `restrictedConsent`, are told.
"""

from __future__ import annotations

from service.domain.decision import Outcome
from tests.support.matching import REQUESTER, ago, decide, lab, only_order, order

HIV = (order("56888-1"),)


def hiv(**more: str):
    return lab("56888-1", value="阴性", reported="阴性", unit=None, **more)


def test_sensitive_result_is_not_counted_as_existing():
    assert decide(hiv(), orders=HIV) == decide(orders=HIV)
    assert only_order(decide(hiv(), orders=HIV)).outcome is Outcome.NO_RESULT


def test_sensitive_result_is_told_with_restricted_consent():
    assert only_order(decide(hiv(), orders=HIV, restricted_consent=True)).outcome is Outcome.REUSABLE


def test_sensitive_result_of_the_ordering_institution_is_told():
    found = only_order(decide(hiv(performer=REQUESTER), hiv(performed=ago(days=1)), orders=HIV))
    assert found.outcome is Outcome.REUSABLE
    assert [one.head.performer for one in found.candidates] == [REQUESTER]


def test_restricted_consent_does_not_lift_a_refusal_to_share():
    found = only_order(decide(hiv(), orders=HIV, restricted_consent=True, consent_withheld=True))
    assert (found.outcome, found.candidates) == (Outcome.NO_RESULT, ())
