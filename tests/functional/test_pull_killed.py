"""kill -9 between any two steps of a pull, and before any statement of its transactions: nothing is lost, nothing is
doubled, nothing is stuck; while the hospital goes on working."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.fhir import open_source
from service.registry.database import Database
from service.security.keys import KeyRing
from tests.contract.test_fhir import FhirWorld
from tests.support.pulling import Contents, Installation, installation
from tests.support.pulling_child import Job, context, run

KILLS = {"sqlite": 80, "postgres": 20}
_LATE = timedelta(hours=2)
"""Longer than the overlap: only a listing tells."""
STEPS = ("pulled", "kept", "reading", "read")


@pytest.fixture
def world() -> Iterator[FhirWorld]:
    made = FhirWorld()
    yield made
    made.stop()


class _Hospital:
    """A hospital that goes on adding, correcting, withdrawing and deleting, and commits some things too late."""

    def __init__(self, world: FhirWorld, luck: random.Random) -> None:
        self.world, self.luck, self.count = world, luck, 0
        self.gone: set[int] = set()
        for _ in range(4):
            self.work()

    def work(self) -> None:
        """One thing happens."""
        standing = sorted(set(range(1, self.count + 1)) - self.gone)
        what = self.luck.choice(("add", "late", "correct", "withdraw", "delete")) if len(standing) > 3 else "add"
        if what == "add":
            self.count += 1
            self.world.add(self.count)
            return
        if what == "late":
            self.count += 1
            self.world.advance(-_LATE)
            commit = self.world.begin(self.count)
            self.world.advance(_LATE)
            commit()
            return
        which = self.luck.choice(standing)
        if what != "correct":
            self.gone.add(which)
        getattr(self.world, what)(which)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KILLS)
def test_killed_pulls_come_to_what_an_undisturbed_one_gives(
    kind: str, request: pytest.FixtureRequest, world: FhirWorld, tmp_path: Path, sqlite_template: Path
) -> None:
    url: str = request.getfixturevalue(f"{kind}_url")
    luck = random.Random(20_261_122)
    keys_file = tmp_path / "keys.json"
    KeyRing.generate().save(keys_file)
    hospital = _Hospital(world, luck)
    job = Job(url, keys_file, world.config())
    ends = _kill(job, hospital, KILLS[kind], luck)
    assert ends[-9] == KILLS[kind]
    keys = KeyRing.load(keys_file)
    with closing(Database.open(url)) as database:
        house = Installation(database, keys, kind="fhir")
        _pull_until_quiet(house, world)
        house.check_nothing_is_stuck()
        house.check_every_record_is_counted()
        found = house.contents()
    assert found == _undisturbed(world, keys, tmp_path, sqlite_template)
    assert set(found.statuses().values()) == {"final", "entered-in-error"}


def _kill(job: Job, hospital: _Hospital, kills: int, luck: random.Random) -> Counter[int]:
    """Runs that are killed, in turn at a step and at a statement, until it were so many; how all of them ended."""
    forks, ends = context(), Counter[int]()
    while ends[-9] < kills:
        assert sum(ends.values()) < 3 * kills
        if ends[-9] % 2:
            one = replace(job, step=STEPS[ends[-9] // 2 % len(STEPS)], nth=luck.randint(1, 3))
        else:
            one = replace(job, statement=luck.randint(1, 150))
        end = run(forks, one)
        assert end in (0, -9), end
        ends[end] += 1
        hospital.work()
    return ends


def _pull_until_quiet(house: Installation, world: FhirWorld) -> None:
    with closing(open_source(world.config())) as source:
        house.pull_until_quiet(source)


def _undisturbed(world: FhirWorld, keys: KeyRing, folder: Path, template: Path) -> Contents:
    """What one pull of everything gives."""
    with installation(folder, template, keys, kind="fhir") as other:
        _pull_until_quiet(other, world)
        return other.contents()
