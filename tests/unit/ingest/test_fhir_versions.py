"""Versions of what comes with a report: a late older report never brings its old values back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fhir import House, bundle, observation, report

Json = dict[str, Any]

FIRST = (report(issued="2026-11-20T12:00:00+08:00"), observation(value=100))
SECOND = (report(issued="2026-11-20T15:00:00+08:00", status="corrected"), observation(value=120))


def value_after(*documents: tuple[Json, ...] | Json) -> str | None:
    """The one result's value after loading these, each by itself."""
    house = House()
    for one in documents:
        house.load(one if isinstance(one, dict) else bundle(*one))
    return house.result.measured.reported


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)], ids=["in order", "late older"])
def test_results_without_times_follow_the_newer_report(order: tuple[tuple[Json, ...], ...]) -> None:
    assert value_after(*order) == "120"


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)], ids=["in order", "late older"])
def test_of_equal_times_the_results_of_the_corrected_report_stand(order: tuple[tuple[Json, ...], ...]) -> None:
    stamp = {"lastUpdated": "2026-11-20T16:00:00+08:00"}
    assert value_after(*(tuple({**one, "meta": stamp} for one in parts) for parts in order)) == "120"


def test_members_of_a_panel_follow_the_report_too() -> None:
    panel = observation("panel", "58410-2", hasMember=[{"reference": "Observation/o1"}])
    del panel["valueQuantity"]
    made = [
        bundle(report(issued=f"2026-11-20T{hour}:00:00+08:00", results=["Observation/panel"]), panel, part)
        for hour, part in (("15", observation(value=120)), ("12", observation(value=100)))
    ]
    assert value_after(*made) == "120"


def test_collection_time_of_the_newer_report_stands() -> None:
    house = House()
    for hour, day in (("15", "18"), ("12", "20")):
        taken = {"resourceType": "Specimen", "id": "s", "collection": {"collectedDateTime": f"2026-11-{day}"}}
        made = report(issued=f"2026-11-20T{hour}:00:00+08:00", specimen=[{"reference": "Specimen/s"}])
        house.load(bundle(made, observation(), taken))
    assert house.result.performed is not None
    assert house.result.performed.text == "2026-11-18"


def test_value_that_came_back_keeps_the_newest_place() -> None:
    """First 100, then 120, then 100 again: the late second version is older than the third."""
    third = (report(issued="2026-11-20T18:00:00+08:00", status="corrected"), observation(value=100))
    assert value_after(FIRST, third, SECOND) == "100"


def test_result_with_its_own_time_keeps_it() -> None:
    """The laboratory corrected the result by itself after the report."""
    corrected = observation(value=140, status="corrected", issued="2026-11-20T20:00:00+08:00")
    assert value_after(FIRST, corrected, SECOND) == "140"
