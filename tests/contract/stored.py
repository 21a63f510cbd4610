"""Questions through the machinery: what an adapter gives ends in the registry, counted, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from service.ingest.source import SourceConfig
from service.security.keys import KeyRing
from tests.contract.asking import Asking, needs
from tests.contract.world import NAME_OF_PATIENT, NUMBER_OF_PATIENT, World
from tests.support.link import Link
from tests.support.pulling import Contents, Installation, Step, installation

STEPS = ("pulled", "kept", "reading", "read")
_MOST_LISTINGS = 12
GONE = ("entered-in-error", "cancelled")


class Killed(Exception):
    """The process ends here."""


class Stored(Asking):
    """The registry."""

    @pytest.fixture
    def house(self, tmp_path: Path, sqlite_template: Path, keys: KeyRing) -> Iterator[Installation]:
        """A registry that holds nothing."""
        with installation(tmp_path, sqlite_template, keys, kind=self.world_type.kind) as made:
            yield made

    def _pull(self, house: Installation, config: SourceConfig) -> Contents:
        with closing(self.open_source(config)) as source:
            house.pull_until_quiet(source)
        house.check_nothing_is_stuck()
        return house.contents()

    def _standing(self, held: Contents) -> dict[str, tuple[str, bytes]]:
        """The reports that were not withdrawn."""
        return {number: one for number, one in held.reports.items() if one[0] not in GONE}

    def _fresh(self, house: Installation, tmp_path: Path, template: Path, config: SourceConfig) -> Contents:
        """What an undisturbed pull of everything would give."""
        with installation(tmp_path, template, house.keys, kind=self.world_type.kind) as other:
            return self._pull(other, config)

    def test_every_examination_is_one_report_and_every_record_is_counted(
        self, world: World, house: Installation
    ) -> None:
        self.fill(world)
        first = self._pull(house, world.config())
        assert len(first.reports) == len(set(first.statuses())) == 7
        assert all(n == 1 for n in first.results.values())
        again = self._pull(house, world.config())
        assert again == first
        days = house.days()
        assert house.rejected() == []
        assert days["received"] == sum(one.received for one in house.outcomes)
        assert days["received"] == days.get("known", 0) + sum(one.stored for one in house.outcomes)
        read = sum(days.get(one, 0) for one in ("new", "updated", "unchanged", "rejected"))
        assert read >= days["received"] - days.get("known", 0)

    def test_nothing_of_a_patient_stands_in_the_clear(self, world: World, house: Installation, tmp_path: Path) -> None:
        self.fill(world, 2)
        self._pull(house, world.config())
        text = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
        assert NAME_OF_PATIENT.encode() not in text
        assert NUMBER_OF_PATIENT.encode() not in text

    def test_changes_end_in_what_an_undisturbed_pull_would_give(
        self, world: World, house: Installation, tmp_path: Path, sqlite_template: Path
    ) -> None:
        self.fill(world)
        before = self._pull(house, world.config()).statuses()
        world.advance(timedelta(days=2))
        world.correct(1)
        for n, what in ((2, "withdraw"), (3, "delete")):
            if what not in world.cannot:
                getattr(world, what)(n)
        world.advance(timedelta(minutes=1))
        world.add(12)
        world.advance(timedelta(minutes=1))
        after = self._pull(house, world.config())
        fresh = self._fresh(house, tmp_path, sqlite_template, world.config())
        standing = self._standing(after)
        assert standing == self._standing(fresh)
        changed = len({"withdraw", "delete"} - world.cannot.keys())
        assert len(standing) == len(before) + 1 - changed

    @needs("delete")
    def test_examination_that_is_deleted_and_comes_back_stands_again(self, world: World, house: Installation) -> None:
        self.fill(world)
        before = self._pull(house, world.config())
        for n in range(2):
            world.advance(timedelta(days=1))
            world.delete(3)
            world.advance(timedelta(minutes=1))
            gone = self._pull(house, world.config())
            assert len(self._standing(gone)) == len(before.reports) - 1, f"deleted {n + 1} times"
            world.come_back(3)
            world.advance(timedelta(minutes=1))
            after = self._pull(house, world.config())
            assert after.statuses() == before.statuses(), f"back {n + 1} times"
            assert after.results == before.results

    @needs("list")
    def test_record_committed_later_than_the_overlap_arrives_after_the_next_listing(
        self, world: World, house: Installation
    ) -> None:
        self.fill(world, 3)
        commit = world.begin_too_early(30)
        assert len(self._pull(house, world.config()).reports) == 3
        world.advance(timedelta(hours=2))
        world.add(4)
        world.advance(timedelta(minutes=1))
        assert len(self._pull(house, world.config()).reports) == 4
        commit()
        self._pull_until_there_are(5, world, house)

    @needs("list")
    def test_examination_that_listings_missed_twice_and_name_again_stands_again(
        self, world: World, house: Installation
    ) -> None:
        self.fill(world)
        world.advance(timedelta(days=1))
        world.add(8)
        world.advance(timedelta(minutes=1))
        before = self._pull(house, world.config())
        world.hide(3)
        assert len(self._standing(self._pull(house, world.config()))) == len(before.reports) - 1
        world.show(3)
        after = self._pull_until_there_are(len(before.reports), world, house)
        assert after.statuses() == before.statuses()
        assert after.results == before.results

    def _pull_until_there_are(self, number: int, world: World, house: Installation) -> Contents:
        """Runs until so many reports stand: an archive lists one older day in each."""
        for _ in range(_MOST_LISTINGS):
            with closing(self.open_source(world.config())) as source:
                assert house.pull(source).error is None
            held = house.contents()
            if len(self._standing(held)) == number:
                break
        assert len(self._standing(held)) == number
        house.check_nothing_is_stuck()
        house.check_every_record_is_counted()
        return held

    @needs("add_bad")
    def test_bad_record_waits_as_a_dead_letter_beside_neighbours_that_came(
        self, world: World, house: Installation
    ) -> None:
        self.fill(world, 3)
        world.add_bad()
        world.advance(timedelta(minutes=1))
        held = self._pull(house, world.config())
        assert len(held.reports) == 3
        assert house.rejected() or house.days().get("ignored"), "it vanished without a word"

    @pytest.mark.parametrize("step", STEPS)
    def test_killed_between_two_steps_nothing_is_lost_or_doubled(
        self, world: World, house: Installation, tmp_path: Path, sqlite_template: Path, step: str
    ) -> None:
        self.fill(world)
        for nth in (1, 2):
            with closing(self.open_source(world.config())) as source, suppress(Killed):
                house.pull(source, step=_killing(step, nth))
        after = self._pull(house, world.config())
        assert after == self._fresh(house, tmp_path, sqlite_template, world.config())

    def test_cut_line_then_whole_nothing_is_lost_or_doubled(
        self, world: World, link: Link, house: Installation, tmp_path: Path, sqlite_template: Path
    ) -> None:
        self.fill(world)
        config = world.config(link.port)
        fresh = self._fresh(house, tmp_path, sqlite_template, config)
        link.mend()
        self.pull(config)
        for point in link.boundaries(5):
            link.mend()
            link.cut_at = point
            with closing(self.open_source(config)) as source:
                house.pull(source)
            house.check_nothing_is_stuck()
        link.mend()
        assert self._pull(house, config) == fresh


def _killing(name: str, nth: int) -> Step:
    seen = 0

    def step(done: str) -> None:
        nonlocal seen
        seen += done == name
        if seen == nth and done == name:
            raise Killed

    return step
