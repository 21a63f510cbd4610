"""What a FHIR server leaves out without a word is noticed: rows beyond a limit, a clock set back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.fhir import open_source
from service.ingest.source import Cursor, Retriable
from tests.contract.asking import Given
from tests.contract.test_fhir import FhirWorld
from tests.support.fhir_answers import Answer

pytestmark = pytest.mark.slow


@pytest.fixture
def world() -> Iterator[FhirWorld]:
    made = FhirWorld()
    yield made
    made.stop()


def pulled(world: FhirWorld, cursor: Cursor | None = None) -> Given:
    given = Given(cursor=cursor)
    with closing(open_source(world.config())) as source:
        for batch in source.pull(cursor):
            given.take(batch)
    return given


def truncate(world: FhirWorld) -> None:
    """Pages tell the true total, and no link to what comes after them."""
    pages: Any = world.server.answers._page

    def without_next(*asked: Any) -> Answer:
        answer: Answer = pages(*asked)
        told = json.loads(answer.body)
        told["link"] = [one for one in told["link"] if one["relation"] != "next"]
        return replace(answer, body=json.dumps(told).encode())

    world.server.answers._page = without_next  # type: ignore[assignment,method-assign]


def test_rows_beyond_a_silent_limit_are_asked_for(world: FhirWorld) -> None:
    keys = [world.add(n) for n in range(1, 12)]
    world.advance(timedelta(minutes=1))
    truncate(world)
    assert set(keys) <= pulled(world).bodies.keys()


def test_more_rows_of_one_moment_than_a_silent_limit_gives_are_no_complete_run(world: FhirWorld) -> None:
    at = world.server.now()
    for n in range(1, 12):
        for one in world._resources(n):
            world.server.put(one, at)
    world.advance(timedelta(minutes=1))
    truncate(world)
    with pytest.raises(Retriable, match="announced 11 resources"):
        pulled(world)


def test_clock_that_is_set_back_hides_nothing(world: FhirWorld) -> None:
    world.add(1)
    world.advance(timedelta(minutes=1))
    first = pulled(world)
    world.advance(timedelta(hours=-8))
    key = world.add(2)
    world.advance(timedelta(hours=1))
    second = pulled(world, first.cursor)
    assert key in second.bodies
    later = world.add(3)
    world.advance(timedelta(minutes=1))
    assert later in pulled(world, second.cursor).bodies
