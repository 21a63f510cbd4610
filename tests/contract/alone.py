"""Questions to an adapter alone: what the port promises."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest

from service.domain.errors import InvalidInput
from service.ingest.source import Fatal
from tests.contract.asking import Asking, Given, needs, through_json
from tests.contract.world import NAME_OF_PATIENT, NUMBER_OF_PATIENT, PASSWORD, World


class Alone(Asking):
    """The port."""

    def test_check_finds_a_working_source_ready_and_takes_a_sample(self, world: World) -> None:
        self.fill(world)
        with closing(self.open_source(world.config())) as source:
            found = source.check()
            source.probe()
        assert found.is_ready, found.findings
        assert 0 < len(found.sample) <= 20
        told = repr((found.findings, found.software, found.capabilities))
        assert not any(one in told for one in (NAME_OF_PATIENT, NUMBER_OF_PATIENT, PASSWORD))

    def test_unknown_option_is_refused_when_the_source_is_opened(self, world: World) -> None:
        options = {**world.config().options, "no_such_option": True}
        with pytest.raises((Fatal, InvalidInput), match="no_such_option"):
            self.open_source(world.config(options=options)).close()

    def test_empty_source_is_pulled_to_its_end(self, world: World) -> None:
        given = self.pull(world.config())
        assert given.records == {}
        again = self.pull(world.config(), given.cursor)
        assert again.records == {}

    def test_what_is_added_after_an_empty_run_comes(self, world: World) -> None:
        first = self.pull_until_quiet(world.config())
        world.advance(timedelta(minutes=30))
        keys = self.fill(world, 2)
        assert set(keys) <= self.pull_until_quiet(world.config(), first.cursor).bodies.keys()

    def test_every_examination_comes_with_its_bytes(self, world: World) -> None:
        keys = self.fill(world)
        given = self.pull_until_quiet(world.config())
        assert set(keys) <= given.bodies.keys()
        assert all(given.records[key].body for key in keys)
        assert all(one.problem is None for one in given.records.values())
        assert len(given.batches) >= 2, "the world's page_size_option makes several batches"

    def test_repetition_gives_the_same_keys_and_bytes(self, world: World) -> None:
        self.fill(world)
        first, second = (self.pull_until_quiet(world.config()) for _ in range(2))
        assert first.records == second.records
        overlap = self.pull(world.config(), first.cursor)
        assert overlap.records.items() <= first.records.items()

    def test_killed_after_any_batch_it_goes_on_from_there(self, world: World) -> None:
        self.fill(world)
        config = world.config()
        whole = self.pull_until_quiet(config)
        count = len(whole.batches)
        for n in sorted({*range(1, count + 1, -(-count // 8)), count}):
            given = Given()
            for pulled in whole.batches[:n]:
                given.take(pulled)
            self.catch_up(config, given, whole)
            assert given.bodies == whole.bodies, f"killed after batch {n} of {count}"

    def test_cursor_of_long_ago_still_leads_to_everything_since(self, world: World) -> None:
        self.fill(world)
        first = self.pull_until_quiet(world.config())
        old = through_json(first.batches[0].cursor)
        world.advance(timedelta(days=2))
        key = world.add(20)
        world.advance(timedelta(minutes=1))
        given = self.pull_until_quiet(world.config(), old)
        assert key in given.bodies
        given.records = {**first.records, **given.records}
        assert given.bodies.keys() == self.pull_until_quiet(world.config()).bodies.keys()

    def test_late_correction_comes_with_the_key_it_had(self, world: World) -> None:
        keys = self.fill(world)
        first = self.pull_until_quiet(world.config())
        world.advance(timedelta(hours=1))
        key = world.correct(2)
        world.advance(timedelta(minutes=1))
        then = self.pull_until_quiet(world.config(), first.cursor)
        assert key in keys
        changed = {one for one, body in then.bodies.items() if first.bodies.get(one) != body}
        assert key in changed
        assert changed <= first.bodies.keys(), "a correction made a new record"

    @needs("withdraw")
    def test_withdrawal_comes(self, world: World) -> None:
        self.fill(world)
        first = self.pull_until_quiet(world.config())
        world.advance(timedelta(hours=1))
        key = world.withdraw(2)
        world.advance(timedelta(minutes=1))
        then = self.pull_until_quiet(world.config(), first.cursor)
        assert then.deleted(key) or then.bodies[key] != first.bodies[key]

    @needs("delete")
    def test_deletion_comes(self, world: World) -> None:
        keys = self.fill(world)
        first = self.pull_until_quiet(world.config())
        world.advance(timedelta(days=2))
        world.delete(2)
        world.advance(timedelta(minutes=1))
        then = self.pull_until_quiet(world.config(), first.cursor)
        assert then.deleted(keys[1])
        assert not any(then.deleted(key) for key in keys[2:])

    @needs("begin")
    def test_record_that_is_committed_late_comes(self, world: World) -> None:
        commit = world.begin(30)
        self.fill(world, 3)
        first = self.pull_until_quiet(world.config())
        commit()
        then = self.pull_until_quiet(world.config(), first.cursor)
        alone = self.pull_until_quiet(world.config())
        assert alone.bodies.keys() - first.bodies.keys(), "the world begins nothing"
        assert alone.bodies.keys() == first.bodies.keys() | then.bodies.keys()

    @needs("add_bad")
    def test_record_that_cannot_be_read_costs_no_neighbour(self, world: World) -> None:
        keys = self.fill(world, 3)
        clean = self.pull_until_quiet(world.config())
        world.add_bad()
        world.advance(timedelta(minutes=1))
        keys.append(world.add(9))
        world.advance(timedelta(minutes=1))
        for cursor in (None, clean.cursor):
            given = self.pull_until_quiet(world.config(), cursor)
            assert set(keys[-1:] if cursor else keys) <= given.bodies.keys()
            others = [one for key, one in given.records.items() if key not in keys and key not in clean.records]
            assert any(one.problem or one.body for one in others) or given.ignored, "it vanished without a word"

    @needs("add_in_gbk")
    def test_wrong_charset_costs_no_neighbour_and_is_not_lost(self, world: World) -> None:
        keys = self.fill(world, 2)
        clean = self.pull_until_quiet(world.config())
        world.add_in_gbk(8)
        world.advance(timedelta(minutes=1))
        keys.append(world.add(9))
        world.advance(timedelta(minutes=1))
        given = self.pull_until_quiet(world.config(), clean.cursor)
        assert keys[-1] in given.bodies
        neighbours = {key for key in given.records if key.endswith("9")}
        assert given.records.keys() - clean.records.keys() - neighbours or given.ignored, "it vanished without a word"

    @needs("add_without_zone")
    def test_times_without_a_zone_are_in_the_zone_of_the_source(self, world: World) -> None:
        world.add_without_zone(1)
        world.advance(timedelta(minutes=15))
        first = self.pull_until_quiet(world.config())
        assert first.bodies
        key = world.add(2)
        world.advance(timedelta(minutes=1))
        then = self.pull_until_quiet(world.config(), first.cursor)
        assert key in then.bodies, "what came later lies before a watermark that is hours ahead"
