"""Decisions evaluated again: whatever interrupts it, whoever else is at it, and whatever it finds."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from service.audit.verify import verify_log
from service.bootstrap import open_evaluator
from service.decisions import reach as reach_module
from service.decisions.reach import Reach
from service.domain.errors import Unavailable
from service.registry import reference_store
from service.registry.alone import alone
from service.registry.tables import audit, decision, decision_record, identity_change, notice, prompt
from service.security.caller import Caller, Role
from tests.support.parting import hide, part, records_of
from tests.support.region import LOINC, NETWORK, ORDERED, Hospitals, Person

pytestmark = pytest.mark.slow

CALLER = Caller("req", Role.CLINICIAN, "dr-wang")


@dataclass
class Region:
    """Three women, each registered at the requester and at a hospital that measured their blood."""

    hospitals: Hospitals
    people: list[Person]
    url: str
    home: Path

    def ask(self, person: Person, times: int = 1) -> None:
        for _ in range(times):
            self.hospitals.match(person)

    def part(self, person: Person, cause: str = "unlink") -> tuple[int, list[str]]:
        """Her two records are found to be two people's."""
        number = self.people.index(person)
        here, there = (records_of(self.hospitals.parts.database, one)[number] for one in ("req", "nat"))
        hide(self.hospitals.parts.database, there)
        return part(self.hospitals.parts.database, [{here}, {there}], cause)

    def rows(self, *columns: Any) -> list[Any]:
        with self.hospitals.parts.database.read() as conn:
            return [tuple(row) for row in conn.execute(select(*columns).order_by(*columns))]


@pytest.fixture
def region(database_url: str, tmp_path: Path) -> Iterator[Region]:
    hospitals = Hospitals.open(tmp_path / "home", database_url)
    people = [Person() for _ in range(3)]
    for one in people:
        measured = one.result()
        hospitals.load("req", one.patient())
        hospitals.load("nat", one.patient(), measured, one.report(measured))
    yield Region(hospitals, people, database_url, tmp_path / "home")
    hospitals.parts.close()


_WORKER = """
import os, signal, sys
from pathlib import Path
from service.bootstrap import open_parts
from service.decisions import reach
from service.decisions.supersede import Successors
from service.settings import Settings

home, url, commits, place = sys.argv[1:]
left = int(commits)
reach.BATCH = 3
parts = open_parts(Settings(home=Path(home), database_url=url))

def dying(function, when):
    def work(*arguments):
        global left
        left -= 1
        if left < 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments)
        if left < 0 and when == "inside":
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return work

if place == "inside":
    Successors.put = dying(Successors.put, place)
else:
    reach.Reach._store = dying(reach.Reach._store, place)
parts.reach.run()
"""


@pytest.mark.parametrize("place", ["before", "inside"])
def test_killed_anywhere_it_goes_on_where_it_was(region: Region, place: str) -> None:
    for one in region.people:
        region.ask(one, 4)
    marked = [name for one in region.people[:2] for name in region.part(one)[1]]
    assert len(marked) == 8
    for commits in (0, 1, 1):
        command = [sys.executable, "-c", _WORKER, str(region.home), region.url, str(commits), place]
        assert subprocess.run(command, check=False, timeout=120).returncode == -9
    region.hospitals.parts.reach.run()
    succeeded = {old: new for old, new in region.rows(decision.c.supersedes, decision.c.id) if old}
    assert sorted(succeeded) == sorted(marked)
    assert len(region.rows(decision.c.id)) == 12 + 8
    standing = dict(region.rows(decision.c.id, decision.c.superseded_by))
    assert {old: standing[old] for old in marked} == succeeded
    assert region.rows(notice.c.decision_id, notice.c.institution) == sorted(
        (name, who) for name in marked for who in ("nat", "req")
    )
    actions = [action for (action,) in region.rows(audit.c.action) if action.startswith("identity:decision")]
    assert sorted(actions) == ["identity:decision:invalidated"] * 8 + ["identity:decision:superseded"] * 8
    assert [done for (done,) in region.rows(identity_change.c.done_at) if done is None] == []
    with region.hospitals.parts.database.snapshot() as conn:
        assert verify_log(conn, region.hospitals.parts.keys).is_intact


