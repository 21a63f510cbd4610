"""Ids that follow from a decision and an order."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decisions.rows import new_decision_id
from service.recognition.ids import decision_range, derived_id


@given(st.text(max_size=64), st.sampled_from(["card", "suggestion", "recognition"]))
def test_derived_id_is_a_uuid_that_leads_back_to_its_decision(order: str, purpose: str) -> None:
    decision = new_decision_id(datetime(2026, 11, 22, tzinfo=UTC))
    derived = derived_id(decision, order.encode("utf-8", "replace").decode(), purpose)
    assert uuid.UUID(derived).variant == uuid.RFC_4122
    least, most = decision_range(derived)
    assert least <= decision <= most


def test_each_order_and_purpose_has_its_own() -> None:
    decision = "019aa000-0000-7000-8000-000000000000"
    made = {derived_id(decision, order, purpose) for order in ("o1", "o2") for purpose in ("card", "suggestion")}
    assert len(made) == 4
    assert derived_id(decision, "o1", "card") in made


def test_text_that_is_no_uuid_leads_nowhere() -> None:
    with pytest.raises(ValueError, match="UUID"):
        decision_range("7")
