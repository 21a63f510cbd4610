"""How values stand in columns."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.registry.columns import KEY_LENGTH, fit, from_us, from_us_or_none, storable, to_us, to_us_or_none


@given(st.datetimes(timezones=st.just(UTC)))
def test_moment_comes_back_exactly(at: datetime) -> None:
    assert from_us(to_us(at)) == at


def test_unknown_moment_stays_unknown() -> None:
    assert to_us_or_none(None) is None
    assert from_us_or_none(None) is None


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_storable(text: str) -> None:
    clean = storable(text)
    clean.encode("utf-8")
    assert "\x00" not in clean
    assert storable(clean) == clean
    if text == clean:
        return
    assert "\x00" in text or any(0xD800 <= ord(ch) < 0xE000 for ch in text)


@pytest.mark.parametrize("text", ["血红蛋白", "a\nb\tc", "", "ok"])
def test_ordinary_text_is_stored_as_it_is(text: str) -> None:
    assert storable(text) == fit(text) == text


def test_long_keys_are_cut_and_stay_apart() -> None:
    first, second = fit("x" * 500), fit("x" * 501)
    assert first != second
    assert len(first) == len(second) == KEY_LENGTH
    assert fit("x" * KEY_LENGTH) == "x" * KEY_LENGTH