def test_question_asked_while_the_persons_change_is_answered_anew(region: Region) -> None:
    desk, person = region.hospitals.parts.desk, region.people[0]
    prepared = desk.prepare(_body(person), CALLER)
    answers = iter([prepared])
    _, marked = region.part(person)
    assert marked == []
    original = desk.prepare
    desk.prepare = lambda body, caller: next(answers, None) or original(body, caller)  # type: ignore[method-assign]
    answer = desk.decide(_body(person), CALLER)
    assert answer != prepared.answer
    assert region.rows(decision.c.id, decision.c.state)[0][1] == "standing"
    assert b'"no-result"' in answer


def test_question_that_is_always_overtaken_is_not_answered(region: Region) -> None:
    desk, person = region.hospitals.parts.desk, region.people[0]
    original = desk.prepare

    def overtaken(body: object, caller: Caller) -> Any:
        made = original(body, caller)
        here = records_of(region.hospitals.parts.database, "req")[0]
        part(region.hospitals.parts.database, [{here}, {999}])
        return made

    desk.prepare = overtaken  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="ask again"):
        desk.decide(_body(person), CALLER)
    assert region.rows(decision.c.id) == []


def test_decision_and_unlink_in_one_commit_do_not_pass_each_other_unseen(region: Region) -> None:
    parts, person = region.hospitals.parts, region.people[0]
    before, after = (parts.desk.prepare(_body(person), CALLER) for _ in range(2))
    here, there = (records_of(parts.database, one)[0] for one in ("req", "nat"))

    def unlink(conn: Any) -> list[str]:
        from service.registry.reach import mark_rested

        row = {"id": 7, "at": 0, "cause": "unlink", "actor": "wang", "records": f"[{here},{there}]"}
        conn.execute(identity_change.insert(), row)
        return mark_rested(conn, 7, [{here}, {there}])

    first, marked, last = parts.journal.submit_all([before.store, unlink, after.store])
    assert first.exception() is None
    assert len(marked.result()) == 1
    assert type(last.exception()).__name__ == "Stale"
    assert region.rows(decision.c.state, decision.c.change_id) == [("identity-invalidated", 7)]


def test_several_at_once_do_it_once(region: Region) -> None:
    for one in region.people:
        region.ask(one, 3)
    marked = [name for one in region.people for name in region.part(one)[1]]
    found: list[Any] = []
    others = [
        threading.Thread(target=lambda: found.append(region.hospitals.parts.reach.run([1, 2, 3]))) for _ in range(3)
    ]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join(60)
    assert found == [found[0]] * 3
    assert [one.decision_id for one in found[0]] == sorted(marked)
    assert len(region.rows(decision.c.id)) == 2 * len(marked)


