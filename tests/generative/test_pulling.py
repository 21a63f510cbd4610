"""A hospital that changes while it is pulled, by runs that are killed, fail, repeat and are read again: in the end the
registry holds what a fresh, undisturbed pull would give, and every record that came is accounted for."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service.security.keys import KeyRing
from tests.support.pulling import Contents, Installation, Step, installation
from tests.support.recalling_peer import Peer, PeerSource
from tests.support.strategies import quick

STEPS = ("pulled", "kept", "reading", "read")
exams = st.integers(1, 6)


class Killed(Exception):
    """The process ends here."""


def killing(name: str, nth: int) -> Step:
    """Ends the run at the nth step of that name."""
    left = nth

    def step(done: str) -> None:
        nonlocal left
        left -= done == name
        if done == name and left == 0:
            raise Killed

    return step


class Pulling(RuleBasedStateMachine):
    """The hospital, and who pulls it."""

    template: Path
    keys: KeyRing

    @initialize(hours=st.integers(-48, 48))
    def open(self, hours: int) -> None:
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.house: Installation = self.stack.enter_context(installation(self.folder, self.template, self.keys))
        self.peer = Peer(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours))

    @rule(n=exams, value=st.sampled_from([132, 77, 140.5]))
    def add_or_correct(self, n: int, value: float) -> None:
        self.peer.commit(self.peer.write(n, value=value))

    @rule(n=exams)
    def withdraw(self, n: int) -> None:
        self.peer.commit(self.peer.write(n, status="entered-in-error"))

    @rule(n=exams)
    def begin(self, n: int) -> None:
        self.peer.begun += self.peer.write(n, value=99)

    @precondition(lambda self: self.peer.begun)
    @rule(which=st.integers(0, 99))
    def commit_one(self, which: int) -> None:
        self.peer.commit([self.peer.begun.pop(which % len(self.peer.begun))])

    @precondition(lambda self: self.peer.there)
    @rule(which=st.integers(0, 99))
    def vanish(self, which: int) -> None:
        reports = sorted(one for one in self.peer.there if not one.startswith("Patient/"))
        if reports:
            self.peer.vanish(reports[which % len(reports)])

    @precondition(lambda self: self.peer.gone)
    @rule(which=st.integers(0, 99))
    def come_back(self, which: int) -> None:
        self.peer.come_back(sorted(self.peer.gone)[which % len(self.peer.gone)])

    @rule(minutes=st.integers(1, 30))
    def time_goes_by(self, minutes: int) -> None:
        self.peer.now += timedelta(minutes=minutes)

    @rule(twice=st.booleans())
    def pull(self, twice: bool) -> None:
        assert self.house.pull(PeerSource(self.peer, twice=twice)).error is None

    @rule(step=st.sampled_from(STEPS), nth=st.integers(1, 4))
    def pull_killed(self, step: str, nth: int) -> None:
        with suppress(Killed):
            self.house.pull(PeerSource(self.peer), step=killing(step, nth))

    @rule(batch=st.integers(0, 3))
    def pull_failing(self, batch: int) -> None:
        self.house.pull(PeerSource(self.peer, fail_at=batch))

    @rule(n=exams, what=st.sampled_from(["add_or_correct", "withdraw", "begin"]))
    def pull_while_it_changes(self, n: int, what: str) -> None:
        change: Callable[..., None] = getattr(self, what)
        given = {"n": n, "value": 55} if what == "add_or_correct" else {"n": n}
        assert self.house.pull(PeerSource(self.peer, meanwhile=lambda: change(**given))).error is None

    @rule()
    def read_again(self) -> None:
        self.house.replay()

    @invariant()
    def every_record_is_accounted_for(self) -> None:
        if hasattr(self, "house"):
            self.house.check_every_record_is_counted()

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        with self.stack:
            self.time_goes_by(15)
            self.house.pull_until_quiet(PeerSource(self.peer))
            self.house.check_nothing_is_stuck()
            with installation(self.folder, self.template, self.keys) as other:
                other.pull_until_quiet(PeerSource(self.peer))
                fresh = self._standing(other)
            assert self._standing(self.house) == fresh
            assert self.house.rejected() == []

    def _standing(self, house: Installation) -> Contents:
        """What the registry holds, without the results of a report that is gone, where they are left at the source: who
        knew the report shows them no more, who never saw it takes them for results by themselves."""
        left = {one.replace("DiagnosticReport/r", "Observation/o") for one in self.peer.gone}
        held = house.contents()
        reports = {number: one for number, one in held.reports.items() if number not in left}
        return Contents(reports, held.patients, {key: n for key, n in held.results.items() if key[0] not in left})


@pytest.mark.slow
def test_whatever_happens_the_registry_comes_to_what_an_undisturbed_pull_gives(
    sqlite_template: Path, keys: KeyRing
) -> None:
    Pulling.template, Pulling.keys = sqlite_template, keys
    run_state_machine_as_test(Pulling, settings=settings(quick, max_examples=25, stateful_step_count=25))
