"""A link opens a whole report: none is given where the report holds what the order may not see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.matching import ISSUER, REQUESTER, decide, head, lab, only_order


@pytest.mark.parametrize(
    ("performer", "restricted_consent", "retrievable"),
    [(ISSUER, False, False), (ISSUER, True, True), (REQUESTER, False, True)],
)
def test_report_that_holds_a_sensitive_result_is_linked_only_with_consent_or_as_own(
    performer: str, restricted_consent: bool, retrievable: bool
):
    report = replace(head(performer), holds_sensitive=True)
    found = only_order(decide(lab(report=report, performer=performer), restricted_consent=restricted_consent))
    assert found.candidates[0].retrievable is retrievable
    assert found.outcome.value == "reusable"


def test_report_without_sensitive_results_is_linked():
    assert only_order(decide(lab())).candidates[0].retrievable