def test_storm_is_worked_off_by_processes_to_the_same_end(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = region.hospitals.parts
    for one in region.people:
        region.ask(one, 3)
    marked = [name for one in region.people for name in region.part(one)[1]]
    monkeypatch.setattr(reach_module, "STORM", 1)
    monkeypatch.setattr(reach_module, "BATCH", 2)
    here = parts.reach._evaluator
    affected = Reach(parts.database, parts.audit, here, partial(open_evaluator, parts.settings)).run()
    assert [one.decision_id for one in affected] == sorted(marked)
    assert all(one.superseded_by for one in affected)
    assert {outcome for (outcome,) in region.rows(prompt.c.outcome)} == {"reusable", "no-result"}


def test_process_that_cannot_work_leaves_all_waiting(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = region.hospitals.parts
    region.ask(region.people[0])
    region.part(region.people[0])
    monkeypatch.setattr(reach_module, "STORM", 1)
    broken = partial(open_evaluator, parts.settings.model_copy(update={"home": Path("absent")}))
    with pytest.raises(Unavailable, match="evaluated again"):
        Reach(parts.database, parts.audit, parts.reach._evaluator, broken).run()
    assert len(parts.reach.run()) == 1


def test_background_work_does_it_within_seconds_and_stops(region: Region) -> None:
    region.ask(region.people[0])
    region.hospitals.parts.reach.start()
    region.part(region.people[0])
    _wait_until(lambda: region.rows(identity_change.c.done_at)[0][0] is not None)
    region.hospitals.parts.reach.stop()
    change, _ = region.part(region.people[1])
    time.sleep(2 * reach_module.POLL_SECONDS)
    assert dict(region.rows(identity_change.c.id, identity_change.c.done_at))[change] is None


def test_decision_whose_input_cannot_be_read_stays_invalid_and_holds_up_no_other(region: Region) -> None:
    region.ask(region.people[0], 2)
    (first,), (second,) = region.rows(decision.c.id)
    with region.hospitals.parts.database.write() as conn:
        conn.execute(update(decision).where(decision.c.id == first).values(given=b"\x00\x01damaged"))
    region.part(region.people[0])
    affected = {one.decision_id: one for one in region.hospitals.parts.reach.run()}
    assert affected[first].superseded_by is None
    assert affected[second].superseded_by is not None
    assert (first, "req") in region.rows(notice.c.decision_id, notice.c.institution)
    assert region.hospitals.parts.reach.run() == []


def test_decision_of_an_institution_that_left_the_network_is_superseded_too(region: Region) -> None:
    region.ask(region.people[0])
    left = NETWORK.replace('id = "req"', 'id = "gone"')
    with region.hospitals.parts.database.write() as conn:
        reference_store.save(conn, "network", "without-req", left)
    region.hospitals.parts.reference.forget()
    region.part(region.people[0])
    (affected,) = region.hospitals.parts.reach.run()
    assert (affected.institution, affected.state) == ("req", "identity-invalidated")
    assert affected.superseded_by is not None


def test_successor_that_rests_on_a_later_unlink_is_superseded_in_turn(region: Region) -> None:
    region.ask(region.people[0])
    here, there = (records_of(region.hospitals.parts.database, one)[0] for one in ("req", "nat"))
    chain = []
    for _ in range(3):
        part(region.hospitals.parts.database, [{here}, {there}])
        (affected,) = region.hospitals.parts.reach.run()
        chain.append((affected.decision_id, affected.superseded_by))
    assert [new for _, new in chain[:-1]] == [old for old, _ in chain[1:]]
    assert [state for _, state in region.rows(decision.c.decided_at, decision.c.state)][-1] == "standing"


def test_superseded_decision_on_torn_records_is_told_of_without_another_successor(region: Region) -> None:
    person = region.people[0]
    region.ask(person)
    ((first,),) = region.rows(decision.c.id)
    here, there = (records_of(region.hospitals.parts.database, one)[0] for one in ("req", "nat"))
    with region.hospitals.parts.database.write() as conn:
        conn.execute(update(decision).values(state="superseded", superseded_by="later", change_id=0))
    part(region.hospitals.parts.database, [{here}, {there}])
    (affected,) = region.hospitals.parts.reach.run()
    assert (affected.decision_id, affected.state, affected.superseded_by) == (first, "identity-invalidated", "later")
    assert len(region.rows(decision.c.id)) == 1
    assert region.rows(notice.c.institution, notice.c.superseded_by) == [("nat", "later"), ("req", "later")]


def test_every_decision_keeps_its_ground(region: Region) -> None:
    region.ask(region.people[1])
    ((made,),) = region.rows(decision.c.id)
    records = sorted(records_of(region.hospitals.parts.database, one)[1] for one in ("req", "nat"))
    assert region.rows(decision_record.c.record_id, decision_record.c.decision_id) == [(one, made) for one in records]
    region.ask(Person())
    with region.hospitals.parts.database.read() as conn:
        assert conn.execute(select(func.count()).select_from(decision_record)).scalar_one() == 2


def test_only_one_is_alone_and_who_leaves_lets_another(region: Region) -> None:
    database = region.hospitals.parts.database
    with alone(database, "test") as first, alone(database, "test") as second, alone(database, "other") as third:
        assert (first, second, third) == (True, False, True)
    with alone(database, "test") as again:
        assert again


def _body(person: Person) -> dict[str, Any]:
    order = {"id": "o1", "code": {"system": LOINC, "code": "718-7"}}
    return {"patient": person.facts, "orders": [order], "orderedAt": ORDERED}


def _wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)
