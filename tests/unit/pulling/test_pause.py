"""How long a source is left alone after it failed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pulling.pull import pause_after

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("failures", "least"), [(1, 30), (2, 60), (5, 480), (8, 3600), (1000, 3600)])
def test_the_pause_doubles_up_to_an_hour(failures: int, least: int) -> None:
    assert timedelta(seconds=least) <= pause_after(failures, None) <= timedelta(seconds=least) * 1.25


@given(st.integers(1, 50), st.none() | st.floats(0, 1e6))
def test_it_is_never_shorter_than_asked_for_nor_longer_than_an_hour_and_a_quarter(
    failures: int, retry_after: float | None
) -> None:
    pause = pause_after(failures, retry_after)
    assert min(timedelta(seconds=retry_after or 0), HOUR) <= pause <= HOUR * 1.25
